/** Linux kernels: bzImage (Documentation/arch/x86/boot.rst), the flat images of arm64 and riscv, and vmlinux. Pure. */
import type { ByteSource } from "../util/bytes.ts";
import type { ElfFile } from "./elf.ts";
import { ELF_TYPE } from "./elf-header.ts";
import { copyOf, fieldsOf } from "./fields.ts";
import type { Report } from "./problem.ts";

/** "HdrS" at 0x202. */
const HDRS = 0x53726448;
/** The boot protocol's own fields end here. */
const SETUP = 0x268;
/** XLF_KERNEL_64 of xloadflags, in protocol 2.12 and later. */
const KERNEL_64 = 1;
/** "ARM\x64" and "RSC\x05", both at 0x38. */
const FLAT_MAGICS = { 0x644d5241: "aarch64", 0x05435352: "riscv64" } as const;
/** Notes that only a Linux kernel has: the build salt and the mark of link-time optimisation. */
const LINUX_NOTES: readonly number[] = [0x100, 0x101];
/** Older kernels have no such note, but every one has its table of exported symbols and discards its start-up code. */
const LINUX_SECTIONS: readonly string[] = ["__ksymtab", ".init.text"];

export interface BzImage {
  readonly arch: "x86_64" | "i386";
  /** Bytes it needs from its load address on until it has found its own way about (init_size); 0 when it does not say. */
  readonly memory: number;
}

/** Reads the boot protocol header of a bzImage; null when the file is none. */
export function readBzImage(source: ByteSource, report: Report): BzImage | null {
  const fields = fieldsOf(copyOf(source, 0, SETUP), "little");
  if (fields.length < SETUP || fields.u32(0x202) !== HDRS || fields.u16(0x1fe) !== 0xaa55) return null;
  const protocol = fields.u16(0x206);
  // A setup of 0 sectors means 4, for the sake of very old kernels; syssize counts 16 bytes each.
  const setupSectors = fields.bytes[0x1f1] || 4;
  const size = (setupSectors + 1) * 512 + fields.u32(0x1f4) * 16;
  // The last paragraph may be padding that the file leaves out.
  if (size > source.size + 16) {
    report("bzimage-truncated", `the file has ${source.size} bytes of the ${size} that its header promises`);
  }
  const wide = protocol >= 0x20c && (fields.u16(0x236) & KERNEL_64) !== 0;
  return { arch: wide ? "x86_64" : "i386", memory: protocol >= 0x20a ? fields.u32(0x260) : 0 };
}

/** The instruction set of a flat Linux image as arm64 and riscv boot them; null when the file is none. */
export function readFlatImage(head: Uint8Array): "aarch64" | "riscv64" | null {
  if (head.length < 64) return null;
  const magic = fieldsOf(head, "little").u32(0x38);
  return FLAT_MAGICS[magic as keyof typeof FLAT_MAGICS] ?? null;
}

/** Whether an ELF file is an uncompressed Linux kernel; its modules have the same notes but are relocatable. */
export function isVmlinux(elf: ElfFile, guestOs: string): boolean {
  if (elf.header.type === ELF_TYPE.rel) return false;
  if (guestOs.startsWith("linux")) return true;
  if (elf.notes.some((note) => note.owner === "Linux" && LINUX_NOTES.includes(note.type))) return true;
  return LINUX_SECTIONS.every((name) => elf.sections.some((section) => section.name === name));
}
