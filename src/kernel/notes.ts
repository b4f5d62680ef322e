/** ELF notes (System V ABI, chapter 5). Pure; the bytes are hostile. */
import { type ByteSource, roundUp } from "../util/bytes.ts";
import type { ElfHeader } from "./elf-header.ts";
import { type ElfSection, type ElfSegment, SECTION, SEGMENT } from "./elf-tables.ts";
import { copyOf, type Fields, fieldsOf, textOf } from "./fields.ts";
import type { Report } from "./problem.ts";

/** n_namesz, n_descsz, n_type. */
const NOTE_HEADER = 12;
/** Read of one segment or section of notes; the largest manifest takes 6,692 bytes, all notes of a Linux kernel 512. */
const MAX_RANGE = 64 * 1024;
/** Read of all of them together, so that 512 segments cannot add up to more. */
const MAX_TOTAL = 128 * 1024;
const MAX_NOTES = 512;

/** One note. `desc` is what the file has of it: shorter than `descSize` where the note is cut off. */
export interface ElfNote {
  readonly owner: string;
  readonly nameSize: number;
  readonly type: number;
  readonly descSize: number;
  readonly desc: Uint8Array;
  /** Whether the note reaches beyond its segment. Such a note counts as the end of the list. */
  readonly truncated: boolean;
  /** Whether it is the first of its segment: the only one a Solo5 tender looks at. */
  readonly first: boolean;
}

/** The notes that the program headers point at, in their order. */
export function segmentNotes(
  source: ByteSource,
  header: ElfHeader,
  segments: readonly ElfSegment[],
  report: Report,
): readonly ElfNote[] {
  const ranges = segments.filter((segment) => segment.type === SEGMENT.note);
  return notesIn(
    source,
    header,
    ranges.map(({ index, offset, fileSize }) => ({ what: `program header ${index}`, offset, size: fileSize })),
    report,
  );
}

/** The notes that section headers point at: what a loader falls back to, or what a linker script forgot to load. */
export function sectionNotes(
  source: ByteSource,
  header: ElfHeader,
  sections: readonly ElfSection[],
  report: Report,
): readonly ElfNote[] {
  const ranges = sections.filter((section) => section.type === SECTION.note);
  return notesIn(
    source,
    header,
    ranges.map(({ name, offset, size }) => ({ what: `section ${name}`, offset, size })),
    report,
  );
}

interface Range {
  readonly what: string;
  readonly offset: number;
  readonly size: number;
}

function notesIn(source: ByteSource, header: ElfHeader, ranges: readonly Range[], report: Report): readonly ElfNote[] {
  const notes: ElfNote[] = [];
  let left = MAX_TOTAL;
  for (const range of ranges) {
    if (range.size < NOTE_HEADER) {
      report(
        "note-segment-too-short",
        `${range.what} holds ${range.size} bytes of notes, fewer than one note has`,
        "Discard empty note sections in the linker script.",
      );
      continue;
    }
    // What a range claims beyond the end of the file does no harm as long as the notes themselves are there.
    const there = Math.max(source.size - range.offset, 0);
    if (there < NOTE_HEADER) {
      report("note-segment-out-of-range", `the notes of ${range.what} lie beyond the end of the file`);
      continue;
    }
    const limit = Math.min(there, MAX_RANGE, left);
    if (range.size > limit) {
      report("note-segment-too-large", `${range.what} says ${range.size} bytes of notes, of which ${limit} are read`);
    }
    const bytes = copyOf(source, range.offset, Math.min(range.size, limit));
    left -= bytes.length;
    readRange(fieldsOf(bytes, header.endian), range.what, notes, report);
  }
  return notes;
}

/** Walks with 4-byte padding whatever p_align says: GRUB's PV kernel says 8 and is laid out by 4. */
function readRange(fields: Fields, what: string, notes: ElfNote[], report: Report): void {
  let at = 0;
  while (at + NOTE_HEADER <= fields.length) {
    if (notes.length >= MAX_NOTES) {
      report("note-too-many", `there are more than the ${MAX_NOTES} notes that are read`);
      return;
    }
    const note = noteAt(fields, at);
    notes.push(note);
    if (note.truncated) {
      const end = at + NOTE_HEADER + roundUp(note.nameSize, 4) + note.descSize;
      report(
        "note-truncated",
        `a note of type ${note.type} in ${what} ends at ${end}, but there are only ${fields.length} bytes`,
      );
      return;
    }
    at += NOTE_HEADER + roundUp(note.nameSize, 4) + roundUp(note.descSize, 4);
  }
}

function noteAt(fields: Fields, at: number): ElfNote {
  const nameSize = fields.u32(at);
  const descSize = fields.u32(at + 4);
  const name = at + NOTE_HEADER;
  const desc = name + roundUp(nameSize, 4);
  return {
    // Every owner looked for here is short; a long one is only ever shown.
    owner: textOf(fields.bytes.subarray(name, Math.min(name + nameSize, name + 64))),
    nameSize,
    type: fields.u32(at + 8),
    descSize,
    desc: fields.bytes.subarray(Math.min(desc, fields.length), Math.min(desc + descSize, fields.length)),
    truncated: desc + descSize > fields.length,
    first: at === 0,
  };
}
