/**
 * Where a large image is cut, so that forges take it and an unchanged part stays unchanged. Pure.
 *
 * Cuts fall between files; inside a file larger than a part, at multiples of the largest part from where it starts. Among
 * the boundaries that would make a part of 4 to 8 MiB the one whose path hashes lowest is taken: the choice depends on
 * names and not on positions, so that after a file has grown the cuts fall back into step. A git server unpacks and writes
 * a part whole for one page that changed, and a registry is sent it whole: hence parts as small as that, and larger ones
 * only where a file is. What fills the image up behind the last file changes with any file's size, and is cut off, so that
 * the part before it does not change along.
 */
import type { FileEntry } from "./tree.ts";

const MIB = 1024 * 1024;
/** Forges warn above 50 MiB and refuse 100 MB an object. */
export const PART_THRESHOLD = 50 * MIB;
/** The largest part. */
export const PART_SIZE = 32 * MIB;
/** What most parts are below, and twice what most are above. */
export const USUAL_PART = 8 * MIB;
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
  while (size - start > USUAL_PART) {
    while (next < starts.length && (starts[next] as number) <= start) next++;
    const boundary = bestBoundary(files, starts, next, start, size);
    if (boundary !== undefined) cut(boundary);
    else if (size - start > PART_SIZE) cut(start + PART_SIZE);
    else break;
  }
  // Just before the end of the last file, whose header stands in front of it.
  const end = (starts.at(-1) ?? 0) + (files.at(-1)?.size ?? 0);
  if (size - start > MAX_LAST && end > start && end < size) cut(end);
  cut(size);
  return parts;
}

/**
 * The cut for a part that begins at `start`: one of the usual size, else behind the file that makes it larger, else in front
 * of that; undefined where one file fills more than the largest part, or is all there is left.
 */
function bestBoundary(
  files: readonly FileEntry[],
  starts: readonly number[],
  from: number,
  start: number,
  size: number,
): number | undefined {
  let best: number | undefined;
  let lowest = Number.POSITIVE_INFINITY;
  for (let i = from; i < starts.length; i++) {
    const at = starts[i] as number;
    if (at - start > USUAL_PART) {
      const behind = at - start <= PART_SIZE ? at : undefined;
      return lowest < Number.POSITIVE_INFINITY ? best : (behind ?? best);
    }
    if (at - start < USUAL_PART / 2) {
      best = at;
      continue;
    }
    const hash = fnv1a((files[i] as FileEntry).path);
    if (hash >= lowest) continue;
    lowest = hash;
    best = at;
  }
  return lowest < Number.POSITIVE_INFINITY || size - start > PART_SIZE ? best : undefined;
}

/** FNV-1a, 32 bits: cheap, and the same everywhere. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
