/** Integers and text at known places of a few bytes, in either byte order. Pure; the bytes are hostile. */
import type { ByteSource } from "../util/bytes.ts";

export type Endian = "little" | "big";

/** Integers of a record; offsets are in bytes. Reading beyond `length` is a bug of the caller and throws RangeError. */
export interface Fields {
  readonly length: number;
  readonly bytes: Uint8Array;
  u16(offset: number): number;
  u32(offset: number): number;
  u64(offset: number): bigint;
}

/** `bytes` as `Fields`. */
export function fieldsOf(bytes: Uint8Array, endian: Endian): Fields {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = endian === "little";
  return {
    length: bytes.length,
    bytes,
    u16: (offset) => view.getUint16(offset, little),
    u32: (offset) => view.getUint32(offset, little),
    u64: (offset) => view.getBigUint64(offset, little),
  };
}

/**
 * A copy of `length` bytes from `offset`, or of those before the end of the source. A copy, because a source may reuse
 * its buffer; of the size promised even when a file shrinks meanwhile (zeros), so that no reader runs off its end.
 */
export function copyOf(source: ByteSource, offset: number, length: number): Uint8Array {
  if (offset >= source.size || length <= 0) return new Uint8Array(0);
  const wanted = Math.min(length, source.size - offset);
  const copy = new Uint8Array(wanted);
  copy.set(source.read(offset, wanted).subarray(0, wanted));
  return copy;
}

/**
 * A 64-bit size or file offset as a number. No file is as long as 2^53 bytes, so what lies above is as far out of range
 * as 2^53 - 1, which every later range check refuses.
 */
export function toSize(value: bigint): number {
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
}

/** An address as text: exact in 64 bits, and fit for JSON. */
export function hex(address: bigint | number): string {
  return `0x${address.toString(16)}`;
}

/** The bytes up to the first NUL as printable ASCII; others as `\xNN`, so that hostile names cannot forge output. */
export function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  let text = "";
  for (const byte of end < 0 ? bytes : bytes.subarray(0, end)) {
    const printable = byte >= 0x20 && byte < 0x7f && byte !== 0x5c;
    text += printable ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return text;
}
