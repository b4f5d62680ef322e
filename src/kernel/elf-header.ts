/** The ELF file header, 32 and 64 bit, either byte order (System V ABI, chapter 4). Pure; the bytes are hostile. */
import { type Endian, type Fields, fieldsOf, toSize } from "./fields.ts";
import type { Report } from "./problem.ts";

/** The instruction sets that have a name here; `unknown` has a machine number nobody asked for yet. */
export type Arch = (typeof MACHINES)[number]["arch"] | "ppc64le" | "riscv32" | "unknown";

/** e_machine numbers. riscv and ppc64 are told apart further by class and byte order. */
const MACHINES = [
  { machine: 3, arch: "i386" },
  { machine: 8, arch: "mips" },
  { machine: 20, arch: "ppc" },
  { machine: 21, arch: "ppc64" },
  { machine: 22, arch: "s390x" },
  { machine: 40, arch: "arm" },
  { machine: 43, arch: "sparc64" },
  { machine: 62, arch: "x86_64" },
  { machine: 183, arch: "aarch64" },
  { machine: 243, arch: "riscv64" },
  { machine: 258, arch: "loongarch64" },
] as const;

/** e_type. */
export const ELF_TYPE = { rel: 1, exec: 2, dyn: 3, core: 4 } as const;

/** Sizes of the records, and where their fields are, by class. */
export const ELF_LAYOUT = {
  32: { header: 52, segment: 32, section: 40, address: 4 },
  64: { header: 64, segment: 56, section: 64, address: 8 },
} as const;

/** What every later step needs to know of the file header. Offsets and sizes are bytes in the file. */
export interface ElfHeader {
  readonly class: 32 | 64;
  readonly endian: Endian;
  readonly osAbi: number;
  readonly type: number;
  readonly machine: number;
  readonly arch: Arch;
  readonly version: number;
  readonly entry: bigint;
  readonly headerSize: number;
  readonly segments: { readonly offset: number; readonly entrySize: number; readonly count: number };
  readonly sections: {
    readonly offset: number;
    readonly entrySize: number;
    readonly count: number;
    readonly names: number;
  };
}

/** Whether the bytes begin as an ELF file does. */
export function isElf(head: Uint8Array): boolean {
  return head[0] === 0x7f && head[1] === 0x45 && head[2] === 0x4c && head[3] === 0x46;
}

/** Reads the file header from the first 64 bytes; null, with a problem reported, when it cannot be read at all. */
export function readElfHeader(head: Uint8Array, report: Report): ElfHeader | null {
  const elfClass = head[4] === 1 ? 32 : head[4] === 2 ? 64 : null;
  const endian = head[5] === 1 ? "little" : head[5] === 2 ? "big" : null;
  if (head.length < ELF_LAYOUT[elfClass ?? 32].header) {
    report(
      "elf-truncated",
      `the file ends after ${head.length} bytes, inside the ELF header`,
      "Build or copy it again.",
    );
    return null;
  }
  if (elfClass === null) {
    report("elf-class-unknown", `EI_CLASS is ${head[4]}, expected 1 (32 bit) or 2 (64 bit)`);
    return null;
  }
  if (endian === null) {
    report("elf-endian-unknown", `EI_DATA is ${head[5]}, expected 1 (little endian) or 2 (big endian)`);
    return null;
  }
  return headerOf(fieldsOf(head, endian), elfClass, endian);
}

function headerOf(fields: Fields, elfClass: 32 | 64, endian: Endian): ElfHeader {
  const wide = elfClass === 64;
  const address = (at: number) => (wide ? fields.u64(at) : BigInt(fields.u32(at)));
  // From e_flags on, the two classes differ only in where the fields begin.
  const tail = wide ? 52 : 40;
  const machine = fields.u16(18);
  return {
    class: elfClass,
    endian,
    osAbi: fields.bytes[7] ?? 0,
    type: fields.u16(16),
    machine,
    arch: archOf(machine, elfClass, endian),
    version: fields.u32(20),
    entry: address(24),
    headerSize: fields.u16(tail),
    segments: {
      offset: toSize(address(wide ? 32 : 28)),
      entrySize: fields.u16(tail + 2),
      count: fields.u16(tail + 4),
    },
    sections: {
      offset: toSize(address(wide ? 40 : 32)),
      entrySize: fields.u16(tail + 6),
      count: fields.u16(tail + 8),
      names: fields.u16(tail + 10),
    },
  };
}

function archOf(machine: number, elfClass: 32 | 64, endian: Endian): Arch {
  const arch = MACHINES.find((known) => known.machine === machine)?.arch ?? "unknown";
  if (arch === "ppc64" && endian === "little") return "ppc64le";
  if (arch === "riscv64" && elfClass === 32) return "riscv32";
  return arch;
}
