/** Executables of a host operating system: what Mirage calls the `unix` target. Pure. */
import type { ElfFile } from "./elf.ts";
import { ELF_TYPE } from "./elf-header.ts";
import { SEGMENT } from "./elf-tables.ts";
import { fieldsOf } from "./fields.ts";
import { SOLO5_INTERPRETER } from "./solo5.ts";

const NT_GNU_ABI_TAG = 1;
/** First word of the GNU ABI tag. */
const GNU_ABI_LINUX = 0;
/** EI_OSABI: GNU (Linux with its extensions), FreeBSD. */
const HOST_OSABI: readonly number[] = [3, 9];

/** Why this executable is a host's, in words; null when nothing says so. */
export function hostEvidence(elf: ElfFile, interpreter: string | null): string | null {
  if (elf.header.type !== ELF_TYPE.exec && elf.header.type !== ELF_TYPE.dyn) return null;
  if (interpreter === SOLO5_INTERPRETER) return null;
  if (interpreter !== null) return `the interpreter is ${interpreter}`;
  // A shared library and a static executable at no fixed address differ in having an entry point.
  if (elf.header.type === ELF_TYPE.dyn && elf.header.entry === 0n) return null;
  if (elf.notes.some(isLinuxTag)) return "the GNU ABI tag says Linux";
  if (elf.notes.some(({ owner }) => owner === "Go")) return "there is a Go build note";
  if (HOST_OSABI.includes(elf.header.osAbi)) return `the operating system ABI is ${elf.header.osAbi}`;
  return null;
}

function isLinuxTag(note: ElfFile["notes"][number]): boolean {
  if (note.owner !== "GNU" || note.type !== NT_GNU_ABI_TAG || note.desc.length < 4) return false;
  // The tag is in the byte order of the file, but 0 is 0 in both.
  return fieldsOf(note.desc, "little").u32(0) === GNU_ABI_LINUX;
}

/**
 * Weaker evidence, to be asked after every kernel format: the start files of a hosted C library (musl leaves no ABI
 * tag), or thread-local storage with relocation hardening, which a kernel has no use for.
 */
export function hostTraces(elf: ElfFile, interpreter: string | null): string | null {
  if (elf.header.type !== ELF_TYPE.exec && elf.header.type !== ELF_TYPE.dyn) return null;
  if (interpreter !== null || elf.header.entry === 0n) return null;
  const names = elf.sections.map(({ name }) => name);
  if (names.includes(".init") && names.includes(".fini")) return "it is linked with the start files of a C library";
  const has = (type: number) => elf.segments.some((segment) => segment.type === type);
  return has(SEGMENT.tls) && has(SEGMENT.relro) ? "it has thread-local storage and hardened relocations" : null;
}
