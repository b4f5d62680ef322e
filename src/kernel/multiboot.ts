/** Multiboot headers (Multiboot 0.6.96 section 3.1, Multiboot2 2.0 section 3.1). Pure; the bytes are hostile. */
import { type Fields, fieldsOf } from "./fields.ts";

const MAGIC_1 = 0x1badb002;
const MAGIC_2 = 0xe85250d6;
/** The first header lies wholly within so many bytes. */
const SEARCH_1 = 8192;
/** The second begins within so many; also how many bytes a caller should provide. */
export const MULTIBOOT_SEARCH = 32768;

/** Which Multiboot header the first 32 KiB of a file hold; null for none. The checksum rules chance out. */
export function multibootVersion(head: Uint8Array): 1 | 2 | null {
  const fields = fieldsOf(head.subarray(0, MULTIBOOT_SEARCH), "little");
  for (let at = 0; at + 12 <= Math.min(fields.length, SEARCH_1); at += 4) {
    if (fields.u32(at) === MAGIC_1 && sumsToZero(fields, at, 3)) return 1;
  }
  for (let at = 0; at + 16 <= fields.length; at += 8) {
    if (fields.u32(at) === MAGIC_2 && sumsToZero(fields, at, 4)) return 2;
  }
  return null;
}

/** Whether magic, flags (or architecture and length) and checksum add up to 0 modulo 2^32. */
function sumsToZero(fields: Fields, at: number, words: number): boolean {
  let sum = 0;
  for (let i = 0; i < words; i++) sum = (sum + fields.u32(at + 4 * i)) >>> 0;
  return sum === 0;
}
