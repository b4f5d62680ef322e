/** What an executable wants from its host: the interpreter and the libraries it names. Pure; the bytes are hostile. */
import type { ByteSource } from "../util/bytes.ts";
import { type ElfFile, offsetOf } from "./elf.ts";
import { SEGMENT } from "./elf-tables.ts";
import { copyOf, type Fields, fieldsOf, textOf, toSize } from "./fields.ts";
import type { Report } from "./problem.ts";

/** PATH_MAX of Linux. */
const MAX_INTERPRETER = 4096;
/** Of the dynamic table: 1,024 entries of 16 bytes; real ones have about 40. */
const MAX_DYNAMIC = 16 * 1024;
const MAX_LIBRARIES = 128;
/** Of a library's name; NAME_MAX of Linux. */
const MAX_NAME = 255;

const DT = { end: 0, needed: 1, strings: 5 } as const;

/** The path of PT_INTERP; null when there is none, with a problem reported when it lies beyond the file. */
export function readInterpreter(source: ByteSource, elf: ElfFile, report: Report): string | null {
  const segment = elf.segments.find(({ type }) => type === SEGMENT.interp);
  if (segment === undefined) return null;
  if (segment.offset + segment.fileSize > source.size || segment.fileSize === 0) {
    report("interpreter-unreadable", "the path of the interpreter is empty or reaches beyond the end of the file");
    return null;
  }
  return textOf(copyOf(source, segment.offset, Math.min(segment.fileSize, MAX_INTERPRETER)));
}

/** The DT_NEEDED names in order, at most 128; empty for a static executable. */
export function readLibraries(source: ByteSource, elf: ElfFile, report: Report): readonly string[] {
  const segment = elf.segments.find(({ type }) => type === SEGMENT.dynamic);
  if (segment === undefined) return [];
  if (segment.offset + segment.fileSize > source.size) {
    report("dynamic-unreadable", "the dynamic table reaches beyond the end of the file");
    return [];
  }
  const bytes = copyOf(source, segment.offset, Math.min(segment.fileSize, MAX_DYNAMIC));
  const table = readTable(fieldsOf(bytes, elf.header.endian), elf.header.class);
  if (table.needed.length === 0) return [];
  const strings = table.strings === null ? null : offsetOf(elf, table.strings, 1);
  if (strings === null) {
    report("dynamic-unreadable", "the names of the libraries are not in any loadable segment");
    return [];
  }
  const names = table.needed.map((at) => textOf(copyOf(source, strings + at, MAX_NAME)));
  if (names.includes("")) report("dynamic-unreadable", "the name of a library is empty or beyond the end of the file");
  return names.filter((name) => name !== "");
}

function readTable(fields: Fields, elfClass: 32 | 64): { needed: readonly number[]; strings: bigint | null } {
  const width = elfClass === 64 ? 8 : 4;
  const word = (at: number) => (width === 8 ? fields.u64(at) : BigInt(fields.u32(at)));
  const needed: number[] = [];
  let strings: bigint | null = null;
  for (let at = 0; at + 2 * width <= fields.length; at += 2 * width) {
    const tag = word(at);
    const value = word(at + width);
    if (tag === BigInt(DT.end)) break;
    if (tag === BigInt(DT.needed) && needed.length < MAX_LIBRARIES) needed.push(toSize(value));
    if (tag === BigInt(DT.strings)) strings = value;
  }
  return { needed, strings };
}
