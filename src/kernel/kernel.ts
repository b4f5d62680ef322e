/** KernelInfo: one description of a unikernel binary, whatever its target. Pure; the bytes are hostile. */
import type { ByteSource } from "../util/bytes.ts";
import { compressionOf, describeOther } from "./compressed.ts";
import { readLibraries } from "./dynamic.ts";
import { type ElfFile, loadable, readElf } from "./elf.ts";
import { type Arch, ELF_TYPE, isElf } from "./elf-header.ts";
import { SECTION } from "./elf-tables.ts";
import { copyOf, type Endian, hex } from "./fields.ts";
import { gatherEvidence, identify } from "./identify.ts";
import { readBzImage, readFlatImage } from "./linux.ts";
import { type KernelProblem, problemList, type ProblemList } from "./problem.ts";
import { checkSegments, describeSegment, isWritableExecutable, memoryNeeded, type Segment } from "./segments.ts";
import { checkSolo5Loading } from "./solo5-load.ts";
import { isTended } from "./solo5-releases.ts";
import type { Device, Target } from "./target.ts";

export type { KernelProblem, KernelProblemCode } from "./problem.ts";
export type { Device, Target } from "./target.ts";

/** Everything the bytes of a kernel say. It is plain data, fit for JSON; sizes are bytes, addresses hex text. */
export interface KernelInfo {
  readonly size: number;
  /** "linux-image" is the flat image of arm64 and riscv. */
  readonly format: "elf" | "bzimage" | "linux-image" | "compressed" | "unknown";
  readonly class: 32 | 64 | null;
  readonly endian: Endian | null;
  /** The machine of the file; a 64-bit kernel in a 32-bit ELF file, as Multiboot 1 asks for, is "i386". */
  readonly arch: Arch | null;
  /** Null when nothing identifies it, or when what should identify it is malformed. */
  readonly target: Target | null;
  /** What told the target, or why nothing did. */
  readonly reason: string;
  readonly hint?: string;
  /** Of a Solo5 kernel, also of one whose target is unknown. */
  readonly abiVersion?: number;
  /** Whether `devices` is what the kernel declares: only when "read". A kernel without a Solo5 manifest has "none". */
  readonly manifest: "read" | "invalid" | "none";
  readonly devices: readonly Device[];
  readonly pvh: boolean;
  readonly pv: boolean;
  readonly multiboot: 1 | 2 | null;
  readonly entry: string | null;
  readonly segments: readonly Segment[];
  /** Indices into `segments` of those that are writable and executable at once. */
  readonly writableExecutable: readonly number[];
  /** Guest memory that the loaded kernel takes, before it allocates anything; 0 when unknown. */
  readonly memory: number;
  /** Position independent (ET_DYN). */
  readonly pie: boolean;
  /** Whether it has no symbol table; null for what is not ELF, or when not all sections can be read. */
  readonly stripped: boolean | null;
  /** At most 1,023. */
  readonly sections: readonly { readonly name: string; readonly size: number }[];
  /** The ELF interpreter of a dynamic host executable, and of every Solo5 kernel. */
  readonly interpreter: string | null;
  /** Whether it is loaded by an interpreter of the host, and the libraries it needs then. */
  readonly dynamic: boolean;
  readonly libraries: readonly string[];
  readonly problems: readonly KernelProblem[];
}

const NOTHING = {
  class: null,
  endian: null,
  arch: null,
  target: null,
  manifest: "none",
  devices: [],
  pvh: false,
  pv: false,
  multiboot: null,
  entry: null,
  segments: [],
  writableExecutable: [],
  memory: 0,
  pie: false,
  stripped: null,
  sections: [],
  interpreter: null,
  dynamic: false,
  libraries: [],
} as const;

/**
 * Describes a kernel from its bytes alone. Reads less than 1 MiB of a file of any size, in bounded pieces. Never throws
 * for content: what is malformed is described as far as it can be, with `problems`; what `source` throws passes through.
 */
export function inspectKernel(source: ByteSource): KernelInfo {
  const problems = problemList();
  const head = copyOf(source, 0, 64);
  if (!isElf(head)) return inspectOther(source, head, problems);
  const elf = readElf(source, problems.report);
  if (elf !== null) return inspectElf(source, elf, problems);
  const found = problems.list({ tended: false });
  const reason = `it is an ELF file that cannot be read: ${found[0]?.message ?? "unknown"}`;
  return { ...NOTHING, size: source.size, format: "elf", reason, problems: found };
}

/** Whether nothing is known that keeps this kernel from being identified and started. */
export function isSound(info: KernelInfo): boolean {
  return info.target !== null && info.problems.every(({ severity }) => severity !== "error");
}

function inspectElf(source: ByteSource, elf: ElfFile, problems: ProblemList): KernelInfo {
  const { report } = problems;
  const evidence = gatherEvidence(source, elf, report);
  const verdict = identify(evidence, report);
  const hosted = verdict.target === "unix";
  checkSegments(source, elf, report);
  if (verdict.abiVersion !== undefined) checkSolo5Loading(elf, report);
  const { header } = elf;
  const segments = loadable(elf);
  return {
    ...verdict,
    size: source.size,
    format: "elf",
    class: header.class,
    endian: header.endian,
    arch: header.arch,
    pvh: evidence.xen?.pvh ?? false,
    pv: evidence.xen?.pv ?? false,
    multiboot: evidence.multiboot,
    entry: hex(header.entry),
    segments: segments.map(describeSegment),
    writableExecutable: segments.flatMap((segment, index) => (isWritableExecutable(segment) ? [index] : [])),
    memory: memoryNeeded(elf, { hosted }),
    pie: header.type === ELF_TYPE.dyn,
    stripped: isStripped(elf),
    sections: elf.sections.map(({ name, size }) => ({ name, size })),
    interpreter: evidence.interpreter,
    dynamic: hosted && evidence.interpreter !== null,
    libraries: hosted ? readLibraries(source, elf, report) : [],
    problems: problems.list({ tended: isTended(verdict.target) }),
  };
}

/** The symbol table is usually among the last sections, so a list that is not whole proves nothing. */
function isStripped({ header, sections }: ElfFile): boolean | null {
  if (sections.some(({ type }) => type === SECTION.symtab)) return false;
  const { offset, count } = header.sections;
  return offset === 0 || (count > 0 && sections.length === count - 1) ? true : null;
}

function inspectOther(source: ByteSource, head: Uint8Array, problems: ProblemList): KernelInfo {
  const info = { ...NOTHING, size: source.size };
  const bzImage = readBzImage(source, problems.report);
  const flat = bzImage === null ? readFlatImage(head) : null;
  const linux = bzImage?.arch ?? flat;
  if (linux !== null) {
    const [format, reason] =
      bzImage === null
        ? (["linux-image", "it is a flat Linux image"] as const)
        : (["bzimage", "it is a compressed Linux kernel (bzImage)"] as const);
    const memory = bzImage?.memory ?? 0;
    return {
      ...info,
      format,
      arch: linux,
      target: "linux",
      memory,
      reason,
      problems: problems.list({ tended: false }),
    };
  }
  const compression = compressionOf(head);
  if (compression !== null) {
    const { name, tool } = compression;
    const hint = `Decompress it with ${tool}: tenders and hypervisors load kernels as they are.`;
    problems.report("compressed", `the file is compressed (${name})`, hint);
    const found = problems.list({ tended: false });
    return { ...info, format: "compressed", reason: `it is compressed (${name})`, hint, problems: found };
  }
  if (source.size === 0) problems.report("file-empty", "the file is empty", "Did the build finish?");
  const reason = source.size === 0 ? "the file is empty" : `it is ${describeOther(head)}`;
  return { ...info, format: "unknown", reason, problems: problems.list({ tended: false }) };
}
