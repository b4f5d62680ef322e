/**
 * The files of an image that is written file after file, as its threads know them. Each has a copy of their names; which of
 * them nobody has taken yet and whose turn it is in the image stand in memory that all share. Files go by their number.
 */
import { PAGE, pathsOn, type SiteNames } from "./site-names.ts";

export interface BatchMemory {
  readonly count: number;
  /** As `SiteNames` has them; many strings are sent to a thread in a tenth of the time when they are one. */
  readonly pages: readonly string[];
  /** Where those files are, by number, that are not where their path says. */
  readonly elsewhere: ReadonlyMap<number, string>;
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

export function newBatchMemory({ count, pages, elsewhere }: SiteNames): BatchMemory {
  const usual = new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT);
  new Float64Array(usual)[0] = FIRST_GUESS;
  const words = new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT);
  return { count, pages, elsewhere, words, usual };
}

/** One thread's view of the files. */
export class Batches {
  readonly count: number;
  readonly #pages: readonly string[];
  readonly #elsewhere: ReadonlyMap<number, string>;
  readonly #words: Int32Array;
  readonly #usual: Float64Array;
  /** The page that was looked at last, and the paths on it. */
  #page = -1;
  #paths: readonly string[] = [];

  constructor({ count, pages, elsewhere, words, usual }: BatchMemory) {
    this.count = count;
    this.#pages = pages;
    this.#elsewhere = elsewhere;
    this.#words = new Int32Array(words);
    this.#usual = new Float64Array(usual);
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

  /** The name in the volume. Quick where files are asked for one after the other. */
  path(file: number): string {
    const page = Math.floor(file / PAGE);
    if (page !== this.#page) {
      this.#page = page;
      this.#paths = pathsOn(this.#pages[page] as string);
    }
    return this.#paths[file % PAGE] as string;
  }

  /** Where the file is, if that is not where its path says. */
  elsewhere(file: number): string | undefined {
    return this.#elsewhere.get(file);
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
