/** Slides over a kernel once and counts where the chunks of a site lie in it. Pure. */
import type { ByteSource } from "../util/bytes.ts";
import { ANCHOR, CHUNK, hashOf } from "./chunk-hash.ts";
import type { ChunkIndex, ReadFile } from "./chunk-index.ts";
import { type Window, windowsOf } from "./windows.ts";

/**
 * How often the beginning of a chunk may turn up: so often, and four times for each chunk that begins like this. Only
 * repetitive filler in kernel and site at once exceeds it, and would take minutes otherwise.
 */
const PATIENCE = 20_000;

/** What was found. */
export interface ScanResult {
  /** Of each chunk number: whether it was given up, because its beginning is everywhere in the kernel. */
  readonly abandoned: Uint8Array;
  /** Of each chunk number: whether exactly its bytes are in the kernel. */
  readonly found: Uint8Array;
  /** Of each group: how many times, overlaps not counted. */
  readonly copies: Uint32Array;
  /** Bytes of the kernel that belong to any chunk, each counted once. */
  readonly covered: number;
}

interface Scan {
  readonly index: ChunkIndex;
  readonly lookup: Lookup;
  readonly read: ReadFile;
  readonly found: Uint8Array;
  readonly copies: Uint32Array;
  /** Of each group: the end of the last copy, so that repetitive content does not match itself. */
  readonly ends: Float64Array;
  /** Of each run that is the first with its anchor: how often it may still turn up. */
  readonly patience: Uint32Array;
  readonly abandoned: Uint8Array;
  covered: number;
  coveredEnd: number;
}

/** Scans the kernel; `read` is asked for the chunks that seem to be there, to compare them whole. */
export function scanKernel(kernel: ByteSource, index: ChunkIndex, read: ReadFile): ScanResult {
  const groups = index.groupHash.length;
  const scan: Scan = {
    index,
    lookup: lookupOf(index),
    read,
    found: new Uint8Array(index.order.length),
    copies: new Uint32Array(groups),
    ends: new Float64Array(groups),
    patience: patienceOf(index),
    abandoned: new Uint8Array(index.order.length),
    covered: 0,
    coveredEnd: 0,
  };
  if (groups === 0) return scan;
  for (const window of windowsOf(kernel)) scanWindow(scan, window);
  return scan;
}

/** A bit for each hash that some anchor has, and the first run of each range of hashes. */
interface Lookup {
  readonly bits: Uint8Array;
  readonly bitShift: number;
  readonly firstRun: Uint32Array;
  readonly rangeShift: number;
}

function lookupOf({ runAnchor }: ChunkIndex): Lookup {
  const size = Math.ceil(Math.log2(runAnchor.length + 1));
  // 128 bits for each anchor let one position in 128 through; 16 MiB is the most that still pays.
  const bitShift = 32 - Math.min(Math.max(size + 7, 16), 27);
  const rangeShift = 32 - Math.max(size, 1);
  const bits = new Uint8Array(2 ** (32 - bitShift - 3));
  const firstRun = new Uint32Array(2 ** (32 - rangeShift) + 1);
  for (const anchor of runAnchor) {
    const bit = anchor >>> bitShift;
    bits[bit >>> 3] = (bits[bit >>> 3] as number) | (1 << (bit & 7));
    const range = (anchor >>> rangeShift) + 1;
    firstRun[range] = (firstRun[range] as number) + 1;
  }
  for (let i = 1; i < firstRun.length; i++) firstRun[i] = (firstRun[i] as number) + (firstRun[i - 1] as number);
  return { bits, bitShift, firstRun, rangeShift };
}

function scanWindow(scan: Scan, window: Window): void {
  const { bits, bitShift } = scan.lookup;
  const { prefixes, end } = window;
  for (let at = 0; at < end; at++) {
    const anchor = hashOf(prefixes, at, ANCHOR);
    const bit = anchor >>> bitShift;
    if (((bits[bit >>> 3] as number) & (1 << (bit & 7))) !== 0) tryRuns(scan, window, at, anchor);
  }
}

function tryRuns(scan: Scan, window: Window, at: number, anchor: number): void {
  const { firstRun, rangeShift } = scan.lookup;
  const { runAnchor, runLength, runStart } = scan.index;
  const range = anchor >>> rangeShift;
  let isFirst = true;
  for (let run = firstRun[range] as number; run < (firstRun[range + 1] as number); run++) {
    if (runAnchor[run] !== anchor) continue;
    if (isFirst && !hasPatience(scan, run)) return;
    isFirst = false;
    const length = runLength[run] as number;
    if (at + length > window.bytes.length) continue;
    const hash = hashOf(window.prefixes, at, length);
    const group = groupWith(scan.index.groupHash, hash, runStart[run] as number, runStart[run + 1] as number);
    if (group !== null) compareGroup(scan, window, group, { at, length });
  }
}

/** The end of the runs, from `run` on, that share its anchor. */
function sameAnchorEnd({ runAnchor }: ChunkIndex, run: number): number {
  let end = run + 1;
  while (end < runAnchor.length && runAnchor[end] === runAnchor[run]) end++;
  return end;
}

/** The chunks, as a part of `order`, of the runs from `run` to `end`. */
function chunksOf({ order, groupStart, runStart }: ChunkIndex, run: number, end: number): Uint32Array {
  return order.subarray(groupStart[runStart[run] as number], groupStart[runStart[end] as number]);
}

function patienceOf(index: ChunkIndex): Uint32Array {
  const patience = new Uint32Array(index.runAnchor.length);
  for (let run = 0; run < patience.length; ) {
    const end = sameAnchorEnd(index, run);
    patience[run] = PATIENCE + 4 * chunksOf(index, run, end).length;
    run = end;
  }
  return patience;
}

/** Whether to look closer once more; where not, all chunks of this anchor that were not found are given up. */
function hasPatience({ patience, index, found, abandoned }: Scan, run: number): boolean {
  const left = patience[run] as number;
  if (left === 0) return false;
  patience[run] = left - 1;
  if (left > 1) return true;
  for (const chunk of chunksOf(index, run, sameAnchorEnd(index, run))) abandoned[chunk] = found[chunk] === 0 ? 1 : 0;
  return false;
}

/** The group in [low, high) with this hash, by bisection; a run of a site of like pages can have tens of thousands. */
function groupWith(hashes: Uint32Array, hash: number, low: number, high: number): number | null {
  let [from, to] = [low, high];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((hashes[middle] as number) < hash) from = middle + 1;
    else to = middle;
  }
  return from < high && hashes[from] === hash ? from : null;
}

function compareGroup(
  scan: Scan,
  { bytes, base }: Window,
  group: number,
  { at, length }: { readonly at: number; readonly length: number },
): void {
  const start = base + at;
  if (start < (scan.ends[group] as number)) return;
  const { order, groupStart, file, ordinal } = scan.index;
  const first = groupStart[group] as number;
  const end = groupStart[group + 1] as number;
  let matched = false;
  for (let i = first; i < end; i++) {
    const chunk = order[i] as number;
    // Once one member matches again, those that matched with it before need no second look.
    if (matched && scan.found[chunk] === 1) continue;
    const content = scan.read(file[chunk] as number, (ordinal[chunk] as number) * CHUNK, length);
    if (!isAt(bytes, at, content, length)) continue;
    scan.found[chunk] = 1;
    matched = true;
  }
  if (!matched) return;
  scan.copies[group] = (scan.copies[group] as number) + 1;
  scan.ends[group] = start + length;
  scan.covered += Math.max(0, start + length - Math.max(start, scan.coveredEnd));
  scan.coveredEnd = Math.max(scan.coveredEnd, start + length);
}

function isAt(bytes: Uint8Array, at: number, content: Uint8Array, length: number): boolean {
  if (content.length !== length) return false;
  for (let i = 0; i < length; i++) if (bytes[at + i] !== content[i]) return false;
  return true;
}
