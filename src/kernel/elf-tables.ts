/** Program and section headers (System V ABI, chapters 4 and 5). Pure; the bytes are hostile. */
import type { ByteSource } from "../util/bytes.ts";
import { ELF_LAYOUT, type ElfHeader } from "./elf-header.ts";
import { copyOf, type Fields, fieldsOf, textOf, toSize } from "./fields.ts";
import type { Report } from "./problem.ts";

/** p_type. */
export const SEGMENT = { load: 1, dynamic: 2, interp: 3, note: 4, tls: 7, relro: 0x6474e552 } as const;
/** sh_type. */
export const SECTION = { symtab: 2, note: 7, nobits: 8 } as const;

/** Real kernels have under 20; 512 is 28 KiB. */
const MAX_SEGMENTS = 512;
/** Real kernels have under 100; 1,024 is 64 KiB. */
const MAX_SECTIONS = 1024;
/** Of the section name table; names of 1,024 sections fit unless they are absurdly long. */
const MAX_NAMES = 64 * 1024;
/** Of one section name. */
const MAX_NAME = 128;

/** A program header. Sizes and offsets are in bytes; one above 2^53 - 1 reads as 2^53 - 1, which no file contains. */
export interface ElfSegment {
  readonly index: number;
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly vaddr: bigint;
  readonly paddr: bigint;
  readonly fileSize: number;
  readonly memSize: number;
  readonly align: bigint;
}

/** A section header with its name. */
export interface ElfSection {
  readonly name: string;
  readonly type: number;
  readonly offset: number;
  readonly size: number;
}

/** The program headers; empty, with a problem reported, when they cannot be read. */
export function readSegments(source: ByteSource, header: ElfHeader, report: Report): readonly ElfSegment[] {
  const { offset, entrySize, count } = header.segments;
  const size = ELF_LAYOUT[header.class].segment;
  if (count === 0) {
    report("elf-phdr-missing", "there are no program headers, so nothing can be loaded", "Link it as an executable.");
    return [];
  }
  if (entrySize !== size) {
    report("elf-phdr-size", `e_phentsize is ${entrySize}, expected ${size}`);
    return [];
  }
  if (count > MAX_SEGMENTS) {
    report("elf-phdr-too-many", `there are ${count} program headers, more than the ${MAX_SEGMENTS} that are read`);
    return [];
  }
  if (offset + count * size > source.size) {
    report(
      "elf-phdr-out-of-range",
      `${count} program headers at ${offset} reach beyond the file of ${source.size} bytes`,
    );
    return [];
  }
  const fields = fieldsOf(copyOf(source, offset, count * size), header.endian);
  return Array.from({ length: count }, (_, index) => segmentOf(fields, index, header.class));
}

function segmentOf(fields: Fields, index: number, elfClass: 32 | 64): ElfSegment {
  const at = index * ELF_LAYOUT[elfClass].segment;
  const type = fields.u32(at);
  if (elfClass === 32) {
    const word = (offset: number) => fields.u32(at + offset);
    return {
      index,
      type,
      offset: word(4),
      vaddr: BigInt(word(8)),
      paddr: BigInt(word(12)),
      fileSize: word(16),
      memSize: word(20),
      flags: word(24),
      align: BigInt(word(28)),
    };
  }
  const long = (offset: number) => fields.u64(at + offset);
  return {
    index,
    type,
    flags: fields.u32(at + 4),
    offset: toSize(long(8)),
    vaddr: long(16),
    paddr: long(24),
    fileSize: toSize(long(32)),
    memSize: toSize(long(40)),
    align: long(48),
  };
}

/** The section headers without the empty first one. They only inform, so what is wrong with them is a warning. */
export function readSections(source: ByteSource, header: ElfHeader, report: Report): readonly ElfSection[] {
  const { offset, entrySize, count } = header.sections;
  const size = ELF_LAYOUT[header.class].section;
  if (offset === 0) return [];
  if (count === 0) {
    // The count is in the first section header when it does not fit here.
    report("elf-shdr-too-many", "there are more sections than the ELF header can count, so none is read");
    return [];
  }
  if (entrySize !== size) {
    report("elf-shdr-size", `e_shentsize is ${entrySize}, expected ${size}`);
    return [];
  }
  if (offset + count * size > source.size) {
    report(
      "elf-shdr-out-of-range",
      `${count} section headers at ${offset} reach beyond the file of ${source.size} bytes`,
    );
    return [];
  }
  if (count > MAX_SECTIONS) {
    report("elf-shdr-too-many", `there are ${count} sections, of which the first ${MAX_SECTIONS} are read`);
  }
  const read = Math.min(count, MAX_SECTIONS);
  const fields = fieldsOf(copyOf(source, offset, read * size), header.endian);
  const raw = Array.from({ length: read }, (_, index) => sectionOf(fields, index, header.class));
  const names = sectionNames(source, raw[header.sections.names], report);
  return raw.slice(1).map(({ nameAt, ...section }) => ({ name: nameIn(names, nameAt), ...section }));
}

type UnnamedSection = Omit<ElfSection, "name"> & { readonly nameAt: number };

function sectionOf(fields: Fields, index: number, elfClass: 32 | 64): UnnamedSection {
  const at = index * ELF_LAYOUT[elfClass].section;
  const wide = elfClass === 64;
  return {
    nameAt: fields.u32(at),
    type: fields.u32(at + 4),
    offset: wide ? toSize(fields.u64(at + 24)) : fields.u32(at + 16),
    size: wide ? toSize(fields.u64(at + 32)) : fields.u32(at + 20),
  };
}

function sectionNames(source: ByteSource, table: UnnamedSection | undefined, report: Report): Uint8Array {
  if (table === undefined || table.offset + table.size > source.size) {
    report("elf-section-names", "the table of section names is missing or beyond the end of the file");
    return new Uint8Array(0);
  }
  return copyOf(source, table.offset, Math.min(table.size, MAX_NAMES));
}

function nameIn(names: Uint8Array, at: number): string {
  return textOf(names.subarray(Math.min(at, names.length), at + MAX_NAME));
}
