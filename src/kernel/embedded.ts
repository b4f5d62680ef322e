/**
 * Which files of a site are still linked into a kernel. ocaml-crunch cuts each file at multiples of 4096 bytes, stores
 * each different piece once and scatters them; `.incbin`, `ld -b binary` and %blob keep the file in one run. Both leave
 * the same 4096-byte chunks, so those are looked for, at any alignment, and compared byte for byte. Pure.
 */
import type { ByteSource } from "../util/bytes.ts";
import { anchorsOf } from "./anchors.ts";
import { CHUNK } from "./chunk-hash.ts";
import { type ChunkIndex, indexChunks, type ReadFile } from "./chunk-index.ts";
import { type ScanResult, scanKernel } from "./chunk-scan.ts";

export type { ReadFile } from "./chunk-index.ts";

/** A file of the site; `read` is given its place in the list. */
export interface SiteFile {
  readonly path: string;
  readonly size: number;
}

/** A number of files and what their sizes add up to in bytes. */
export interface FileCount {
  readonly files: number;
  readonly bytes: number;
}

export interface EmbeddedFile extends SiteFile {
  /** How many times the kernel has it whole; overlapping repetitions count once. */
  readonly copies: number;
}

export interface EmbeddedReport {
  /** Files above the floor, in which something can be recognised. */
  readonly lookedFor: FileCount;
  /**
   * Files below it: under 64 bytes, or with fewer than 8 different bytes at the start of every chunk; and files that
   * begin like repetitive filler that the kernel is full of.
   */
  readonly notLookedFor: FileCount;
  /** Files that are in the kernel: every chunk of theirs that was looked for is there. In the order given. */
  readonly embedded: readonly EmbeddedFile[];
  /** The sum of `embedded`. */
  readonly total: FileCount;
  /** Files of which some chunks are in the kernel but not all; `bytes` are those of the chunks. */
  readonly partial: FileCount;
  /** Bytes of the kernel that are content of the site, each counted once: what leaving it out would save. */
  readonly kernelBytes: number;
}

/**
 * Looks for the files in the kernel. The site is read once, and again where a chunk seems to be there; memory is a byte for
 * each byte of the kernel, 16 MiB at most, and about 60 bytes for each 4 KiB of the site that seem to be there. What `read`
 * throws passes through.
 */
export function findEmbedded(kernel: ByteSource, files: readonly SiteFile[], read: ReadFile): EmbeddedReport {
  const index = indexChunks(files, read, anchorsOf(kernel));
  const scan = scanKernel(kernel, index, read);
  const tallies = tally(files, index, scan);
  const counted = index.counted.slice();
  for (const [chunk, abandoned] of scan.abandoned.entries()) {
    if (abandoned === 1) counted[index.file[chunk] as number] = 0;
  }
  const isLookedFor = (_: SiteFile, i: number) => counted[i] !== 0;
  const embedded = files.flatMap(({ path, size }, i) => {
    const { chunks, copies } = tallies[i] as Tally;
    return chunks > 0 && chunks === counted[i] ? [{ path, size, copies }] : [];
  });
  const partial = tallies.filter(({ chunks }, i) => chunks > 0 && chunks < (counted[i] as number));
  return {
    lookedFor: count(files.filter(isLookedFor)),
    notLookedFor: count(files.filter((file, i) => !isLookedFor(file, i))),
    embedded,
    total: count(embedded),
    partial: { files: partial.length, bytes: partial.reduce((sum, { bytes }) => sum + bytes, 0) },
    kernelBytes: scan.covered,
  };
}

/** What was found of one file. */
interface Tally {
  chunks: number;
  bytes: number;
  copies: number;
}

function tally(files: readonly SiteFile[], index: ChunkIndex, scan: ScanResult): readonly Tally[] {
  const tallies = files.map((): Tally => ({ chunks: 0, bytes: 0, copies: Number.POSITIVE_INFINITY }));
  for (let group = 0; group < index.groupHash.length; group++) {
    const copies = scan.copies[group] as number;
    if (copies === 0) continue;
    for (const chunk of index.order.subarray(index.groupStart[group], index.groupStart[group + 1])) {
      if (scan.found[chunk] === 0) continue;
      const file = index.file[chunk] as number;
      const found = tallies[file] as Tally;
      const left = (files[file] as SiteFile).size - (index.ordinal[chunk] as number) * CHUNK;
      found.chunks++;
      found.bytes += Math.min(CHUNK, left);
      found.copies = Math.min(found.copies, copies);
    }
  }
  return tallies;
}

function count(files: readonly { readonly size: number }[]): FileCount {
  return { files: files.length, bytes: files.reduce((sum, { size }) => sum + size, 0) };
}
