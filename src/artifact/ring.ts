/**
 * The memory that the threads share while they make an image: a ring of slots (slot.ts), and their signals. The sequencer plans slots in image order and hashes them in that order; in between, whoever is free fills
 * a slot with the content of files, and writes it out.
 */
import { newSignalMemory } from "./signals.ts";
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
  readonly signals: SharedArrayBuffer;
}

export function newRingMemory(shape: RingShape): RingMemory {
  return {
    shape,
    slots: Array.from({ length: shape.slots }, () => newSlotMemory(shape)),
    control: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT),
    signals: newSignalMemory(),
  };
}

const OLDEST = 0;

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
}
