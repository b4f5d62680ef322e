/**
 * A slot: a run of consecutive bytes of an image on its way from the files to the disk, in memory that threads share.
 *
 *   free -> planned -> filling -> filled or failed -> free      and beside it: unfilled -> unwritten -> writing -> written
 *
 * Only the words for these two states are shared at any time; all else belongs to the thread that the state names.
 */
import { BLOB_MARGIN } from "./blob-id.ts";

export interface SlotShape {
  /** Bytes of the image in a slot. */
  readonly slotBytes: number;
  /** Files with content in a slot. */
  readonly slotTasks: number;
}

export interface SlotMemory {
  readonly data: SharedArrayBuffer;
  readonly texts: SharedArrayBuffer;
  readonly ids: SharedArrayBuffer;
  readonly numbers: SharedArrayBuffer;
  readonly states: SharedArrayBuffer;
}

/** Content that belongs into a slot: that of one file, or a part of it. */
export interface Task {
  readonly source: string;
  /** Number of the file in the tree. */
  readonly file: number;
  /** Where in the slot. */
  readonly at: number;
  readonly length: number;
  /** Bytes in the whole file. */
  readonly size: number;
  /** Bytes of the file that follow in later slots. */
  readonly left: number;
}

/** Bytes before the first of a slot, for what git hashes in front of content, and behind the last, for a probe. */
const MARGIN = BLOB_MARGIN;
/** For the paths of the files; a system call takes 4096 bytes of path, and a slot takes at least one. */
const TEXT_BYTES = 16 * 1024;
/** Hex digits of a git blob id. */
const ID_LENGTH = 40;
const TASK_NUMBERS = 7;

/** Words of the states. */
const FILL = 0;
const WRITE = 1;

const FREE = 0;
const PLANNED = 1;
const FILLING = 2;
const FILLED = 3;
const FAILED = 4;

const UNFILLED = 0;
const UNWRITTEN = 1;
const WRITING = 2;
const WRITTEN = 3;

const ANY_TURN = -1;

export function newSlotMemory({ slotBytes, slotTasks }: SlotShape): SlotMemory {
  return {
    data: new SharedArrayBuffer(MARGIN + slotBytes + MARGIN),
    texts: new SharedArrayBuffer(TEXT_BYTES),
    ids: new SharedArrayBuffer(slotTasks * ID_LENGTH),
    numbers: new SharedArrayBuffer((HEAD_NUMBERS + slotTasks * TASK_NUMBERS) * Float64Array.BYTES_PER_ELEMENT),
    states: new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT),
  };
}

/** Words of the numbers before those of the tasks. */
const OFFSET = 0;
const LENGTH = 1;
const TASKS = 2;
const TURN = 3;
const TEXT = 4;
const HEAD_NUMBERS = 5;

/** One thread's view of a slot. */
export class Slot {
  /** The run, between its margins. */
  readonly data: Buffer;
  readonly #run: Buffer;
  /** The same, without what a Buffer does before it fills. */
  readonly #bytes: Uint8Array;
  readonly #texts: Buffer;
  readonly #ids: Buffer;
  readonly #numbers: Float64Array;
  readonly #states: Int32Array;

  constructor(memory: SlotMemory, { slotBytes }: SlotShape) {
    this.data = Buffer.from(memory.data);
    this.#run = Buffer.from(memory.data, MARGIN, slotBytes);
    this.#bytes = new Uint8Array(memory.data, MARGIN, slotBytes);
    this.#texts = Buffer.from(memory.texts);
    this.#ids = Buffer.from(memory.ids);
    this.#numbers = new Float64Array(memory.numbers);
    this.#states = new Int32Array(memory.states);
  }

  /** Where the run begins in the image. */
  get offset(): number {
    return this.#number(OFFSET);
  }

  get length(): number {
    return this.#number(LENGTH);
  }

  get tasks(): number {
    return this.#number(TASKS);
  }

  get room(): number {
    return this.#run.length - this.length;
  }

  /** The bytes of the run. */
  bytes(): Buffer {
    return this.#run.subarray(0, this.length);
  }

  // Planning: by the sequencer, while the slot is free.

  get free(): boolean {
    return this.#is(FILL, FREE);
  }

  begin(offset: number): void {
    this.#numbers.fill(0, 0, HEAD_NUMBERS);
    this.#numbers[OFFSET] = offset;
    this.#numbers[TURN] = ANY_TURN;
  }

  /** Takes bytes up to `room`. */
  put(bytes: Uint8Array): void {
    this.#run.set(bytes, this.length);
    this.#grow(bytes.length);
  }

  zeros(length: number): void {
    this.#bytes.fill(0, this.length, this.length + length);
    this.#grow(length);
  }

  /** Whether there is place for a task with this source beside the others. */
  takesTask(source: string): boolean {
    const numbers = HEAD_NUMBERS + (this.tasks + 1) * TASK_NUMBERS;
    // Three bytes are the most that a UTF-16 unit becomes in UTF-8.
    return numbers <= this.#numbers.length && this.#number(TEXT) + 3 * source.length <= TEXT_BYTES;
  }

  /** Keeps the next `length` bytes for content. */
  addTask({ source, file, length, size, left }: Omit<Task, "at">): void {
    const text = this.#number(TEXT);
    const textLength = this.#texts.write(source, text);
    const at = HEAD_NUMBERS + this.tasks * TASK_NUMBERS;
    this.#numbers.set([file, MARGIN + this.length, length, size, left, text, textLength], at);
    this.#numbers[TEXT] = text + textLength;
    this.#numbers[TASKS] = this.tasks + 1;
    this.#grow(length);
  }

  /** The slot has a part of a large file: one thread fills all such slots, in order of their turns. */
  setTurn(turn: number): void {
    this.#numbers[TURN] = turn;
  }

  /** Ends planning. */
  plan(): void {
    Atomics.store(this.#states, WRITE, UNFILLED);
    Atomics.store(this.#states, FILL, PLANNED);
  }

  // Filling: by the thread that claimed it.

  /** `turn` is the turn that this thread waits for; absent for a thread that is not the reader of large files. */
  claimToFill(turn: number | undefined): boolean {
    if (!this.#is(FILL, PLANNED) || !this.#isFor(turn)) return false;
    if (Atomics.compareExchange(this.#states, FILL, PLANNED, FILLING) !== PLANNED) return false;
    if (this.#isFor(turn)) return true;
    // Between the look and the claim others were through with the slot, and it was planned anew.
    Atomics.store(this.#states, FILL, PLANNED);
    return false;
  }

  /** Whether the slot is one of those that have to be filled in turn. */
  get inTurn(): boolean {
    return this.#number(TURN) !== ANY_TURN;
  }

  /** The `i`th content; `at` counts in `data`. */
  task(i: number): Task {
    const n = HEAD_NUMBERS + i * TASK_NUMBERS;
    const text = this.#number(n + 5);
    return {
      file: this.#number(n),
      at: this.#number(n + 1),
      length: this.#number(n + 2),
      size: this.#number(n + 3),
      left: this.#number(n + 4),
      source: this.#texts.toString("utf8", text, text + this.#number(n + 6)),
    };
  }

  /** Keeps the git blob id of the `i`th content. */
  setId(i: number, id: string): void {
    this.#ids.write(id, i * ID_LENGTH, "latin1");
  }

  /** Says that all content is there. From now on, and not before, the run may be claimed to be written. */
  filled(): void {
    Atomics.store(this.#states, FILL, FILLED);
    Atomics.store(this.#states, WRITE, UNWRITTEN);
  }

  /** Says that it could not be filled, or written, and why. */
  failed(why: string): void {
    this.#numbers[TEXT] = this.#texts.write(why);
    Atomics.store(this.#states, FILL, FAILED);
  }

  // Writing: by the thread that claimed it.

  claimToWrite(): boolean {
    return Atomics.compareExchange(this.#states, WRITE, UNWRITTEN, WRITING) === UNWRITTEN;
  }

  written(): void {
    Atomics.store(this.#states, WRITE, WRITTEN);
  }

  // Sequencing.

  get isFilled(): boolean {
    return this.#is(FILL, FILLED);
  }

  get isWritten(): boolean {
    return this.#is(WRITE, WRITTEN);
  }

  /** Why it failed; undefined where it did not. */
  get failure(): string | undefined {
    return this.#is(FILL, FAILED) ? this.#texts.toString("utf8", 0, this.#number(TEXT)) : undefined;
  }

  /** Number of the `i`th file whose content is complete with this slot, and its blob id. */
  result(i: number): { readonly file: number; readonly id: string } | undefined {
    const n = HEAD_NUMBERS + i * TASK_NUMBERS;
    if (this.#number(n + 4) !== 0) return undefined;
    return { file: this.#number(n), id: this.#ids.toString("latin1", i * ID_LENGTH, (i + 1) * ID_LENGTH) };
  }

  release(): void {
    Atomics.store(this.#states, FILL, FREE);
  }

  #isFor(turn: number | undefined): boolean {
    const own = this.#number(TURN);
    return own === ANY_TURN || own === turn;
  }

  #is(word: number, state: number): boolean {
    return Atomics.load(this.#states, word) === state;
  }

  #number(at: number): number {
    return this.#numbers[at] as number;
  }

  #grow(length: number): void {
    this.#numbers[LENGTH] = this.length + length;
  }
}
