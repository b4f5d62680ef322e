/**
 * The container rules that the tenders solo5-hvt and solo5-spt enforce when they load a kernel (Solo5,
 * tenders/common/elf.c, as of 0.12.1). A kernel for another target may break them and start all the same. Pure.
 */
import { type ElfFile, loadable } from "./elf.ts";
import { ELF_LAYOUT, ELF_TYPE, type ElfHeader } from "./elf-header.ts";
import type { ElfSegment } from "./elf-tables.ts";
import { hex } from "./fields.ts";
import type { Report } from "./problem.ts";

/** Below it are the tender's own tables and the boot information. */
const MIN_ADDRESS = 0x100000n;
/** The most memory that solo5-hvt gives a guest. */
const MAX_ADDRESS = 1n << 32n;
/** Pages of the machines Solo5 runs on; ppc64le has 64 KiB. */
const PAGE = 0x1000n;
const PAGE_PPC64 = 0x10000n;
const TENDED_ARCHS: readonly string[] = ["x86_64", "aarch64", "ppc64le"];

/** Reports every rule that a Solo5 kernel breaks. */
export function checkSolo5Loading(elf: ElfFile, report: Report): void {
  checkHeader(elf.header, report);
  if (elf.header.entry < MIN_ADDRESS) {
    report("entry-too-low", `the entry point ${hex(elf.header.entry)} is below ${hex(MIN_ADDRESS)}`);
  }
  const page = elf.header.arch === "ppc64le" ? PAGE_PPC64 : PAGE;
  let previous = 0n;
  let end = 0n;
  for (const segment of loadable(elf)) {
    // The tender skips what has no bytes in the file, whatever else is wrong with it.
    if (segment.fileSize === 0) continue;
    if (segment.vaddr < previous) {
      report("segment-order", `segment ${segment.index} at ${hex(segment.vaddr)} comes after a higher one`);
    }
    previous = segment.vaddr;
    end = checkPlace(segment, { page, end, report });
  }
}

function checkHeader(header: ElfHeader, report: Report): void {
  if (header.class !== 64) report("elf-class", `the file is ${header.class}-bit ELF; Solo5 kernels are 64-bit`);
  if (header.endian !== "little") report("elf-endian", "the file is big endian; Solo5 kernels are little endian");
  if (!TENDED_ARCHS.includes(header.arch)) {
    report(
      "elf-machine",
      `the machine is ${header.arch} (${header.machine}); Solo5 runs on ${TENDED_ARCHS.join(", ")}`,
    );
  }
  if (header.version !== 1) report("elf-version", `e_version is ${header.version}, expected 1`);
  const size = ELF_LAYOUT[header.class].header;
  if (header.headerSize !== size) report("elf-header-size", `e_ehsize is ${header.headerSize}, expected ${size}`);
  if (header.type === ELF_TYPE.dyn) {
    report("pie", "the kernel is position independent, which tenders refuse", "Link with -no-pie.");
  } else if (header.type !== ELF_TYPE.exec) {
    report("elf-type", `e_type is ${header.type}, expected 2 (an executable)`);
  }
}

/** Checks alignment, lower bound and overlap; the new end of what is taken. */
function checkPlace(
  segment: ElfSegment,
  { page, end, report }: { readonly page: bigint; readonly end: bigint; readonly report: Report },
): bigint {
  const { index, align } = segment;
  if (align === 0n || (align & (align - 1n)) !== 0n) {
    report("segment-alignment", `segment ${index} has alignment ${align}, which is not a power of two`);
    return end;
  }
  const start = segment.vaddr & -align;
  const stop = (segment.vaddr + BigInt(segment.memSize) + align - 1n) & -align;
  if (start < MIN_ADDRESS) {
    report("segment-too-low", `segment ${index} starts at ${hex(start)}, below ${hex(MIN_ADDRESS)}`);
  }
  if (stop > MAX_ADDRESS) {
    report("segment-too-high", `segment ${index} ends at ${hex(stop)}, above the 4 GiB that a guest can have`);
  }
  if (start < end) report("segment-overlap", `segment ${index} starts at ${hex(start)}, before ${hex(end)}`);
  if (start % page !== 0n || stop % page !== 0n) {
    report("segment-alignment", `segment ${index} (${hex(start)} to ${hex(stop)}) is not aligned to pages of ${page}`);
  }
  return stop > end ? stop : end;
}
