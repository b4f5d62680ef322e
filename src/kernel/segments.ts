/** What loading a kernel takes: its segments, memory, and what is wrong with them for any loader. Pure. */
import { type ByteSource, roundUp } from "../util/bytes.ts";
import { type ElfFile, loadable } from "./elf.ts";
import { ELF_TYPE } from "./elf-header.ts";
import type { ElfSegment } from "./elf-tables.ts";
import { hex, toSize } from "./fields.ts";
import type { Report } from "./problem.ts";

const EXECUTE = 1;
const WRITE = 2;
const PAGE = 4096;
/**
 * Guest memory starts at 0 on x86 and under Solo5, and at 1 GiB or above on the arm and riscv machines of QEMU. A kernel
 * linked below this needs all memory from 0 up to its end; one linked above, only its own span.
 */
const LOW_MEMORY = 256n * 1024n * 1024n;

/** A loadable segment. Addresses are hex text, exact in 64 bits; sizes are bytes. */
export interface Segment {
  readonly vaddr: string;
  readonly paddr: string;
  readonly fileSize: number;
  readonly memSize: number;
  /** e.g. "r-x". */
  readonly flags: string;
}

/** The loadable segment for people and JSON. */
export function describeSegment(segment: ElfSegment): Segment {
  const flag = (bit: number, letter: string) => ((segment.flags & bit) !== 0 ? letter : "-");
  return {
    vaddr: hex(segment.vaddr),
    paddr: hex(segment.paddr),
    fileSize: segment.fileSize,
    memSize: segment.memSize,
    flags: `${flag(4, "r")}${flag(WRITE, "w")}${flag(EXECUTE, "x")}`,
  };
}

/** Whether a program could write code into the segment and run it. */
export function isWritableExecutable({ flags }: ElfSegment): boolean {
  return (flags & WRITE) !== 0 && (flags & EXECUTE) !== 0;
}

/** Guest memory in bytes that holds all segments, in whole pages; hosted programs count their own span only. */
export function memoryNeeded(elf: ElfFile, { hosted }: { readonly hosted: boolean }): number {
  const segments = loadable(elf).filter(({ memSize }) => memSize > 0);
  const [first] = segments;
  if (first === undefined) return 0;
  let low = first.paddr;
  let high = 0n;
  for (const { paddr, memSize } of segments) {
    if (paddr < low) low = paddr;
    const end = paddr + BigInt(memSize);
    if (end > high) high = end;
  }
  const size = toSize(!hosted && low < LOW_MEMORY ? high : high - low);
  return Math.min(roundUp(size, PAGE), Number.MAX_SAFE_INTEGER);
}

/** Reports what no loader can accept, and what each should look at twice. */
export function checkSegments(source: ByteSource, elf: ElfFile, report: Report): void {
  const segments = loadable(elf);
  const runs = elf.header.type === ELF_TYPE.exec || elf.header.type === ELF_TYPE.dyn;
  if (runs && elf.segments.length > 0 && segments.every(({ fileSize }) => fileSize === 0)) {
    report("segment-missing", "no program header loads any byte of the file", "Was it stripped to debugging symbols?");
  }
  for (const segment of segments) checkSegment(source, elf.header.class, segment, report);
  const { entry } = elf.header;
  const inside = ({ vaddr, paddr, memSize }: ElfSegment) =>
    (entry >= vaddr && entry < vaddr + BigInt(memSize)) || (entry >= paddr && entry < paddr + BigInt(memSize));
  // Only what runs has an entry, and a shared library's is 0.
  if (runs && entry !== 0n && !segments.some(inside)) {
    report("entry-outside-segments", `the entry point ${hex(entry)} is not in any loadable segment`);
  }
}

function checkSegment(source: ByteSource, elfClass: 32 | 64, segment: ElfSegment, report: Report): void {
  const { index, offset, fileSize, memSize, vaddr } = segment;
  if (fileSize > 0 && offset + fileSize > source.size) {
    report(
      "segment-out-of-range",
      `segment ${index} (${fileSize} bytes at ${offset}) reaches beyond the file of ${source.size} bytes`,
      "The file was cut short: build or copy it again.",
    );
  }
  if (memSize < fileSize) {
    report("segment-size", `segment ${index} has ${fileSize} bytes in the file but only ${memSize} in memory`);
  }
  if (vaddr + BigInt(memSize) > 1n << BigInt(elfClass)) {
    report("segment-address", `segment ${index} at ${hex(vaddr)} reaches beyond the ${elfClass}-bit address space`);
  }
  if (isWritableExecutable(segment)) {
    report(
      "segment-writable-executable",
      `segment ${index} at ${hex(vaddr)} is writable and executable at once`,
      "Keep code and data apart in the linker script.",
    );
  }
}
