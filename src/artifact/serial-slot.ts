/**
 * A slot for an image that is written file after file: a run of consecutive bytes that nobody knows the length of before it
 * is filled, in memory that threads share. What it is to hold is planned, where it belongs follows when those before it are
 * filled.
 *
 *   free -> planned -> filling -> filled or failed -> free      and beside it: unplaced -> unwritten -> writing -> written
 *
 * Only the words for these two states are shared at any time; all else belongs to the thread that the state names.
 */
import { BLOB_MARGIN } from "./blob-id.ts";

export interface SerialShape {
  readonly slots: number;
  /** Bytes of the image in a slot, a multiple of 512 and at least 2,048. */
  readonly slotBytes: number;
  /** Files in a slot. */
  readonly slotFiles: number;
}

export interface SerialSlotMemory {
  readonly data: SharedArrayBuffer;
  readonly names: SharedArrayBuffer;
  readonly ids: SharedArrayBuffer;
  readonly sizes: SharedArrayBuffer;
  readonly numbers: SharedArrayBuffer;
  readonly states: SharedArrayBuffer;
}

/** Bytes before the first of a slot, for what git hashes in front of content, and behind the last, for a probe. */
const MARGIN = BLOB_MARGIN;
/** A system call takes 4096 bytes of path; a slot takes two of them at least. */
const NAME_BYTES = 32 * 1024;
/** Hex digits of a git blob id. */
const ID_LENGTH = 40;

/** Words of the states. */
const FILL = 0;
const WRITE = 1;

const FREE = 0;
const PLANNED = 1;
const FILLING = 2;
const FILLED = 3;
const FAILED = 4;

const UNPLACED = 0;
const UNWRITTEN = 1;
const WRITING = 2;
const WRITTEN = 3;

/** Words of the numbers. */
const FIRST = 0;
const FILES = 1;
const FROM = 2;
const SIZE = 3;
const OWNER = 4;
const TEXT = 5;
const LENGTH = 6;
const DONE = 7;
const OFFSET = 8;
const NUMBERS = 9;

const NO_OWNER = -1;

export function newSerialSlotMemory({ slotBytes, slotFiles }: SerialShape): SerialSlotMemory {
  return {
    data: new SharedArrayBuffer(MARGIN + slotBytes + MARGIN),
    names: new SharedArrayBuffer(NAME_BYTES),
    ids: new SharedArrayBuffer(slotFiles * ID_LENGTH),
    sizes: new SharedArrayBuffer(slotFiles * Float64Array.BYTES_PER_ELEMENT),
    numbers: new SharedArrayBuffer(NUMBERS * Float64Array.BYTES_PER_ELEMENT),
    states: new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT),
  };
}

/** The rest of a file that is larger than a slot, of which the thread `owner` has the beginning. */
export interface Part {
  readonly file: number;
  /** Bytes of the file in earlier slots. */
  readonly from: number;
  /** Bytes in the whole file. */
  readonly size: number;
  readonly owner: number;
}

/** One thread's view of a slot. */
export class SerialSlot {
  /** The run, between its margins. */
  readonly data: Buffer;
  /** Where the run begins in `data`. */
  readonly margin = MARGIN;
  readonly capacity: number;
  /** The same as `data`, without what a Buffer does before it fills. */
  readonly #bytes: Uint8Array;
  readonly #names: Buffer;
  readonly #ids: Buffer;
  readonly #sizes: Float64Array;
  readonly #numbers: Float64Array;
  readonly #states: Int32Array;

  constructor(memory: SerialSlotMemory, { slotBytes }: SerialShape) {
    this.data = Buffer.from(memory.data);
    this.#bytes = new Uint8Array(memory.data);
    this.capacity = slotBytes;
    this.#names = Buffer.from(memory.names);
    this.#ids = Buffer.from(memory.ids);
    this.#sizes = new Float64Array(memory.sizes);
    this.#numbers = new Float64Array(memory.numbers);
    this.#states = new Int32Array(memory.states);
  }

  // Planning: by the sequencer, while the slot is free.

  get isFree(): boolean {
    return this.#is(FILL, FREE);
  }

  /** The most files that a plan may have. */
  get mostFiles(): number {
    return this.#sizes.length;
  }

  /** Whether so many characters of names are sure to fit: three bytes are the most that one becomes in UTF-8. */
  takesNames(characters: number): boolean {
    return 3 * characters <= NAME_BYTES;
  }

  /** Plans files from number `first` on, with a text of their names, as many of them as turn out to fit. */
  planFiles(first: number, files: number, names: string): void {
    this.#plan({ file: first, from: 0, size: 0, owner: NO_OWNER }, files);
    this.#numbers[TEXT] = this.#names.write(names);
    Atomics.store(this.#states, FILL, PLANNED);
  }

  planPart(part: Part): void {
    this.#plan(part, 1);
    Atomics.store(this.#states, FILL, PLANNED);
  }

  /** A slot of nothing but zeros, which is filled herewith. */
  planZeros(length: number): void {
    this.#plan({ file: 0, from: 0, size: 0, owner: NO_OWNER }, 0);
    this.zeros(MARGIN, length);
    this.filled(length, 0);
  }

  // Filling: by the thread that claimed it.

  get isPlanned(): boolean {
    return this.#is(FILL, PLANNED);
  }

  claimToFill(): boolean {
    return Atomics.compareExchange(this.#states, FILL, PLANNED, FILLING) === PLANNED;
  }

  /** Gives back what was claimed and is for somebody else. */
  unclaim(): void {
    Atomics.store(this.#states, FILL, PLANNED);
  }

  /** The first file, and how many there are to be. */
  get first(): number {
    return this.#number(FIRST);
  }

  get files(): number {
    return this.#number(FILES);
  }

  /** Undefined for a plan of whole files. */
  get part(): Part | undefined {
    const owner = this.#number(OWNER);
    if (owner === NO_OWNER) return undefined;
    return { file: this.first, from: this.#number(FROM), size: this.#number(SIZE), owner };
  }

  get names(): string {
    return this.#names.toString("utf8", 0, this.#number(TEXT));
  }

  /** Zeros from `at` on, which counts in `data`. */
  zeros(at: number, length: number): void {
    this.#bytes.fill(0, at, at + length);
  }

  /** Keeps what there is to know of the `i`th file of the slot. */
  setResult(i: number, size: number, id: string): void {
    this.#sizes[i] = size;
    this.#ids.write(id, i * ID_LENGTH, "latin1");
  }

  /** Says that the file that the slot ends with goes on, and who has it. */
  goesOn(part: Part): void {
    this.#plan(part, this.files);
  }

  /** Says that the run is there, of `length` bytes and with `files` that are complete with it. */
  filled(length: number, files: number): void {
    this.#numbers[LENGTH] = length;
    this.#numbers[DONE] = files;
    Atomics.store(this.#states, WRITE, UNPLACED);
    Atomics.store(this.#states, FILL, FILLED);
  }

  /** Says that it could not be filled, or written, and why. */
  failed(why: string): void {
    this.#numbers[TEXT] = this.#names.write(why);
    Atomics.store(this.#states, FILL, FAILED);
  }

  // Placing: by the sequencer.

  get isFilled(): boolean {
    return this.#is(FILL, FILLED);
  }

  /** Why it failed; undefined where it did not. */
  get failure(): string | undefined {
    return this.#is(FILL, FAILED) ? this.names : undefined;
  }

  /** How many files are complete with this slot. */
  get done(): number {
    return this.#number(DONE);
  }

  get length(): number {
    return this.#number(LENGTH);
  }

  /** Says where the run belongs. From now on, and not before, it may be claimed to be written. */
  place(offset: number): void {
    this.#numbers[OFFSET] = offset;
    Atomics.store(this.#states, WRITE, UNWRITTEN);
  }

  result(i: number): { readonly size: number; readonly id: string } {
    return { size: this.#sizes[i] as number, id: this.#ids.toString("latin1", i * ID_LENGTH, (i + 1) * ID_LENGTH) };
  }

  release(): void {
    Atomics.store(this.#states, FILL, FREE);
  }

  // Writing: by the thread that claimed it.

  claimToWrite(): boolean {
    return Atomics.compareExchange(this.#states, WRITE, UNWRITTEN, WRITING) === UNWRITTEN;
  }

  get offset(): number {
    return this.#number(OFFSET);
  }

  /** The bytes of the run. */
  bytes(): Buffer {
    return this.data.subarray(MARGIN, MARGIN + this.length);
  }

  written(): void {
    Atomics.store(this.#states, WRITE, WRITTEN);
  }

  get isWritten(): boolean {
    return this.#is(WRITE, WRITTEN);
  }

  #plan({ file, from, size, owner }: Part, files: number): void {
    this.#numbers[FIRST] = file;
    this.#numbers[FILES] = files;
    this.#numbers[FROM] = from;
    this.#numbers[SIZE] = size;
    this.#numbers[OWNER] = owner;
  }

  #is(word: number, state: number): boolean {
    return Atomics.load(this.#states, word) === state;
  }

  #number(at: number): number {
    return this.#numbers[at] as number;
  }
}
