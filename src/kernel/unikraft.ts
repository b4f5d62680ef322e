/** Unikraft kernels, told by the sections that Unikraft's linker scripts leave in every image. Pure. */
import type { ElfFile } from "./elf.ts";

/** Boot information that the build fills in, and the list of libraries; either proves Unikraft. */
const SECTIONS: readonly string[] = [".uk_bootinfo", ".uk_libinfo"];

/**
 * The Unikraft platform; null when it is not Unikraft. On x86_64 the builds for QEMU are Multiboot kernels and those for
 * Firecracker are not. Elsewhere both look the same, and the commoner one is named.
 */
export function unikraftTarget(elf: ElfFile, multiboot: 1 | 2 | null): "unikraft-qemu" | "unikraft-fc" | null {
  if (!elf.sections.some((section) => SECTIONS.includes(section.name))) return null;
  if (multiboot !== null || elf.header.arch !== "x86_64") return "unikraft-qemu";
  return "unikraft-fc";
}
