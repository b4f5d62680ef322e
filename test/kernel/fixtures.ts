/** What the tests of this folder build kernels from. */
import { inspectKernel, type KernelInfo } from "../../src/kernel/kernel.ts";
import { bytesSource } from "../../src/util/bytes.ts";
import { buildElf, type ElfSpec, type SegmentSpec, words } from "../support/elf.ts";

/** Describes bytes in memory. */
export const inspect = (bytes: Uint8Array): KernelInfo => inspectKernel(bytesSource(bytes));

/** The codes of all problems, in order. */
export const codesOf = (info: KernelInfo) => info.problems.map(({ code }) => code);

/** A page of code where kernels are linked. */
export const CODE: SegmentSpec = {
  type: "load",
  flags: "r-x",
  vaddr: 0x100000n,
  data: Buffer.alloc(64, 0x90),
  section: ".text",
};

/** A kernel without a mark of what it is for, unless `notes` or sections give it one. */
export const kernel = (
  spec: ElfSpec & { readonly notes?: Buffer; readonly code?: Partial<SegmentSpec> } = {},
): Buffer => {
  const notes: SegmentSpec[] = spec.notes === undefined ? [] : [{ type: "note", data: spec.notes }];
  return buildElf({ ...spec, segments: [{ ...CODE, ...spec.code }, ...(spec.segments ?? []), ...notes] });
};

/** A section that nothing loads. */
export const section = (name: string) => ({ name, type: 1, data: Buffer.alloc(8) });

/** The program header that names an interpreter. */
export const interp = (path: string): SegmentSpec => ({ type: "interp", data: Buffer.from(`${path}\0`) });

/** A dynamic table of these words, each of 64 bits. */
export const dynamic = (...entries: readonly number[]): SegmentSpec => ({
  type: "dynamic",
  data: Buffer.concat(entries.map((entry) => words(entry, 0))),
});
