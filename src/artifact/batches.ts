/**
 * The files of an image that is written file after file, in memory that threads share: their names, which of them nobody has
 * taken yet, and whose turn it is in the image. Files go by their number.
 */
import type { NamedFile } from "./read-tree.ts";

export interface BatchMemory {
  /** Of each file its path and where else it is, if anywhere, with a NUL behind each. */
  readonly names: SharedArrayBuffer;
  /** Where the names of each file begin, and where the last ones end. */
  readonly starts: SharedArrayBuffer;
  /** The counters below. */
  readonly words: SharedArrayBuffer;
  /** Bytes that a file has taken of late in the image. */
  readonly usual: SharedArrayBuffer;
}

/** Files that one thread reads, one after the other. */
export interface Batch {
  readonly first: number;
  /** The file behind the last. */
  readonly end: number;
}

/** Counters: the next file that nobody has, and the first of the batch whose turn it is in the image. */
const NEXT = 0;
const TURN = 1;
const WORDS = 2;

/** Bytes of a file before any was seen, and how much a batch says about the next ones. */
const FIRST_GUESS = 32 * 1024;
const WEIGHT = 0.25;

/** Names of so many files at a time become bytes: one by one takes long, all together much memory. */
const AT_ONCE = 1024;

export function newBatchMemory(files: readonly NamedFile[]): BatchMemory {
  const starts = new SharedArrayBuffer((files.length + 1) * Float64Array.BYTES_PER_ELEMENT);
  const ends = new Float64Array(starts, Float64Array.BYTES_PER_ELEMENT);
  // Three bytes are the most that one of a string's units becomes; memory that nobody touches costs nothing.
  let most = 0;
  for (const file of files) most += 3 * (file.path.length + (file.isInPlace ? 0 : file.source.length)) + 2;
  const names = new SharedArrayBuffer(most);
  const bytes = Buffer.from(names);
  let at = 0;
  for (let i = 0; i < files.length; i += AT_ONCE) {
    const texts = files.slice(i, i + AT_ONCE).map(namesOf);
    const text = texts.join("");
    const written = bytes.write(text, at);
    // Nearly all names have a byte for each unit, and then nobody needs to count.
    const lengthOf = written === text.length ? (one: string) => one.length : (one: string) => Buffer.byteLength(one);
    for (const [j, one] of texts.entries()) ends[i + j] = at += lengthOf(one);
  }
  const usual = new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT);
  new Float64Array(usual)[0] = FIRST_GUESS;
  return { names, starts, words: new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT), usual };
}

const namesOf = (file: NamedFile) => (file.isInPlace ? `${file.path}\0\0` : `${file.path}\0${file.source}\0`);

/** One thread's view of the files. */
export class Batches {
  readonly count: number;
  readonly #names: Buffer;
  readonly #starts: Float64Array;
  readonly #words: Int32Array;
  readonly #usual: Float64Array;

  constructor({ names, starts, words, usual }: BatchMemory) {
    this.#names = Buffer.from(names);
    this.#starts = new Float64Array(starts);
    this.#words = new Int32Array(words);
    this.#usual = new Float64Array(usual);
    this.count = this.#starts.length - 1;
  }

  /** Takes the next files that nobody has, at most so many; undefined when there are none. */
  take(most: number): Batch | undefined {
    for (;;) {
      const first = Atomics.load(this.#words, NEXT);
      const end = Math.min(first + most, this.count);
      if (end <= first) return undefined;
      if (Atomics.compareExchange(this.#words, NEXT, first, end) === first) return { first, end };
    }
  }

  /** The path of each file, and behind each where else the file is or "". */
  names({ first, end }: Batch): string[] {
    return this.#names.toString("utf8", this.#starts[first], this.#starts[end]).split("\0");
  }

  /** Bytes that a file has taken of late in the image: a guess, for which threads need not agree. */
  get usualSize(): number {
    return this.#usual[0] as number;
  }

  /** Says how many bytes the files of a batch have taken. */
  learn({ first, end }: Batch, bytes: number): void {
    this.#usual[0] = this.usualSize + WEIGHT * (bytes / (end - first) - this.usualSize);
  }

  /** The first file of the batch whose turn it is in the image; no file when all are done. */
  get turn(): number {
    return Atomics.load(this.#words, TURN);
  }

  /** Says that the image goes on with `file`. */
  setTurn(file: number): void {
    Atomics.store(this.#words, TURN, file);
  }
}
