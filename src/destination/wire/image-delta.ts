/**
 * How a part of a new image follows from a part of the old one, from the two indexes alone: nobody needs the old bytes to
 * say which of them to copy. Pure.
 */
import type { IndexEntry } from "../../image/index-file.ts";

/** An image as its index and format describe it. */
export interface DescribedImage {
  readonly index: readonly IndexEntry[];
  /** Where each file's extent begins. */
  readonly starts: readonly number[];
  readonly size: number;
}

export interface Range {
  readonly offset: number;
  readonly size: number;
}

/** Bytes of the old part, from its start; or bytes of the new image, from the image's start. */
export type ImageStep =
  | { readonly kind: "copy"; readonly offset: number; readonly length: number }
  | { readonly kind: "insert"; readonly offset: number; readonly length: number };

/** A part that shares less than this with an old one is not worth a delta. */
const WORTH_IT = 0.25;

/** How a part follows from an old one. */
export interface DeltaPlan {
  /** Which of the old parts. */
  readonly base: number;
  readonly steps: readonly ImageStep[];
}

/** For a part of the new image, the old part it shares most with and the steps; undefined where it shares too little. */
export function deltaPlanner(
  old: DescribedImage & { readonly parts: readonly Range[] },
  image: DescribedImage,
): (part: Range) => DeltaPlan | undefined {
  const placeOf = places(old.index, image.index);
  return (part) => {
    const inside = sharedWithin(part, image, (i) => {
      const at = placeOf(i);
      return at === undefined ? undefined : { offset: old.starts[at] as number, length: extentLength(old, at) };
    });
    const base = mostShared(inside, old.parts);
    if (base === undefined) return undefined;
    const steps = stepsFor(part, inside, old.parts[base] as Range);
    const copied = steps.reduce((sum, { kind, length }) => (kind === "copy" ? sum + length : sum), 0);
    return copied >= part.size * WORTH_IT ? { base, steps } : undefined;
  };
}

/** Where the old index has a file of the new one, as it is; most stand at the same place from the front or from the back. */
function places(old: readonly IndexEntry[], index: readonly IndexEntry[]): (i: number) => number | undefined {
  const later = index.length - old.length;
  const isSameAt = (i: number, at: number) => isSame(index[i], old[at]);
  let front = 0;
  while (front < old.length && isSameAt(front, front)) front++;
  let back = index.length;
  while (back > front && back - later > front && isSameAt(back - 1, back - 1 - later)) back--;
  const between = new Map(old.slice(front, back - later).map(({ path }, i) => [path, front + i]));
  return (i) => {
    if (i < front || i >= back) return i < front ? i : i - later;
    const at = between.get((index[i] as IndexEntry).path);
    return at !== undefined && isSameAt(i, at) ? at : undefined;
  };
}

const isSame = (a: IndexEntry | undefined, b: IndexEntry | undefined) =>
  a === b || (a?.path === b?.path && a?.id === b?.id && a?.size === b?.size);

/** The same bytes in both images. */
interface Shared {
  readonly oldOffset: number;
  readonly offset: number;
  readonly length: number;
}

/**
 * Extents of files within a part that both images hold. An extent is the same in both for as long as the shorter one is:
 * behind a file's own bytes there is nothing but zeros up to the next file or the end.
 */
function sharedWithin(
  part: Range,
  image: DescribedImage,
  extentOf: (i: number) => { readonly offset: number; readonly length: number } | undefined,
): Shared[] {
  const shared: Shared[] = [];
  const end = part.offset + part.size;
  for (let i = 0; i < image.index.length; i++) {
    const offset = image.starts[i] as number;
    if (offset >= end) continue;
    const length = extentLength(image, i);
    if (offset + length <= part.offset) continue;
    const old = extentOf(i);
    if (old) shared.push(...clip({ oldOffset: old.offset, offset, length: Math.min(length, old.length) }, part));
  }
  return shared;
}

const extentLength = ({ starts, size }: DescribedImage, i: number) => (starts[i + 1] ?? size) - (starts[i] as number);

function clip({ oldOffset, offset, length }: Shared, part: Range): Shared[] {
  const start = Math.max(offset, part.offset);
  const end = Math.min(offset + length, part.offset + part.size);
  return end > start ? [{ oldOffset: oldOffset + (start - offset), offset: start, length: end - start }] : [];
}

function mostShared(shared: readonly Shared[], parts: readonly Range[]): number | undefined {
  let best: number | undefined;
  let most = 0;
  parts.forEach((part, i) => {
    const bytes = shared.reduce((sum, { oldOffset, length }) => sum + overlap(oldOffset, length, part), 0);
    if (bytes <= most) return;
    most = bytes;
    best = i;
  });
  return best;
}

function overlap(offset: number, length: number, part: Range): number {
  return Math.max(0, Math.min(offset + length, part.offset + part.size) - Math.max(offset, part.offset));
}

function stepsFor(part: Range, shared: readonly Shared[], base: Range): ImageStep[] {
  const steps: ImageStep[] = [];
  let at = part.offset;
  const insertUpTo = (end: number) => {
    if (end > at) steps.push({ kind: "insert", offset: at, length: end - at });
    at = Math.max(at, end);
  };
  for (const { oldOffset, offset, length } of shared) {
    // Only what lies in the base part can be copied.
    const skip = Math.max(0, base.offset - oldOffset);
    const usable = overlap(oldOffset, length, base);
    if (usable === 0) continue;
    insertUpTo(offset + skip);
    steps.push({ kind: "copy", offset: oldOffset + skip - base.offset, length: usable });
    at = offset + skip + usable;
  }
  insertUpTo(part.offset + part.size);
  return joined(steps);
}

/** Neighbouring copies as one: most of an image is one long copy. */
function joined(steps: readonly ImageStep[]): ImageStep[] {
  const result: ImageStep[] = [];
  for (const step of steps) {
    const last = result.at(-1);
    if (last?.kind === step.kind && last.offset + last.length === step.offset) {
      result[result.length - 1] = { ...last, length: last.length + step.length };
    } else result.push(step);
  }
  return result;
}
