/**
 * Xen notes (xen/include/public/elfnote.h) and the rules of Xen's own loader (libelf-dominfo): PVH needs the note
 * PHYS32_ENTRY, PV needs XEN_VERSION and either LOADER or GUEST_OS. Pure; the bytes are hostile.
 */
import type { ElfFile } from "./elf.ts";
import { type Endian, fieldsOf, hex, textOf } from "./fields.ts";
import type { ElfNote } from "./notes.ts";
import type { Report } from "./problem.ts";

/** Note types, as far as they decide something here. */
const NOTE = { xenVersion: 5, guestOs: 6, loader: 8, phys32Entry: 18 } as const;

export interface XenFacts {
  /** Starts under `type=pvh`; also under QEMU, Firecracker and Cloud Hypervisor. */
  readonly pvh: boolean;
  /** Starts under `type=pv`. */
  readonly pv: boolean;
  readonly guestOs: string;
}

/** What the Xen notes say; null when there are none. */
export function readXen(elf: ElfFile, report: Report): XenFacts | null {
  const loaded = elf.notes.filter(isXenNote);
  const notes = loaded.length > 0 ? loaded : elf.sectionNotes.filter(isXenNote);
  if (notes.length === 0) return null;
  const text = (type: number) => textOf(notes.find((note) => note.type === type)?.desc ?? new Uint8Array(0));
  const guestOs = text(NOTE.guestOs);
  const named = text(NOTE.loader).startsWith("generic") || guestOs.startsWith("linux");
  const entry = notes.find((note) => note.type === NOTE.phys32Entry);
  return {
    pvh: entry !== undefined && checkEntry(elf, entry, report),
    pv: named && text(NOTE.xenVersion).startsWith("xen-3.0"),
    guestOs,
  };
}

function isXenNote(note: ElfNote): boolean {
  return note.owner === "Xen" && note.nameSize === 4 && !note.truncated;
}

/** Whether the PVH entry can be jumped to; a number is 4 or 8 bytes whatever the class. */
function checkEntry(elf: ElfFile, note: ElfNote, report: Report): boolean {
  const entry = numberOf(note, elf.header.endian);
  if (entry === null) {
    report("xen-note-value", `the PVH entry note has ${note.descSize} bytes, expected 4 or 8`);
    return false;
  }
  const inside = elf.segments.some(
    ({ type, paddr, memSize }) => type === 1 && entry >= paddr && entry < paddr + BigInt(memSize),
  );
  if (!inside) {
    report(
      "pvh-entry-outside-segments",
      `the PVH entry ${hex(entry)} is not in any loadable segment, so a hypervisor would jump into nothing`,
      "The note holds a physical address: check the AT() of the linker script.",
    );
  }
  return true;
}

function numberOf(note: ElfNote, endian: Endian): bigint | null {
  const fields = fieldsOf(note.desc, endian);
  if (note.descSize === 4) return BigInt(fields.u32(0));
  if (note.descSize === 8) return fields.u64(0);
  return null;
}
