/** ChunkIndex: where in a site a piece of a kernel may come from. About 50 bytes of memory for each 4 KiB. Pure. */
import { ANCHOR, CHUNK, hashOf, hashPrefixes } from "./chunk-hash.ts";

/** Reads a part of site file number `file`; the result is valid until the next call. */
export type ReadFile = (file: number, offset: number, length: number) => Uint8Array;

/** A site of 12 GiB, which takes about 170 MB here; files beyond are counted as not looked for. */
const MAX_CHUNKS = 3_000_000;
/** Fewer bytes, or fewer different ones, are in any kernel by chance: padding, rulers, tables. */
const MIN_DISTINCT = 8;
const DISTINCT_WITHIN = 256;
/** Files are read so much at a time. */
const READ = 64 * CHUNK;

/**
 * The chunks that are looked for, ordered by anchor hash, length and whole hash. A run shares anchor and length, a group
 * all three; the members of a group are, but for a collision, the same bytes at different places of the site.
 */
export interface ChunkIndex {
  /** How many chunks of each file are looked for; 0 for a file below the floor. */
  readonly counted: Uint32Array;
  /** Chunk numbers in order; `groupStart` cuts it into groups, with one more entry at the end. */
  readonly order: Uint32Array;
  readonly groupStart: Uint32Array;
  readonly groupHash: Uint32Array;
  /** Runs are cut out of the groups the same way. */
  readonly runStart: Uint32Array;
  readonly runAnchor: Uint32Array;
  readonly runLength: Uint16Array;
  /** Of each chunk. */
  readonly file: Uint32Array;
  readonly ordinal: Uint32Array;
}

/** Reads the whole site once and indexes it. */
export function indexChunks(files: readonly { readonly size: number }[], read: ReadFile): ChunkIndex {
  const chunks = collect(files, read);
  const order = new Uint32Array(chunks.count).map((_, i) => i);
  const { anchor, length, hash } = chunks;
  const compare = (a: number, b: number) =>
    (anchor[a] as number) - (anchor[b] as number) ||
    (length[a] as number) - (length[b] as number) ||
    (hash[a] as number) - (hash[b] as number);
  order.sort(compare);
  return { counted: chunks.counted, file: chunks.file, ordinal: chunks.ordinal, order, ...cut(chunks, order) };
}

interface Chunks {
  count: number;
  readonly anchor: Uint32Array;
  readonly hash: Uint32Array;
  readonly length: Uint16Array;
  readonly file: Uint32Array;
  readonly ordinal: Uint32Array;
  readonly counted: Uint32Array;
}

function collect(files: readonly { readonly size: number }[], read: ReadFile): Chunks {
  const chunksIn = ({ size }: { readonly size: number }) => Math.ceil(size / CHUNK);
  const capacity = Math.min(
    MAX_CHUNKS,
    files.reduce((sum, file) => sum + chunksIn(file), 0),
  );
  const chunks: Chunks = {
    count: 0,
    anchor: new Uint32Array(capacity),
    hash: new Uint32Array(capacity),
    length: new Uint16Array(capacity),
    file: new Uint32Array(capacity),
    ordinal: new Uint32Array(capacity),
    counted: new Uint32Array(files.length),
  };
  const prefixes = new Int32Array(CHUNK + 1);
  for (const [number, file] of files.entries()) {
    // A file that does not fit whole would be called embedded on the strength of its beginning.
    if (chunks.count + chunksIn(file) > capacity) continue;
    for (let offset = 0; offset < file.size; offset += READ) {
      const bytes = read(number, offset, Math.min(READ, file.size - offset));
      for (let at = 0; at < bytes.length; at += CHUNK) {
        addChunk(chunks, { bytes: bytes.subarray(at, at + CHUNK), file: number, offset: offset + at, prefixes });
      }
    }
  }
  return chunks;
}

interface Piece {
  readonly bytes: Uint8Array;
  readonly file: number;
  readonly offset: number;
  readonly prefixes: Int32Array;
}

function addChunk(chunks: Chunks, { bytes, file, offset, prefixes }: Piece): void {
  if (bytes.length < ANCHOR || !isDistinctive(bytes)) return;
  hashPrefixes(bytes, prefixes);
  const i = chunks.count++;
  chunks.anchor[i] = hashOf(prefixes, 0, ANCHOR);
  chunks.hash[i] = hashOf(prefixes, 0, bytes.length);
  chunks.length[i] = bytes.length;
  chunks.file[i] = file;
  chunks.ordinal[i] = offset / CHUNK;
  chunks.counted[file] = (chunks.counted[file] as number) + 1;
}

function isDistinctive(bytes: Uint8Array): boolean {
  const seen = new Set<number>();
  for (let i = 0; i < Math.min(bytes.length, DISTINCT_WITHIN); i++) {
    seen.add(bytes[i] as number);
    if (seen.size >= MIN_DISTINCT) return true;
  }
  return false;
}

type Cuts = Pick<ChunkIndex, "groupStart" | "groupHash" | "runStart" | "runAnchor" | "runLength">;

function cut({ anchor, length, hash }: Chunks, order: Uint32Array): Cuts {
  const groupStart = new Uint32Array(order.length + 1);
  const groupHash = new Uint32Array(order.length);
  const runStart = new Uint32Array(order.length + 1);
  const runAnchor = new Uint32Array(order.length);
  const runLength = new Uint16Array(order.length);
  let groups = 0;
  let runs = 0;
  for (let i = 0; i < order.length; i++) {
    const chunk = order[i] as number;
    const previous = order[i - 1];
    const sameRun = previous !== undefined && anchor[chunk] === anchor[previous] && length[chunk] === length[previous];
    if (!sameRun) {
      runAnchor[runs] = anchor[chunk] as number;
      runLength[runs] = length[chunk] as number;
      runStart[runs++] = groups;
    }
    if (!sameRun || hash[chunk] !== hash[previous as number]) {
      groupHash[groups] = hash[chunk] as number;
      groupStart[groups++] = i;
    }
  }
  groupStart[groups] = order.length;
  runStart[runs] = groups;
  return {
    groupStart: groupStart.subarray(0, groups + 1),
    groupHash: groupHash.subarray(0, groups),
    runStart: runStart.subarray(0, runs + 1),
    runAnchor: runAnchor.subarray(0, runs),
    runLength: runLength.subarray(0, runs),
  };
}
