/**
 * Writes an image whose format puts file after file, without asking first how large the files are: a call less for each, and
 * reading begins at once. As write-image.ts otherwise; it makes the same bytes of the same files.
 */
import { createHash } from "node:crypto";
import { type FrameName, framesOf } from "../image/frames.ts";
import { type IndexFile, indexWritten } from "../image/index-file.ts";
import { OutputFile } from "../util/output-file.ts";
import { Crew, CrewLost, type StandBy, USUAL_THREADS } from "./crew.ts";
import { decodeFailure } from "./failure.ts";
import { FileTable } from "./file-table.ts";
import { writeRun } from "./hand.ts";
import { MANY_FILES } from "./read-tree.ts";
import { MOST_THREADS, newSerialMemory, SerialHand, type SerialTask } from "./serial-hand.ts";
import type { SerialShape, SerialSlot } from "./serial-slot.ts";
import { Signals } from "./signals.ts";
import { stopsAtEnd } from "./short-reads.ts";
import type { SiteNames } from "./site-names.ts";
import type { BuiltImage } from "./write-image.ts";

export interface SerialJob {
  readonly frames: FrameName;
  /** Sorted; the format has nothing against them. */
  readonly names: SiteNames;
  readonly out: string;
  readonly mode?: number;
  readonly onProgress?: (written: number) => void;
  /** Threads that work on the image, this one included, at most three; as many as pay if absent. */
  readonly threads?: number;
  /** Where a worker may be waiting already. */
  readonly standBy?: StandBy;
  readonly shape?: SerialShape;
}

/**
 * A dozen slots of a megabyte keep two threads busy. With more small files than these in a slot its bytes have left the
 * processor's cache before they are hashed.
 */
const SHAPE: SerialShape = { slots: 12, slotBytes: 1024 * 1024, batchFiles: 128 };

/**
 * Writes the image to `out`, whole or not at all. Throws SITE_UNREPRESENTABLE for a file that is too large, FILE_CHANGED for
 * one that changes while it is read, IO_FAILED; of several failures the one that comes first in the image.
 */
export async function writeSerial(job: SerialJob): Promise<BuiltImage> {
  const threads = Math.min(job.threads ?? USUAL_THREADS, MOST_THREADS);
  try {
    return await writeWith(threads, job);
  } catch (error) {
    // Where no thread can be had (a limit on processes, too little memory), one is enough.
    if (error instanceof CrewLost && threads > 1) return writeWith(1, job);
    throw error;
  }
}

async function writeWith(threads: number, job: SerialJob): Promise<BuiltImage> {
  const memory = newSerialMemory(job.names, job.shape ?? SHAPE);
  using output = new OutputFile(job.out, job.mode);
  await using crew = new Crew(memory.signals, job.standBy);
  const { root } = job.names;
  const task: SerialTask = {
    kind: "serial",
    memory,
    frames: job.frames,
    root,
    stopsAtEnd: stopsAtEnd(root),
    output: output.fd,
  };
  using sequencer = new SerialSequencer(job, task, output);
  const hire = () => {
    while (crew.size + 1 < threads) crew.hire(task);
  };
  if (job.threads !== undefined || job.names.count >= MANY_FILES) hire();
  let told = 0;
  while (sequencer.work(TURN, { leavesLarge: crew.size > 0 })) {
    crew.check();
    if (sequencer.position > MUCH) hire();
    if (sequencer.position >= told + TELL) job.onProgress?.((told = sequencer.position));
    // Signals, and whatever else the process does, get their turn.
    await new Promise(setImmediate);
  }
  crew.check();
  output.commit();
  const { count, pages } = job.names;
  const table = new FileTable(memory.table);
  const index = indexFrom(table, pages);
  return { size: sequencer.position, sha256: sequencer.digest(), files: count, bytes: table.bytes, index };
}

/** Where this is written down it keeps nothing else of the image in memory. */
const indexFrom = (table: FileTable, pages: readonly string[]): IndexFile => indexWritten(() => table.index(pages));

/** Bytes between two turns of the rest of the process, and between two words of progress. */
const TURN = 16 * 1024 * 1024;
const TELL = 64 * 1024 * 1024;
/** A worker costs some 40 ms to start: where files are few, it has to be sure that there is more to do than that. */
const MUCH = 32 * 1024 * 1024;
/** Milliseconds to wait for a worker before the rest of the process gets its turn. */
const PATIENCE = 20;

/** Zeros at the end of an image are written so many at a time. */
const ZEROS = Buffer.alloc(64 * 1024);

/** A slot that has its place in the image. */
interface PlacedSlot {
  readonly slot: SerialSlot;
  hashed: boolean;
}

/** Sees the image through in order, and lends a hand where a stage would have it wait. */
class SerialSequencer implements Disposable {
  readonly #hand: SerialHand;
  readonly #signals: Signals;
  readonly #output: OutputFile;
  readonly #trailer: (end: number) => number;
  readonly #hash = createHash("sha256");
  /** Slots that have their place, in image order. */
  readonly #placed: PlacedSlot[] = [];
  /** The part of the batch whose turn it is that comes next. */
  #part = 0;
  #end = 0;
  #position = 0;

  constructor({ frames }: SerialJob, task: SerialTask, output: OutputFile) {
    this.#hand = new SerialHand(task);
    this.#signals = new Signals(task.memory.signals);
    this.#output = output;
    this.#trailer = framesOf(frames).trailer;
  }

  /** Bytes hashed. */
  get position(): number {
    return this.#position;
  }

  /**
   * Goes on for some `bytes`, or until there is nothing to do for a while; false when the image is written. Large files are
   * left to workers if wanted: whoever hashes the image has enough to do beside them.
   */
  work(bytes: number, how: { readonly leavesLarge: boolean }): boolean {
    const { batches } = this.#hand;
    const end = this.#position + bytes;
    while (this.#position < end) {
      const mark = this.#signals.doneMark();
      if (this.#release() || this.#place() || this.#hashNext()) continue;
      if (this.#hand.write() || this.#hand.fill(how)) continue;
      if (batches.turn === batches.count && this.#placed.length === 0) {
        this.#endWithZeros();
        return false;
      }
      if (!this.#signals.waitForDone(mark, PATIENCE)) break;
    }
    return true;
  }

  digest(): string {
    return this.#hash.digest("hex");
  }

  [Symbol.dispose](): void {
    this.#hand[Symbol.dispose]();
  }

  /** Frees a slot that is hashed and written. */
  #release(): boolean {
    const i = this.#placed.findIndex(({ slot, hashed }) => hashed && (slot.isWritten || this.#look(slot)));
    if (i < 0) return false;
    this.#placed[i]?.slot.release();
    this.#placed.splice(i, 1);
    this.#signals.tellWorkers();
    return true;
  }

  /** Gives the slot that comes next its place, so that it can be written; that is known when all before it are filled. */
  #place(): boolean {
    const { batches, slots } = this.#hand;
    const slot = slots.find((candidate) => candidate.holds(batches.turn, this.#part));
    if (!slot) return false;
    // What fails in front of it comes first.
    if (slot.failure !== undefined && this.#placed.length > 0) return false;
    this.#look(slot);
    this.#part = slot.end > 0 ? 0 : this.#part + 1;
    if (slot.end > 0) batches.setTurn(slot.end);
    slot.place(this.#end);
    this.#end += slot.length;
    this.#placed.push({ slot, hashed: false });
    this.#signals.tellWorkers();
    return true;
  }

  #hashNext(): boolean {
    const next = this.#placed.find(({ hashed }) => !hashed);
    if (!next) return false;
    this.#hash.update(next.slot.bytes());
    this.#position += next.slot.length;
    next.hashed = true;
    return true;
  }

  #endWithZeros(): void {
    const end = this.#end + this.#trailer(this.#end);
    while (this.#end < end) {
      const zeros = ZEROS.subarray(0, end - this.#end);
      this.#hash.update(zeros);
      try {
        writeRun(this.#output.fd, zeros, this.#end);
      } catch (error) {
        throw this.#output.failure(error);
      }
      this.#end += zeros.length;
    }
    this.#position = this.#end;
  }

  /** Throws what became of a slot that has failed. */
  #look({ failure }: SerialSlot): false {
    if (failure === undefined) return false;
    throw decodeFailure(failure, (error) => this.#output.failure(error));
  }
}
