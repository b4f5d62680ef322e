/**
 * Writes a volume's image from files on disk. Each file is opened and read once; from that one read come the image's
 * bytes, the image's sha256 and the file's git blob id. Memory does not grow with the site or with a file, and the
 * bytes do not depend on the number of threads.
 */
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import type { ImageLayout } from "../image/format.ts";
import { type IndexEntry, type IndexFile, indexOf } from "../image/index-file.ts";
import type { FileTree } from "../image/tree.ts";
import type { WrittenImage } from "../util/image-writer.ts";
import { ioError } from "../util/files.ts";
import { OutputFile } from "../util/output-file.ts";
import { Crew, CrewLost, type StandBy, USUAL_THREADS } from "./crew.ts";
import { decodeFailure } from "./failure.ts";
import { changed, Hand } from "./hand.ts";
import { Planner } from "./planner.ts";
import type { SiteFile } from "./read-tree.ts";
import { newRingMemory, Ring, RING_SHAPE, type RingShape } from "./ring.ts";
import { Signals } from "./signals.ts";

export interface BuiltImage extends WrittenImage {
  /** How many files are in it, and how many bytes in those. */
  readonly files: number;
  readonly bytes: number;
  /** The files in image order with their git blob ids. */
  readonly index: IndexFile;
}

export interface WriteImageOptions {
  readonly mode?: number;
  readonly onProgress?: (written: number) => void;
  /** Threads that work on the image, this one included; as many as pay if absent. */
  readonly threads?: number;
  /** Where a worker may be waiting already. */
  readonly standBy?: StandBy;
  readonly shape?: RingShape;
}

/**
 * Writes `layout` to `out` (created with `mode`, whole or not at all). Throws FILE_CHANGED when a file is not as long as
 * it was when the layout was made, and of several failures the one that comes first in the image.
 */
export async function writeImage(
  layout: ImageLayout,
  files: FileTree<SiteFile>,
  out: string,
  options: WriteImageOptions = {},
): Promise<BuiltImage> {
  const threads = options.threads ?? threadsFor(layout, files);
  try {
    return await writeWith(threads, { layout, files, out, ...options });
  } catch (error) {
    // Where no thread can be had (a limit on processes, too little memory), one is enough.
    if (error instanceof CrewLost && threads > 1) return writeWith(1, { layout, files, out, ...options });
    throw error;
  }
}

interface Job extends WriteImageOptions {
  readonly layout: ImageLayout;
  readonly files: FileTree<SiteFile>;
  readonly out: string;
}

async function writeWith(threads: number, { layout, files, out, ...options }: Job): Promise<BuiltImage> {
  const memory = newRingMemory(options.shape ?? (threads > 1 ? RING_SHAPE : { ...RING_SHAPE, slots: 1 }));
  using output = new OutputFile(out, options.mode);
  await using crew = new Crew(memory.signals, options.standBy);
  for (let i = 1; i < threads; i++) crew.hire({ kind: "planned", memory, readsLarge: i === 1, output: output.fd });
  using sequencer = new Sequencer(layout, files, { memory, output, crew });
  let told = 0;
  while (sequencer.work(TURN)) {
    if (sequencer.position >= told + TELL) options.onProgress?.((told = sequencer.position));
    // Signals, and whatever else the process does, get their turn.
    await new Promise(setImmediate);
  }
  // Empty files have no piece; whether they still are empty shows when they are read.
  const index = files.map((file, i) => ({ path: file.path, size: file.size, id: sequencer.ids[i] ?? emptyId(file) }));
  output.commit();
  return { size: layout.size, sha256: sequencer.digest(), ...contentOf(index) };
}

/** What is in an image, from all that is known of its files. */
export const contentOf = (entries: readonly IndexEntry[]) => ({
  files: entries.length,
  bytes: entries.reduce((sum, { size }) => sum + size, 0),
  index: indexOf(entries),
});

/** Bytes between two turns of the rest of the process, and between two words of progress. */
const TURN = 16 * 1024 * 1024;
const TELL = 64 * 1024 * 1024;
/** The git id of the empty blob. */
const EMPTY_BLOB = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";

/** Throws FILE_CHANGED where there is something in the file by now. */
function emptyId({ source }: SiteFile): string {
  try {
    const fd = openSync(source, "r");
    try {
      if (readSync(fd, Buffer.alloc(1)) === 0) return EMPTY_BLOB;
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw ioError(`cannot read ${source}`, error);
  }
  throw changed(source, "is longer than 0 bytes");
}

/** Opening, reading and closing a small file takes as long as so many bytes of a large one. */
const FILE_COST = 8 * 1024;
/** A worker costs some 40 ms to start: less work than this is done sooner without. */
const WORKER_PAYS = 64 * 1024 * 1024;

function threadsFor(layout: ImageLayout, files: FileTree): number {
  return layout.size + files.length * FILE_COST > WORKER_PAYS ? USUAL_THREADS : 1;
}

interface Parts {
  readonly memory: ReturnType<typeof newRingMemory>;
  readonly output: OutputFile;
  readonly crew: Crew;
}

/** Sees the image through in order, and lends a hand where a stage would have it wait. */
class Sequencer implements Disposable {
  readonly ids: string[] = [];
  readonly #ring: Ring;
  readonly #signals: Signals;
  readonly #hand: Hand;
  readonly #planner: Planner;
  readonly #output: OutputFile;
  readonly #crew: Crew;
  readonly #hash = createHash("sha256");
  /** Runs of the image that are planned, hashed, and done with. */
  #planned = 0;
  #hashed = 0;
  #done = 0;
  #position = 0;

  constructor(layout: ImageLayout, files: FileTree<SiteFile>, { memory, output, crew }: Parts) {
    this.#ring = new Ring(memory);
    this.#signals = new Signals(memory.signals);
    this.#hand = new Hand(this.#ring, output.fd, { readsLarge: crew.size === 0 });
    this.#planner = new Planner(layout, files);
    this.#output = output;
    this.#crew = crew;
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
      if (this.#release() || this.#plan() || this.#hashNext() || this.#hand.write() || this.#hand.fill()) continue;
      if (this.#planner.finished && this.#done === this.#planned) return false;
      if (!this.#signals.waitForDone(mark, PATIENCE)) break;
    }
    this.#crew.check();
    return true;
  }

  digest(): string {
    return this.#hash.digest("hex");
  }

  [Symbol.dispose](): void {
    this.#hand[Symbol.dispose]();
  }

  #plan(): boolean {
    const slot = this.#ring.at(this.#planned);
    if (this.#planner.finished || this.#planned - this.#done === this.#ring.slots.length) return false;
    this.#planner.plan(slot);
    this.#planned++;
    this.#signals.tellWorkers();
    return true;
  }

  #hashNext(): boolean {
    if (this.#hashed === this.#planned) return false;
    const slot = this.#ring.at(this.#hashed);
    if (!slot.isFilled) return this.#look(slot);
    const bytes = slot.bytes();
    this.#hash.update(bytes);
    this.#position += bytes.length;
    this.#hashed++;
    return true;
  }

  /** Frees the oldest slot once it is hashed and written. */
  #release(): boolean {
    if (this.#done === this.#hashed) return false;
    const slot = this.#ring.at(this.#done);
    if (!slot.isWritten) return this.#look(slot);
    for (let i = 0; i < slot.tasks; i++) {
      const result = slot.result(i);
      if (result) this.ids[result.file] = result.id;
    }
    slot.release();
    this.#ring.advanceTo(++this.#done);
    return true;
  }

  /** Throws what became of a slot that has failed. */
  #look(slot: { readonly failure: string | undefined }): false {
    const { failure } = slot;
    if (failure === undefined) return false;
    throw decodeFailure(failure, (error) => this.#output.failure(error));
  }
}

/** Milliseconds to wait for a worker before the rest of the process gets its turn. */
const PATIENCE = 20;
