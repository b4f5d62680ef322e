/** Solo5 kernels: the ABI note. The manifest note is in solo5-manifest.ts. Pure; the bytes are hostile. */
import type { ElfFile } from "./elf.ts";
import { fieldsOf } from "./fields.ts";
import type { ElfNote } from "./notes.ts";
import type { Report } from "./problem.ts";
import { hasManifest, type Manifest, readManifest } from "./solo5-manifest.ts";
import { SOLO5_TARGETS, type Solo5Target, solo5Releases } from "./solo5-releases.ts";

/** "ABI1" as a little-endian integer. */
const NT_ABI1 = 0x31494241;
/** abi_target, abi_version, two reserved words. */
const ABI_SIZE = 16;
/** What the ELF interpreter of every Solo5 kernel is, so that a host refuses to run it. */
export const SOLO5_INTERPRETER = "/nonexistent/solo5/";

/** What the notes of a Solo5 kernel say. `target` is null when the ABI note is missing or malformed. */
export interface Solo5Facts {
  readonly target: Solo5Target | null;
  readonly abiVersion?: number;
  readonly manifest: Manifest;
  /** What told the target, or why nothing did. */
  readonly reason: string;
}

/** Whether a note belongs to Solo5: the owner with its NUL, exactly as the tenders compare it. */
export function isSolo5Note(note: ElfNote, type: number): boolean {
  return note.owner === "Solo5" && note.nameSize === 6 && note.type === type;
}

/** Reads the notes of a Solo5 kernel; null when it has neither of them. */
export function readSolo5(elf: ElfFile, report: Report): Solo5Facts | null {
  const notes = elf.notes.filter((note) => isSolo5Note(note, NT_ABI1));
  const note = notes.find(({ first }) => first) ?? notes[0];
  if (note === undefined) return withoutAbi(elf, report);
  if (notes.length > 1) {
    report("abi-note-duplicate", `there are ${notes.length} Solo5 ABI notes, of which a tender reads the first`);
  }
  if (!note.first) {
    report(
      "abi-note-not-first",
      "the Solo5 ABI note is not the first note of its program header, so a tender does not see it",
      "Give each Solo5 note a program header of its own, as Solo5's linker scripts do.",
    );
  }
  const manifest = readManifest(elf.notes, report);
  return { manifest, ...readAbi(note, report) };
}

type Abi = Pick<Solo5Facts, "target" | "abiVersion" | "reason">;

function readAbi(note: ElfNote, report: Report): Abi {
  if (note.desc.length < ABI_SIZE) {
    report("abi-note-too-short", `the Solo5 ABI note has ${note.desc.length} bytes, expected ${ABI_SIZE}`);
    return { target: null, reason: "the Solo5 ABI note is too short" };
  }
  if (note.descSize !== ABI_SIZE) {
    report("abi-note-size", `the Solo5 ABI note says it has ${note.descSize} bytes, expected ${ABI_SIZE}`);
    return { target: null, reason: "the Solo5 ABI note has a wrong size" };
  }
  // The notes are read by tenders of the same byte order; every Solo5 target is little endian.
  const fields = fieldsOf(note.desc, "little");
  const [number, abiVersion] = [fields.u32(0), fields.u32(4)];
  if (fields.u32(8) !== 0 || fields.u32(12) !== 0) {
    report("abi-reserved", "the reserved words of the Solo5 ABI note are not zero");
  }
  const target = SOLO5_TARGETS.get(number);
  if (target === undefined) {
    report("abi-target-unknown", `the Solo5 ABI note names target ${number}; known are 1 to 6`);
    return { target: null, abiVersion, reason: `the Solo5 ABI note names an unknown target, ${number}` };
  }
  if (solo5Releases(target, abiVersion) === null) {
    report(
      "abi-version-unknown",
      `no known release of Solo5 has ABI version ${abiVersion} for ${target}`,
      "A tender accepts exactly its own version: `solo5-hvt --version` prints it.",
    );
  }
  return { target, abiVersion, reason: `the Solo5 ABI note names target ${number}, version ${abiVersion}` };
}

/** A manifest without an ABI note, or notes that are not loaded: close enough to say what is missing. */
function withoutAbi(elf: ElfFile, report: Report): Solo5Facts | null {
  if (elf.sectionNotes.some((note) => isSolo5Note(note, NT_ABI1))) {
    report(
      "abi-note-not-loaded",
      "the Solo5 ABI note is in a section, but no program header points at it, and tenders look nowhere else",
      "Link with the linker script of the Solo5 target.",
    );
    return { target: null, manifest: { state: "none", devices: [] }, reason: "the Solo5 ABI note is not loaded" };
  }
  if (!hasManifest(elf.notes)) return null;
  report(
    "abi-note-missing",
    "there is a Solo5 manifest but no ABI note, so this is not a finished kernel",
    "A *.stub file only resolves symbols at link time: link against the bindings of a target.",
  );
  return { target: null, manifest: readManifest(elf.notes, report), reason: "there is no Solo5 ABI note" };
}
