/**
 * What every thread does for an image that is written file after file: fill slots with headers and content, and write slots
 * whose place is known. A file is opened once; how large it is shows when its end is read.
 */
import type { Hash } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { framesOf, type FrameName, type Frames } from "../image/frames.ts";
import { ioError } from "../util/files.ts";
import { blobHash, blobIdOver } from "./blob-id.ts";
import { encodeFailure } from "./failure.ts";
import { changed, writeRun } from "./hand.ts";
import { newSignalMemory } from "./signals.ts";
import { newSerialSlotMemory, type Part, type SerialShape, SerialSlot, type SerialSlotMemory } from "./serial-slot.ts";

export interface SerialMemory {
  readonly shape: SerialShape;
  readonly slots: readonly SerialSlotMemory[];
  readonly signals: SharedArrayBuffer;
}

export const newSerialMemory = (shape: SerialShape): SerialMemory => ({
  shape,
  slots: Array.from({ length: shape.slots }, () => newSerialSlotMemory(shape)),
  signals: newSignalMemory(),
});

/** What a thread needs to lend a hand; may be sent to a worker. */
export interface SerialTask {
  readonly kind: "serial";
  readonly memory: SerialMemory;
  readonly frames: FrameName;
  /** Directory of the files that have no place of their own. */
  readonly root: string;
  /** The descriptor of the image. */
  readonly output: number;
  /** A number that no other thread has. */
  readonly me: number;
}

/** A file that is larger than a slot, of which a part was read. */
interface Unfinished {
  readonly fd: number;
  readonly hash: Hash;
  readonly source: string;
  done: number;
}

/** Between a path and its place, and behind that; neither has it. */
export const SEPARATOR = "\0";

export class SerialHand implements Disposable {
  readonly slots: readonly SerialSlot[];
  readonly #task: SerialTask;
  readonly #frames: Frames;
  /** By file number. */
  readonly #unfinished = new Map<number, Unfinished>();

  constructor(task: SerialTask) {
    this.slots = task.memory.slots.map((memory) => new SerialSlot(memory, task.memory.shape));
    this.#task = task;
    this.#frames = framesOf(task.frames);
  }

  /** Fills one slot; false where there is none to fill. A failure is left in the slot. */
  fill(): boolean {
    const slot = this.#claim();
    if (!slot) return false;
    try {
      const { part } = slot;
      if (part) this.#fillPart(slot, part);
      else this.#fillFiles(slot);
    } catch (error) {
      slot.failed(encodeFailure(error, "fill"));
    }
    return true;
  }

  /** Writes one slot; false where there is none to write. A failure is left in the slot. */
  write(): boolean {
    const slot = this.slots.find((candidate) => candidate.claimToWrite());
    if (!slot) return false;
    try {
      writeRun(this.#task.output, slot.bytes(), slot.offset);
      slot.written();
    } catch (error) {
      slot.failed(encodeFailure(error, "write"));
    }
    return true;
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#unfinished.values()) closeSync(fd);
    this.#unfinished.clear();
  }

  /** Of the slots for this thread the one that comes first in the image. */
  #claim(): SerialSlot | undefined {
    let best: SerialSlot | undefined;
    for (const slot of this.slots) {
      if (slot.isPlanned && this.#isMine(slot) && (!best || slot.first < best.first)) best = slot;
    }
    if (!best?.claimToFill()) return undefined;
    if (this.#isMine(best)) return best;
    // Between the look and the claim others were through with the slot, and it was planned anew.
    best.unclaim();
    return undefined;
  }

  #isMine(slot: SerialSlot): boolean {
    const { part } = slot;
    return !part || (part.owner === this.#task.me && this.#unfinished.get(part.file)?.done === part.from);
  }

  #fillFiles(slot: SerialSlot): void {
    const { root } = this.#task;
    const names = slot.names.split(SEPARATOR);
    let length = 0;
    let files = 0;
    for (; files < slot.files; files++) {
      const path = names[2 * files] as string;
      const source = names[2 * files + 1] || `${root}/${path}`;
      const added = this.#addFile(slot, files, length, path, source);
      if (added === undefined) break;
      length += added;
    }
    // One that has to go on is not complete; it is alone in its slot.
    slot.filled(length, slot.part ? 0 : files);
  }

  /** Bytes that the file takes with all that is around it; undefined where it needs a slot of its own. */
  #addFile(slot: SerialSlot, i: number, at: number, path: string, source: string): number | undefined {
    const header = this.#frames.headerLength(path);
    const start = slot.margin + at + header;
    const room = slot.capacity - at - header;
    if (room <= 0) return undefined;
    const fd = open(source);
    let keeps = false;
    try {
      const size = readUpTo(fd, slot.data, start, room, source);
      // It may end just here, or be larger than a slot.
      if (size === room && at > 0) return undefined;
      keeps = size === room && this.#begin(slot, i, { fd, source, path, start, length: size });
      if (keeps) return slot.capacity;
      slot.setResult(i, size, blobIdOver(slot.data, start, size));
      slot.data.set(this.#frames.header(path, size), slot.margin + at);
      const padding = this.#frames.padding(size);
      slot.zeros(start + size, padding);
      return header + size + padding;
    } finally {
      if (!keeps) closeSync(fd);
    }
  }

  /** Takes up a file that fills the slot; false where it ends there. */
  #begin(
    slot: SerialSlot,
    i: number,
    { fd, source, path, start, length }: { fd: number; source: string; path: string; start: number; length: number },
  ): boolean {
    const { size } = fstatSync(fd);
    if (size <= length) return false;
    slot.data.set(this.#frames.header(path, size), slot.margin);
    const hash = blobHash(size).update(slot.data.subarray(start, start + length));
    const file = slot.first + i;
    this.#unfinished.set(file, { fd, hash, source, done: length });
    slot.goesOn({ file, from: length, size, owner: this.#task.me });
    return true;
  }

  #fillPart(slot: SerialSlot, { file, from, size }: Part): void {
    const unfinished = this.#unfinished.get(file) as Unfinished;
    const { fd, hash, source } = unfinished;
    const length = Math.min(slot.capacity, size - from);
    const isLast = from + length === size;
    // At the end a byte more is asked for than there should be: nothing is put there while the file has not grown.
    const found = readUpTo(fd, slot.data, slot.margin, length + (isLast ? 1 : 0), source);
    if (found > length) throw changed(source, `is longer than ${size} bytes`);
    if (found < length) throw changed(source, `ends after ${from + found} of ${size} bytes`);
    hash.update(slot.data.subarray(slot.margin, slot.margin + length));
    unfinished.done += length;
    if (!isLast) return slot.filled(length, 0);
    const padding = this.#frames.padding(size);
    slot.zeros(slot.margin + length, padding);
    slot.setResult(0, size, hash.digest("hex"));
    this.#unfinished.delete(file);
    closeSync(fd);
    slot.filled(length + padding, 1);
  }
}

function open(source: string): number {
  try {
    return openSync(source, "r");
  } catch (error) {
    throw ioError(`cannot read ${source}`, error);
  }
}

/** Bytes read: fewer than `most` only where the file ends. One call that brings too few proves nothing everywhere. */
function readUpTo(fd: number, data: Buffer, at: number, most: number, source: string): number {
  let done = 0;
  try {
    while (done < most) {
      const n = readSync(fd, data, at + done, most - done, null);
      if (n === 0) break;
      done += n;
    }
  } catch (error) {
    throw ioError(`cannot read ${source}`, error);
  }
  return done;
}
