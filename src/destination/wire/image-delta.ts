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

/** For each new part, the old part it shares most with and the steps; undefined where it shares too little. */
export function planDeltas(
  old: DescribedImage & { readonly parts: readonly Range[] },
  image: DescribedImage & { readonly parts: readonly Range[] },
): ({ readonly base: number; readonly steps: readonly ImageStep[] } | undefined)[] {
  const extents = matchedExtents(old, image);
  return image.parts.map((part) => {
    const inside = extents.flatMap((extent) => clip(extent, part));
    const base = mostShared(inside, old.parts);
    if (base === undefined) return undefined;
    const steps = stepsFor(part, inside, old.parts[base] as Range);
    const copied = steps.reduce((sum, { kind, length }) => (kind === "copy" ? sum + length : sum), 0);
    return copied >= part.size * WORTH_IT ? { base, steps } : undefined;
  });
}

/** The same bytes in both images. */
interface Shared {
  readonly oldOffset: number;
  readonly offset: number;
  readonly length: number;
}

/**
 * Extents of files that both images hold. An extent is the same in both for as long as the shorter one is: behind a
 * file's own bytes there is nothing but zeros up to the next file or the end.
 */
function matchedExtents(old: DescribedImage, image: DescribedImage): Shared[] {
  const places = new Map<string, number>();
  old.index.forEach((entry, i) => places.set(keyOf(entry), i));
  return image.index.flatMap((entry, i) => {
    const at = places.get(keyOf(entry));
    if (at === undefined) return [];
    const length = Math.min(extentLength(old, at), extentLength(image, i));
    return [{ oldOffset: old.starts[at] as number, offset: image.starts[i] as number, length }];
  });
}

const keyOf = ({ id, size, path }: IndexEntry) => `${id} ${size} ${path}`;

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
