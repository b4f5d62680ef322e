/**
 * What every thread does for an image that is written file after file: fill slots with headers and content, and write slots
 * whose place is known. A file is opened once; how large it is shows when it is read.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { framesOf, type FrameName, type Frames } from "../image/frames.ts";
import { ioError } from "../util/files.ts";
import { type Batch, Batches, type BatchMemory, newBatchMemory } from "./batches.ts";
import { blobHash, blobIdOver } from "./blob-id.ts";
import { encodeFailure } from "./failure.ts";
import { FileTable, type FileTableMemory, newFileTableMemory } from "./file-table.ts";
import { changed, writeRun } from "./hand.ts";
import { newSerialSlotMemory, type SerialShape, SerialSlot, type SerialSlotMemory } from "./serial-slot.ts";
import { isEnd } from "./short-reads.ts";
import { newSignalMemory } from "./signals.ts";
import type { NamedFile, SiteNames } from "./site-names.ts";

export interface SerialMemory {
  readonly shape: SerialShape;
  readonly batches: BatchMemory;
  readonly table: FileTableMemory;
  readonly slots: readonly SerialSlotMemory[];
  readonly signals: SharedArrayBuffer;
}

export function newSerialMemory(names: SiteNames, shape: SerialShape): SerialMemory {
  return {
    shape,
    batches: newBatchMemory(names),
    table: newFileTableMemory(names.count),
    slots: Array.from({ length: shape.slots }, () => newSerialSlotMemory(shape)),
    signals: newSignalMemory(),
  };
}

/** What a thread needs to lend a hand; may be sent to a worker. */
export interface SerialTask {
  readonly kind: "serial";
  readonly memory: SerialMemory;
  readonly frames: FrameName;
  /** Directory of the files that are nowhere else. */
  readonly root: string;
  /** As `stopsAtEnd` says of it. */
  readonly stopsAtEnd: boolean;
  /** The descriptor of the image. */
  readonly output: number;
}

/** Slots that are kept for the batch whose turn it is, so that it never waits for those behind it. */
const RESERVE = 2;
/** Looking for free slots and taking one are two steps: with more threads than this, the reserve could be taken from all sides. */
export const MOST_THREADS = RESERVE + 1;
/** A site becomes at least so many batches, if it has the files. */
const BATCHES = 64;
/** Less room than this at the end of a slot is not begun with: a file that has to go on costs more calls. */
const LEAST_ROOM = 16 * 1024;

export class SerialHand implements Disposable {
  readonly slots: readonly SerialSlot[];
  readonly batches: Batches;
  readonly #table: FileTable;
  readonly #task: SerialTask;
  /** What this thread is filling slots with. */
  #filling: Generator<boolean, void> | undefined;

  constructor(task: SerialTask) {
    const { slots, shape, batches, table } = task.memory;
    this.slots = slots.map((memory) => new SerialSlot(memory, shape));
    this.batches = new Batches(batches);
    this.#table = new FileTable(table);
    this.#task = task;
  }

  /**
   * Fills one slot; false where there is none, or nothing to fill it with. A failure is left in the slot. Files that fill
   * slots on their own are left to others if wanted.
   */
  fill({ leavesLarge }: { readonly leavesLarge: boolean }): boolean {
    this.#filling ??= this.#begin(leavesLarge);
    if (!this.#filling) return false;
    const { done, value } = this.#filling.next();
    if (done) this.#filling = undefined;
    return done || value;
  }

  /** Writes one slot; false where there is none to write. A failure is left in the slot. */
  write(): boolean {
    const slot = this.slots.find((candidate) => candidate.claimToWrite());
    if (!slot) return false;
    try {
      writeRun(this.#task.output, slot.bytes(), slot.offset);
      slot.written();
    } catch (error) {
      slot.notWritten(encodeFailure(error, "write"));
    }
    return true;
  }

  [Symbol.dispose](): void {
    this.#filling?.return();
  }

  #begin(leavesLarge: boolean): Generator<boolean, void> | undefined {
    const { slotBytes, batchFiles } = this.#task.memory.shape;
    const usual = Math.floor(slotBytes / this.batches.usualSize);
    if (usual === 0 && leavesLarge) return undefined;
    // Few files may be large ones, and then each is a batch.
    const share = Math.floor(this.batches.count / BATCHES);
    const batch = this.batches.take(Math.max(1, Math.min(batchFiles, usual, share)));
    return batch && this.#fillWith(batch);
  }

  *#fillWith(batch: Batch): Generator<boolean, void> {
    const filling = new Filling(batch, this.#table, this.#task, () => this.#claim(batch));
    yield* filling.fill(this.batches);
    this.batches.learn(batch, filling.length);
  }

  #claim({ first }: Batch): SerialSlot | undefined {
    let free = 0;
    for (const slot of this.slots) if (slot.isFree) free++;
    if (free <= RESERVE && this.batches.turn !== first) return undefined;
    return this.slots.find((slot) => slot.claimToFill());
  }
}

/** A file that is larger than what was left of a slot. */
interface LargeFile {
  readonly fd: number;
  readonly file: number;
  readonly source: string;
  readonly size: number;
  /** Bytes that were read; they end the slot. */
  readonly done: Buffer;
}

/** Fills slots with the files of a batch. Gives true when a slot is filled, and false while there is none to go on with. */
class Filling {
  readonly #batch: Batch;
  readonly #table: FileTable;
  readonly #frames: Frames;
  readonly #root: string;
  readonly #stopsAtEnd: boolean;
  readonly #claim: () => SerialSlot | undefined;
  #slot: SerialSlot | undefined;
  #part = 0;
  /** Bytes in the slot, and in those before. */
  #at = 0;
  #before = 0;

  constructor(
    batch: Batch,
    table: FileTable,
    { frames, root, stopsAtEnd }: SerialTask,
    claim: () => SerialSlot | undefined,
  ) {
    this.#batch = batch;
    this.#table = table;
    this.#frames = framesOf(frames);
    this.#root = root;
    this.#stopsAtEnd = stopsAtEnd;
    this.#claim = claim;
  }

  /** Bytes that were filled. */
  get length(): number {
    return this.#before + this.#at;
  }

  *fill(batches: Batches): Generator<boolean, void> {
    yield* this.#nextSlot();
    try {
      for (let file = this.#batch.first; file < this.#batch.end; file++) {
        const path = batches.path(file);
        const header = this.#frames.headerLength(path);
        if (!this.#hasRoom(header)) yield* this.#nextSlot();
        const source = batches.elsewhere(file) ?? `${this.#root}/${path}`;
        const large = this.#addFile(file, { path, source }, header);
        if (large) yield* this.#goOn(large);
      }
      this.#filled(this.#batch.end);
    } catch (error) {
      this.#slot?.notFilled(this.#batch.first, this.#part, encodeFailure(error, "fill"));
    }
  }

  #hasRoom(header: number): boolean {
    const { capacity } = this.#slot as SerialSlot;
    return this.#at === 0 || capacity - this.#at >= header + Math.min(LEAST_ROOM, capacity / 2);
  }

  *#nextSlot(): Generator<boolean, void> {
    if (this.#slot) {
      this.#filled(0);
      this.#before += this.#at;
      this.#part++;
      yield true;
    }
    while (!(this.#slot = this.#claim())) yield false;
    this.#at = 0;
  }

  #filled(end: number): void {
    this.#slot?.filled({ first: this.#batch.first, end, part: this.#part, length: this.#at });
    this.#slot = undefined;
  }

  /** Adds a file, or its beginning where it does not fit: it has to be gone on with then. */
  #addFile(file: number, { path, source }: NamedFile, headerLength: number): LargeFile | undefined {
    const slot = this.#slot as SerialSlot;
    const header = this.#at + slot.margin;
    const start = header + headerLength;
    const room = slot.margin + slot.capacity - start;
    const fd = open(source);
    let goesOn = false;
    try {
      // A byte more than there is room for, so that seeing whether the file ends here costs no call of its own.
      const found = this.#readUpTo(fd, { data: slot.data, at: start, most: room + 1, from: 0 }, source);
      const isLarge = found > room;
      const size = isLarge ? fstatSync(fd).size : found;
      if (isLarge && size <= room) throw changed(source, `is longer than ${size} bytes`);
      if (!isLarge) this.#table.set(file, size, blobIdOver(slot.data, start, size));
      // What git hashes in front of the content stood where this belongs.
      this.#frames.putHeader(path, size, slot.data, header);
      this.#at = start + Math.min(size, room) - slot.margin;
      if (!isLarge) return this.#pad(size);
      goesOn = true;
      return { fd, file, source, size, done: slot.data.subarray(start, start + room) };
    } finally {
      if (!goesOn) closeSync(fd);
    }
  }

  *#goOn({ fd, file, source, size, done }: LargeFile): Generator<boolean, void> {
    try {
      const hash = blobHash(size).update(done);
      for (let from = done.length; from < size; from += this.#at) {
        yield* this.#nextSlot();
        const { data, margin: at, capacity } = this.#slot as SerialSlot;
        const length = Math.min(capacity, size - from);
        const isLast = from + length === size;
        // As above: nothing is put there while the file has not grown.
        const found = this.#readUpTo(fd, { data, at, most: length + (isLast ? 1 : 0), from }, source);
        if (found > length) throw changed(source, `is longer than ${size} bytes`);
        if (found < length) throw changed(source, `ends after ${from + found} of ${size} bytes`);
        hash.update(data.subarray(at, at + length));
        this.#at = length;
      }
      this.#table.set(file, size, hash.digest("hex"));
      this.#pad(size);
    } finally {
      closeSync(fd);
    }
  }

  /** Bytes read: fewer than `most` only where the file ends. */
  #readUpTo(fd: number, { data, at, most, from }: Reading, source: string): number {
    let done = 0;
    try {
      while (done < most) {
        const n = readSync(fd, data, at + done, most - done, from + done);
        done += n;
        if (n === 0 || (this.#stopsAtEnd && isEnd(from + done))) break;
      }
    } catch (error) {
      throw ioError(`cannot read ${source}`, error);
    }
    return done;
  }

  #pad(size: number): undefined {
    const padding = this.#frames.padding(size);
    const slot = this.#slot as SerialSlot;
    slot.zeros(slot.margin + this.#at, padding);
    this.#at += padding;
  }
}

function open(source: string): number {
  try {
    return openSync(source, "r");
  } catch (error) {
    throw ioError(`cannot read ${source}`, error);
  }
}

interface Reading {
  readonly data: Buffer;
  /** Where in `data`, and from where in the file. */
  readonly at: number;
  readonly from: number;
  readonly most: number;
}
