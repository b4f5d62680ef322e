/** ChunkIndex: where in a site a piece of a kernel may come from. Pure. */
import type { MayHave } from "./anchors.ts";
import { ANCHOR, CHUNK, hashOfBytes } from "./chunk-hash.ts";

/** Reads a part of site file number `file`; the result is valid until the next call. */
export type ReadFile = (file: number, offset: number, length: number) => Uint8Array;

/** 12 GiB of the site that the kernel seems to have, which take some 200 MB here; files beyond are counted as not looked for. */
const MAX_CHUNKS = 3_000_000;
const FIRST_CHUNKS = 1024;
/** Fewer bytes, or fewer different ones, are in any kernel by chance: padding, rulers, tables. */
const MIN_DISTINCT = 8;
const DISTINCT_WITHIN = 256;
/** Files are read so much at a time. */
const READ = 64 * CHUNK;

/**
 * The chunks whose anchor the kernel may have, ordered by anchor hash, length and whole hash. A run shares anchor and length, a group
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

/** Reads the whole site once and indexes what the kernel may have of it. */
export function indexChunks(files: readonly { readonly size: number }[], read: ReadFile, mayHave: MayHave): ChunkIndex {
  const counted = new Uint32Array(files.length);
  const chunks = new Chunks();
  for (const [number, file] of files.entries()) {
    const before = chunks.count;
    for (const { bytes, ordinal } of distinctiveIn(number, file.size, read)) {
      counted[number] = (counted[number] as number) + 1;
      const anchor = hashOfBytes(bytes.subarray(0, ANCHOR));
      if (mayHave(anchor)) chunks.add(bytes, { anchor, file: number, ordinal });
    }
    // A file that does not fit whole would be called embedded on the strength of its beginning.
    if (chunks.count > MAX_CHUNKS) {
      chunks.count = before;
      counted[number] = 0;
    }
  }
  const { anchor, length, hash, file, ordinal } = chunks;
  const order = new Uint32Array(chunks.count).map((_, i) => i);
  const compare = (a: number, b: number) =>
    (anchor[a] as number) - (anchor[b] as number) ||
    (length[a] as number) - (length[b] as number) ||
    (hash[a] as number) - (hash[b] as number);
  order.sort(compare);
  return { counted, file, ordinal, order, ...cut(chunks, order) };
}

interface Piece {
  readonly bytes: Uint8Array;
  /** Its number in the file. */
  readonly ordinal: number;
}

/** The chunks of a file that are not in any kernel by chance, each valid until the next one. */
function* distinctiveIn(file: number, size: number, read: ReadFile): Iterable<Piece> {
  for (let offset = 0; offset < size; offset += READ) {
    const part = read(file, offset, Math.min(READ, size - offset));
    for (let at = 0; at < part.length; at += CHUNK) {
      const bytes = part.subarray(at, at + CHUNK);
      if (bytes.length >= ANCHOR && isDistinctive(bytes)) yield { bytes, ordinal: (offset + at) / CHUNK };
    }
  }
}

/** Of each byte: the last chunk, counted by `look`, that has it near its beginning. */
const seen = new Float64Array(256);
let look = 0;

function isDistinctive(bytes: Uint8Array): boolean {
  look++;
  let distinct = 0;
  const end = Math.min(bytes.length, DISTINCT_WITHIN);
  for (let i = 0; i < end; i++) {
    const byte = bytes[i] as number;
    if (seen[byte] === look) continue;
    seen[byte] = look;
    if (++distinct >= MIN_DISTINCT) return true;
  }
  return false;
}

/** Numbered chunks, in arrays that grow. */
class Chunks {
  count = 0;
  anchor = new Uint32Array(FIRST_CHUNKS);
  hash = new Uint32Array(FIRST_CHUNKS);
  length = new Uint16Array(FIRST_CHUNKS);
  file = new Uint32Array(FIRST_CHUNKS);
  ordinal = new Uint32Array(FIRST_CHUNKS);

  /** Up to one more than there may be: it says that there are more. */
  add(bytes: Uint8Array, of: { readonly anchor: number; readonly file: number; readonly ordinal: number }): void {
    if (this.count > MAX_CHUNKS) return;
    if (this.count === this.anchor.length) this.#grow();
    const i = this.count++;
    this.anchor[i] = of.anchor;
    this.hash[i] = hashOfBytes(bytes);
    this.length[i] = bytes.length;
    this.file[i] = of.file;
    this.ordinal[i] = of.ordinal;
  }

  #grow(): void {
    const capacity = 2 * this.count;
    const larger = (array: Uint32Array) => {
      const copy = new Uint32Array(capacity);
      copy.set(array);
      return copy;
    };
    this.anchor = larger(this.anchor);
    this.hash = larger(this.hash);
    this.file = larger(this.file);
    this.ordinal = larger(this.ordinal);
    const { length } = this;
    this.length = new Uint16Array(capacity);
    this.length.set(length);
  }
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
