/**
 * What every thread does for an image: fill slots with the content of files, and write filled slots. Content is read
 * with synchronous calls straight to where it belongs, and hashed while it is in the processor's cache.
 */
import type { Hash } from "node:crypto";
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { DeployError } from "../errors.ts";
import { ioError } from "../util/files.ts";
import { blobHash, blobIdInPlace } from "./blob-id.ts";
import { encodeFailure } from "./failure.ts";
import type { Ring } from "./ring.ts";
import type { Slot, Task } from "./slot.ts";

/** A file of which a part was read; the rest belongs into slots to come. */
interface Unfinished {
  readonly fd: number;
  readonly hash: Hash;
}

export class Hand implements Disposable {
  readonly #ring: Ring;
  readonly #output: number;
  /** The next of the slots with a part of a large file; undefined where another thread reads those. */
  #turn: number | undefined;
  #unfinished: Unfinished | undefined;

  /** `output` is the descriptor of the image; one hand of all reads the files that are larger than a slot. */
  constructor(ring: Ring, output: number, { readsLarge }: { readonly readsLarge: boolean }) {
    this.#ring = ring;
    this.#output = output;
    this.#turn = readsLarge ? 0 : undefined;
  }

  /** Fills one slot; false where there is none to fill. A failure is left in the slot. */
  fill(): boolean {
    const slot = this.#ring.find((candidate) => candidate.claimToFill(this.#turn));
    if (!slot) return false;
    if (slot.inTurn && this.#turn !== undefined) this.#turn++;
    try {
      for (let i = 0; i < slot.tasks; i++) this.#content(slot, i);
      slot.filled();
    } catch (error) {
      slot.failed(encodeFailure(error, "fill"));
    }
    return true;
  }

  /** Writes one slot; false where there is none to write. A failure is left in the slot. */
  write(): boolean {
    const slot = this.#ring.find((candidate) => candidate.claimToWrite());
    if (!slot) return false;
    try {
      writeRun(this.#output, slot.bytes(), slot.offset);
      slot.written();
    } catch (error) {
      slot.failed(encodeFailure(error, "write"));
    }
    return true;
  }

  [Symbol.dispose](): void {
    if (this.#unfinished) closeSync(this.#unfinished.fd);
    this.#unfinished = undefined;
  }

  #content(slot: Slot, i: number): void {
    const task = slot.task(i);
    if (task.length === task.size) readWhole(slot, i, task);
    else this.#part(slot, i, task);
  }

  #part(slot: Slot, i: number, task: Task): void {
    const { source, at, length, size, left } = task;
    this.#unfinished ??= { fd: open(source), hash: blobHash(size) };
    const { fd, hash } = this.#unfinished;
    read(fd, slot.data, task);
    hash.update(slot.data.subarray(at, at + length));
    if (left > 0) return;
    slot.setId(i, hash.digest("hex"));
    this[Symbol.dispose]();
  }
}

function readWhole(slot: Slot, i: number, task: Task): void {
  const fd = open(task.source);
  try {
    read(fd, slot.data, task);
  } finally {
    closeSync(fd);
  }
  slot.setId(i, blobIdInPlace(slot.data, task.at, task.size));
}

function open(source: string): number {
  try {
    return openSync(source, "r");
  } catch (error) {
    throw ioError(`cannot read ${source}`, error);
  }
}

/**
 * Reads what the task wants, to where it wants it; throws FILE_CHANGED where the file is not as long as it was. At the
 * end of a file one byte more is asked for than there should be, so that seeing whether it has grown costs no call of
 * its own; nothing is put there while it has not.
 */
function read(fd: number, data: Buffer, { source, at, length, size, left }: Task): void {
  const probe = left === 0 ? 1 : 0;
  let done = 0;
  try {
    while (done < length) {
      const n = readSync(fd, data, at + done, length - done + probe, null);
      if (n === 0) break;
      done += n;
    }
  } catch (error) {
    throw ioError(`cannot read ${source}`, error);
  }
  if (done > length) throw changed(source, `is longer than ${size} bytes`);
  if (done < length) throw changed(source, `ends after ${size - left - length + done} of ${size} bytes`);
}

/** Writes bytes to their place in an image; throws what the system throws. */
export function writeRun(output: number, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(output, bytes, done, bytes.length - done, offset + done);
  }
}

/** FILE_CHANGED, the same for whoever reads. */
export function changed(source: string, what: string): DeployError {
  return new DeployError("FILE_CHANGED", `${source} changed while it was read: it ${what}`, {
    hint: "let the build finish before the volume is made",
  });
}
