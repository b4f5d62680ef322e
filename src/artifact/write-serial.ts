/**
 * Writes an image whose format puts file after file, without asking first how large the files are: a call less for each, and
 * reading begins at once. As write-image.ts otherwise; it makes the same bytes of the same files.
 */
import { createHash } from "node:crypto";
import { type FrameName, framesOf } from "../image/frames.ts";
import type { IndexEntry } from "../image/index-file.ts";
import { OutputFile } from "../util/output-file.ts";
import { Crew, CrewLost, type StandBy, USUAL_THREADS } from "./crew.ts";
import { decodeFailure } from "./failure.ts";
import { MANY_FILES, type NamedFile } from "./read-tree.ts";
import { newSerialMemory, SEPARATOR, SerialHand, type SerialTask } from "./serial-hand.ts";
import type { Part, SerialShape, SerialSlot } from "./serial-slot.ts";
import { Signals } from "./signals.ts";
import type { BuiltImage } from "./write-image.ts";

export interface SerialJob {
  readonly frames: FrameName;
  /** Sorted; the format has nothing against their names. */
  readonly files: readonly NamedFile[];
  /** Where the files are that the site does not have by a link. */
  readonly root: string;
  readonly out: string;
  readonly mode?: number;
  readonly onProgress?: (written: number) => void;
  /** Threads that work on the image, this one included; as many as pay if absent. */
  readonly threads?: number;
  /** Where a worker may be waiting already. */
  readonly standBy?: StandBy;
  readonly shape?: SerialShape;
}

/**
 * Eight slots of a megabyte keep two threads busy. With more small files than these in a slot its bytes have left the
 * processor's cache before they are hashed.
 */
const SHAPE: SerialShape = { slots: 8, slotBytes: 1024 * 1024, slotFiles: 128 };

/**
 * Writes the image to `out`, whole or not at all. Throws SITE_UNREPRESENTABLE for a file that is too large, FILE_CHANGED for
 * one that changes while it is read, IO_FAILED; of several failures the one that comes first in the image.
 */
export async function writeSerial(job: SerialJob): Promise<BuiltImage> {
  const threads = job.threads ?? USUAL_THREADS;
  try {
    return await writeWith(threads, job);
  } catch (error) {
    // Where no thread can be had (a limit on processes, too little memory), one is enough.
    if (error instanceof CrewLost && threads > 1) return writeWith(1, job);
    throw error;
  }
}

async function writeWith(threads: number, job: SerialJob): Promise<BuiltImage> {
  const memory = newSerialMemory(job.shape ?? SHAPE);
  using output = new OutputFile(job.out, job.mode);
  await using crew = new Crew(memory.signals, job.standBy);
  const task: SerialTask = { kind: "serial", memory, frames: job.frames, root: job.root, output: output.fd, me: 0 };
  using sequencer = new SerialSequencer(job, task, output);
  const hire = () => {
    for (let me = crew.size + 1; me < threads; me++) crew.hire({ ...task, me });
  };
  if (job.threads !== undefined || job.files.length >= MANY_FILES) hire();
  let told = 0;
  while (sequencer.work(TURN)) {
    crew.check();
    if (sequencer.position > MUCH) hire();
    if (sequencer.position >= told + TELL) job.onProgress?.((told = sequencer.position));
    // Signals, and whatever else the process does, get their turn.
    await new Promise(setImmediate);
  }
  crew.check();
  output.commit();
  return { size: sequencer.position, sha256: sequencer.digest(), index: sequencer.index };
}

/** Bytes between two turns of the rest of the process, and between two words of progress. */
const TURN = 16 * 1024 * 1024;
const TELL = 64 * 1024 * 1024;
/** A worker costs some 30 ms to start: where files are few, it has to be sure that there is more to do than that. */
const MUCH = 32 * 1024 * 1024;
/** Milliseconds to wait for a worker before the rest of the process gets its turn. */
const PATIENCE = 20;

/** Of a slot's bytes, what is planned for: with more, files would often be left over, and what follows has to wait for them. */
const USUAL_FILL = 0.5;
/** Bytes of a file before any was seen, and how much the files of a slot say about the next ones. */
const FIRST_GUESS = 32 * 1024;
const WEIGHT = 0.25;

/** A slot in its place, and what was planned for it. */
interface Run {
  readonly slot: SerialSlot;
  /** Files from where to where, if it was planned for whole ones. */
  readonly files: FileRange | undefined;
  settled: boolean;
  placed: boolean;
  hashed: boolean;
}

interface FileRange {
  readonly first: number;
  readonly end: number;
}

/** What is not planned yet: files, or the rest of one. */
type Rest = FileRange | Part;

/** Sees the image through in order, and lends a hand where a stage would have it wait. */
class SerialSequencer implements Disposable {
  readonly index: IndexEntry[] = [];
  /** Runs and rests in image order, from the first that is not done with. */
  readonly #queue: (Run | Rest)[];
  readonly #files: readonly NamedFile[];
  readonly #hand: SerialHand;
  readonly #signals: Signals;
  readonly #output: OutputFile;
  readonly #trailer: (end: number) => number;
  readonly #hash = createHash("sha256");
  /** Bytes that a file has taken of late, with all around it. */
  #usualSize = FIRST_GUESS;
  #ended = false;
  #placed = 0;
  #position = 0;

  constructor({ files, frames }: SerialJob, task: SerialTask, output: OutputFile) {
    this.#files = files;
    this.#hand = new SerialHand(task);
    this.#signals = new Signals(task.memory.signals);
    this.#output = output;
    this.#trailer = framesOf(frames).trailer;
    this.#queue = [{ first: 0, end: files.length }];
  }

  /** Bytes hashed. */
  get position(): number {
    return this.#position;
  }

  /** Goes on for some `bytes`, or until there is nothing to do for a while; false when the image is written. */
  work(bytes: number): boolean {
    const end = this.#position + bytes;
    while (this.#position < end) {
      const mark = this.#signals.doneMark();
      this.#settle();
      if (this.#release() || this.#plan() || this.#place() || this.#hashNext()) continue;
      if (this.#hand.write() || this.#hand.fill()) continue;
      if (this.#queue.length === 0) {
        if (!this.#end()) return false;
      } else if (!this.#signals.waitForDone(mark, PATIENCE)) break;
    }
    return true;
  }

  digest(): string {
    return this.#hash.digest("hex");
  }

  [Symbol.dispose](): void {
    this.#hand[Symbol.dispose]();
  }

  /** Puts what did not fit into a slot in line behind it. */
  #settle(): void {
    for (let i = 0; i < this.#queue.length; i++) {
      const run = this.#queue[i] as Run | Rest;
      if (!isRun(run) || run.settled || !run.slot.isFilled) continue;
      run.settled = true;
      const { length, done } = run.slot;
      if (run.files && done > 0) this.#usualSize += WEIGHT * (length / done - this.#usualSize);
      if (run.files) this.#queue.splice(i + 1, 0, ...restOf(run.slot, run.files));
    }
  }

  /** Frees the first slot once it is hashed and written. */
  #release(): boolean {
    const run = this.#queue[0];
    if (!run || !isRun(run) || !run.hashed) return false;
    if (!run.slot.isWritten) return this.#look(run.slot);
    for (let i = 0; i < run.slot.done; i++) {
      const { size, id } = run.slot.result(i);
      this.index.push({ path: (this.#files[this.index.length] as NamedFile).path, size, id });
    }
    run.slot.release();
    this.#queue.shift();
    return true;
  }

  /** Plans what comes first in the image of all that is not planned: so the first of all is never without a slot for long. */
  #plan(): boolean {
    const at = this.#queue.findIndex((item) => !isRun(item));
    const slot = at < 0 ? undefined : this.#hand.slots.find(({ isFree }) => isFree);
    if (!slot) return false;
    const rest = this.#queue[at] as Rest;
    const [files, left] = "owner" in rest ? this.#planPart(slot, rest) : this.#planFiles(slot, rest);
    const run: Run = { slot, files, settled: false, placed: false, hashed: false };
    this.#queue.splice(at, 1, run, ...(left ? [left] : []));
    this.#signals.tellWorkers();
    return true;
  }

  #planPart(slot: SerialSlot, part: Part): [undefined, Rest | undefined] {
    slot.planPart(part);
    const from = part.from + slot.capacity;
    return [undefined, from < part.size ? { ...part, from } : undefined];
  }

  #planFiles(slot: SerialSlot, { first, end }: FileRange): [FileRange, Rest | undefined] {
    let names = "";
    const most = Math.min(slot.mostFiles, Math.ceil((slot.capacity * USUAL_FILL) / this.#usualSize));
    let next = first;
    for (; next < end && next - first < most; next++) {
      const file = this.#files[next] as NamedFile;
      const more = `${file.path}${SEPARATOR}${file.isInPlace ? "" : file.source}${SEPARATOR}`;
      if (next > first && !slot.takesNames(names.length + more.length)) break;
      names += more;
    }
    slot.planFiles(first, next - first, names);
    return [{ first, end: next }, next < end ? { first: next, end } : undefined];
  }

  /** Gives the next run its place, so that it can be written; that is known when all before it are filled. */
  #place(): boolean {
    const run = this.#queue.find((item) => !isRun(item) || !item.placed);
    if (!run || !isRun(run)) return false;
    if (!run.settled) return this.#look(run.slot);
    run.slot.place(this.#placed);
    run.placed = true;
    this.#placed += run.slot.length;
    this.#signals.tellWorkers();
    return true;
  }

  #hashNext(): boolean {
    const run = this.#queue.find((item) => !isRun(item) || !item.hashed);
    if (!run || !isRun(run) || !run.placed) return false;
    this.#hash.update(run.slot.bytes());
    this.#position += run.slot.length;
    run.hashed = true;
    return true;
  }

  /** Has the zeros at the end written, once; false when that was done before. */
  #end(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    let left = this.#trailer(this.#placed);
    for (const slot of this.#hand.slots) {
      const length = Math.min(left, slot.capacity);
      if (length === 0) break;
      slot.planZeros(length);
      left -= length;
      this.#queue.push({ slot, files: undefined, settled: true, placed: false, hashed: false });
    }
    if (left > 0) throw new Error(`${left} bytes at the end of the image are too many for the slots`);
    return true;
  }

  /** Throws what became of a slot that has failed. */
  #look({ failure }: SerialSlot): false {
    if (failure === undefined) return false;
    throw decodeFailure(failure, (error) => this.#output.failure(error));
  }
}

const isRun = (item: Run | Rest): item is Run => "slot" in item;

function restOf(slot: SerialSlot, { first, end }: FileRange): Rest[] {
  const part = slot.part;
  const next = first + (part ? 1 : slot.done);
  const rest = next < end ? [{ first: next, end }] : [];
  return part ? [part, ...rest] : rest;
}
