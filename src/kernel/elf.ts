/** ElfFile: the parts of an ELF file that tell what it is, in bounded reads. Pure; hostile bytes. */
import type { ByteSource } from "../util/bytes.ts";
import { type ElfHeader, readElfHeader } from "./elf-header.ts";
import { type ElfSection, type ElfSegment, readSections, readSegments, SEGMENT } from "./elf-tables.ts";
import { copyOf } from "./fields.ts";
import { type ElfNote, sectionNotes, segmentNotes } from "./notes.ts";
import type { Report } from "./problem.ts";

export interface ElfFile {
  readonly header: ElfHeader;
  /** All program headers. */
  readonly segments: readonly ElfSegment[];
  readonly sections: readonly ElfSection[];
  /** The notes of PT_NOTE, which is where loaders look. */
  readonly notes: readonly ElfNote[];
  /** The notes of SHT_NOTE, which is where Xen looks when the others have none of its own. */
  readonly sectionNotes: readonly ElfNote[];
}

/** Reads an ELF file; null, with a problem reported, when not even its header can be read. */
export function readElf(source: ByteSource, report: Report): ElfFile | null {
  const header = readElfHeader(copyOf(source, 0, 64), report);
  if (header === null) return null;
  const segments = readSegments(source, header, report);
  const sections = readSections(source, header, report);
  const notes = segmentNotes(source, header, segments, report);
  // Sections usually cover the very bytes just read; reporting them twice would be noise.
  const hasNotes = notes.length > 0;
  return {
    header,
    segments,
    sections,
    notes,
    sectionNotes: sectionNotes(source, header, sections, hasNotes ? () => {} : report),
  };
}

/** The loadable segments, in the order of the program headers. */
export function loadable(elf: ElfFile): readonly ElfSegment[] {
  return elf.segments.filter((segment) => segment.type === SEGMENT.load);
}

/** The file offset of the `length` bytes at virtual address `vaddr`; null when no segment has them in the file. */
export function offsetOf(elf: ElfFile, vaddr: bigint, length: number): number | null {
  for (const segment of loadable(elf)) {
    const into = vaddr - segment.vaddr;
    if (into >= 0n && into + BigInt(length) <= BigInt(segment.fileSize)) return segment.offset + Number(into);
  }
  return null;
}
