/**
 * A slot for an image that is written file after file: consecutive bytes of the image in memory that threads share. Nobody
 * knows how many there are before the slot is filled, nor where they belong before all that comes in front of them is.
 *
 *   free -> filling -> filled -> free      and beside it: unplaced -> unwritten -> writing -> written
 *
 * From the first it may become failed instead, whether it could not be filled or not be written; that is the end. Only the words
 * for these two states change hands at any time; all else is written by whoever fills the slot, and only read from then on.
 */
import { BLOB_MARGIN } from "./blob-id.ts";

export interface SerialShape {
  /** At least three: one more than are kept for the batch whose turn it is. */
  readonly slots: number;
  /** Bytes of the image in a slot, a multiple of 512 and at least 2,048. */
  readonly slotBytes: number;
  /** Files in a batch. */
  readonly batchFiles: number;
}

export interface SerialSlotMemory {
  readonly data: SharedArrayBuffer;
  readonly text: SharedArrayBuffer;
  readonly numbers: SharedArrayBuffer;
  readonly states: SharedArrayBuffer;
}

/** Bytes behind the last of a slot, for a probe whether a file goes on, and as many before the first. */
const MARGIN = BLOB_MARGIN;
/** Bytes for why a slot failed; paths are at most 4,096 bytes for the system. */
const TEXT_BYTES = 32 * 1024;

/** Words of the states. */
const FILL = 0;
const WRITE = 1;

const FREE = 0;
const FILLING = 1;
const FILLED = 2;
const FAILED = 3;

const UNPLACED = 0;
const UNWRITTEN = 1;
const WRITING = 2;
const WRITTEN = 3;

/** Words of the numbers. */
const FIRST = 0;
const END = 1;
const PART = 2;
const LENGTH = 3;
const OFFSET = 4;
const TEXT = 5;
const NUMBERS = 6;

/** What a slot holds: bytes of the files of a batch. */
export interface Run {
  /** The first file of the batch. */
  readonly first: number;
  /** The file behind the last of the batch if the batch ends with this slot; 0 otherwise. */
  readonly end: number;
  /** Number of the slot among those of the batch. */
  readonly part: number;
  /** Bytes. */
  readonly length: number;
}

export function newSerialSlotMemory({ slotBytes }: SerialShape): SerialSlotMemory {
  return {
    data: new SharedArrayBuffer(MARGIN + slotBytes + MARGIN),
    text: new SharedArrayBuffer(TEXT_BYTES),
    numbers: new SharedArrayBuffer(NUMBERS * Float64Array.BYTES_PER_ELEMENT),
    states: new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT),
  };
}

/** One thread's view of a slot. */
export class SerialSlot {
  /** The bytes, between margins. */
  readonly data: Buffer;
  /** Where the bytes begin in `data`. */
  readonly margin = MARGIN;
  readonly capacity: number;
  /** The same as `data`, without what a Buffer does before it fills. */
  readonly #bytes: Uint8Array;
  readonly #text: Buffer;
  readonly #numbers: Float64Array;
  readonly #states: Int32Array;

  constructor(memory: SerialSlotMemory, { slotBytes }: SerialShape) {
    this.data = Buffer.from(memory.data);
    this.#bytes = new Uint8Array(memory.data);
    this.capacity = slotBytes;
    this.#text = Buffer.from(memory.text);
    this.#numbers = new Float64Array(memory.numbers);
    this.#states = new Int32Array(memory.states);
  }

  get isFree(): boolean {
    return this.#is(FILL, FREE);
  }

  claimToFill(): boolean {
    return this.#claim(FILL, FREE, FILLING);
  }

  // Filling: by the thread that claimed it.

  /** Zeros from `at` on, which counts in `data`. */
  zeros(at: number, length: number): void {
    this.#bytes.fill(0, at, at + length);
  }

  filled({ first, end, part, length }: Run): void {
    this.#numbers[FIRST] = first;
    this.#numbers[END] = end;
    this.#numbers[PART] = part;
    this.#numbers[LENGTH] = length;
    Atomics.store(this.#states, WRITE, UNPLACED);
    Atomics.store(this.#states, FILL, FILLED);
  }

  /** Says why this part of a batch could not be filled. */
  notFilled(first: number, part: number, why: string): void {
    this.#numbers[FIRST] = first;
    this.#numbers[PART] = part;
    this.#fail(why);
  }

  // Placing and hashing: by the sequencer.

  /** Whether this part of a batch is here, filled or failed. */
  holds(first: number, part: number): boolean {
    if (!this.#is(FILL, FILLED) && !this.#is(FILL, FAILED)) return false;
    return this.#number(FIRST) === first && this.#number(PART) === part;
  }

  /** Why it could not be filled or written; undefined where it could. */
  get failure(): string | undefined {
    return this.#is(FILL, FAILED) ? this.#text.toString("utf8", 0, this.#number(TEXT)) : undefined;
  }

  get end(): number {
    return this.#number(END);
  }

  get length(): number {
    return this.#number(LENGTH);
  }

  /** Says where the bytes belong. From now on, and not before, the slot may be claimed to be written. */
  place(offset: number): void {
    this.#numbers[OFFSET] = offset;
    Atomics.store(this.#states, WRITE, UNWRITTEN);
  }

  bytes(): Buffer {
    return this.data.subarray(MARGIN, MARGIN + this.length);
  }

  get isWritten(): boolean {
    return this.#is(WRITE, WRITTEN);
  }

  release(): void {
    Atomics.store(this.#states, FILL, FREE);
  }

  // Writing: by the thread that claimed it.

  claimToWrite(): boolean {
    return this.#claim(WRITE, UNWRITTEN, WRITING);
  }

  get offset(): number {
    return this.#number(OFFSET);
  }

  written(): void {
    Atomics.store(this.#states, WRITE, WRITTEN);
  }

  notWritten(why: string): void {
    this.#fail(why);
  }

  #fail(why: string): void {
    this.#numbers[TEXT] = this.#text.write(why);
    Atomics.store(this.#states, FILL, FAILED);
  }

  #claim(word: number, from: number, to: number): boolean {
    // To look is much cheaper than to try.
    return this.#is(word, from) && Atomics.compareExchange(this.#states, word, from, to) === from;
  }

  #is(word: number, state: number): boolean {
    return Atomics.load(this.#states, word) === state;
  }

  #number(at: number): number {
    return this.#numbers[at] as number;
  }
}
