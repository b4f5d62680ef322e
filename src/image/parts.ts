/**
 * Where a large image is cut, so that forges take it and an unchanged part stays unchanged. Pure.
 *
 * Cuts fall between files; inside a file larger than a part, at multiples of the part size from where it starts. Among
 * the boundaries that would make a part of 16 to 32 MiB the one whose path hashes lowest is taken: the choice depends on
 * names and not on positions, so that after a file has grown the cuts fall back into step. What fills the image up behind
 * the last file changes with any file's size, and is cut off, so that the part before it does not change along.
 */
import type { FileEntry } from "./tree.ts";

const MIB = 1024 * 1024;
/** Forges warn above 50 MiB and refuse 100 MB an object. */
export const PART_THRESHOLD = 50 * MIB;
export const PART_SIZE = 32 * MIB;
const MIN_PART = PART_SIZE / 2;
/** A last part that is no larger may change with its padding. */
const MAX_LAST = MIB;

export interface Part {
  readonly offset: number;
  readonly size: number;
}

/** The parts of an image of `size` bytes whose files start at `starts`; their concatenation is the image. */
export function cutImage(files: readonly FileEntry[], starts: readonly number[], size: number): Part[] {
  const parts: Part[] = [];
  let start = 0;
  let next = 0;
  const cut = (at: number) => {
    parts.push({ offset: start, size: at - start });
    start = at;
  };
  while (size - start > PART_SIZE) {
    while (next < starts.length && (starts[next] as number) <= start) next++;
    const boundary = bestBoundary(files, starts, next, start);
    if (boundary !== undefined) cut(boundary);
    else cut(start + PART_SIZE);
  }
  // Just before the end of the last file, whose header stands in front of it.
  const end = (starts.at(-1) ?? 0) + (files.at(-1)?.size ?? 0);
  if (size - start > MAX_LAST && end > start && end < size) cut(end);
  cut(size);
  return parts;
}

/** The cut for a part that begins at `start`, or undefined where one file fills more than the part. */
function bestBoundary(
  files: readonly FileEntry[],
  starts: readonly number[],
  from: number,
  start: number,
): number | undefined {
  let best: number | undefined;
  let lowest = Number.POSITIVE_INFINITY;
  let last: number | undefined;
  for (let i = from; i < starts.length; i++) {
    const at = starts[i] as number;
    if (at - start > PART_SIZE) break;
    last = at;
    if (at - start < MIN_PART) continue;
    const hash = fnv1a((files[i] as FileEntry).path);
    if (hash >= lowest) continue;
    lowest = hash;
    best = at;
  }
  return best ?? last;
}

/** FNV-1a, 32 bits: cheap, and the same everywhere. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
