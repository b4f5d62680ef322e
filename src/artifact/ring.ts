/**
 * The memory that the threads share while they make an image: a ring of slots (slot.ts), and two counters of events to
 * wait for. The sequencer plans slots in image order and hashes them in that order; in between, whoever is free fills
 * a slot with the content of files, and writes it out.
 */
import { newSlotMemory, Slot, type SlotMemory, type SlotShape } from "./slot.ts";

export interface RingShape extends SlotShape {
  readonly slots: number;
}

/**
 * Eight slots of a megabyte keep two threads busy. With more small files than these in a slot its bytes have left the
 * processor's cache before they are hashed.
 */
export const RING_SHAPE: RingShape = { slots: 8, slotBytes: 1024 * 1024, slotTasks: 128 };

/** What a thread needs to see the ring; may be sent to a worker. */
export interface RingMemory {
  readonly shape: RingShape;
  readonly slots: readonly SlotMemory[];
  readonly control: SharedArrayBuffer;
}

export function newRingMemory(shape: RingShape): RingMemory {
  return {
    shape,
    slots: Array.from({ length: shape.slots }, () => newSlotMemory(shape)),
    control: new SharedArrayBuffer(4 * Int32Array.BYTES_PER_ELEMENT),
  };
}

/** Words of the control memory. */
const OLDEST = 0;
const STOPPED = 1;
const WORK = 2;
const DONE = 3;

/** One thread's view of the ring. */
export class Ring {
  readonly slots: readonly Slot[];
  readonly #control: Int32Array;

  constructor({ shape, slots, control }: RingMemory) {
    this.slots = slots.map((memory) => new Slot(memory, shape));
    this.#control = new Int32Array(control);
  }

  /** The slot of the `n`th run of the image. */
  at(n: number): Slot {
    return this.slots[n % this.slots.length] as Slot;
  }

  /** The first slot that `takes`, looking at those first that come first in the image. */
  find(takes: (slot: Slot) => boolean): Slot | undefined {
    const oldest = Atomics.load(this.#control, OLDEST);
    for (let i = 0; i < this.slots.length; i++) {
      const slot = this.at(oldest + i);
      if (takes(slot)) return slot;
    }
    return undefined;
  }

  /** Says that every run before the `n`th is done with. */
  advanceTo(n: number): void {
    Atomics.store(this.#control, OLDEST, n % this.slots.length);
  }

  get stopped(): boolean {
    return Atomics.load(this.#control, STOPPED) !== 0;
  }

  /** Has the workers end. */
  stop(): void {
    Atomics.store(this.#control, STOPPED, 1);
    this.tellWorkers();
  }

  /** Says that there is something to fill or to write. */
  tellWorkers(): void {
    this.#tell(WORK);
  }

  /** Says that something was filled or written. */
  tellSequencer(): void {
    this.#tell(DONE);
  }

  /** A mark for `waitForWork`: with one taken before looking around, news since then ends the wait at once. */
  workMark(): number {
    return Atomics.load(this.#control, WORK);
  }

  /** As `workMark`, for `waitForDone`. */
  doneMark(): number {
    return Atomics.load(this.#control, DONE);
  }

  waitForWork(mark: number, milliseconds: number): void {
    Atomics.wait(this.#control, WORK, mark, milliseconds);
  }

  /** False where there was no news for so long. */
  waitForDone(mark: number, milliseconds: number): boolean {
    return Atomics.wait(this.#control, DONE, mark, milliseconds) !== "timed-out";
  }

  #tell(word: number): void {
    Atomics.add(this.#control, word, 1);
    Atomics.notify(this.#control, word);
  }
}
