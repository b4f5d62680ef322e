/**
 * Writes an image in order through one buffer, and hashes what it writes: the bytes are looked at once, whatever they
 * come from. The file appears under its name only when it is whole.
 */
import { createHash, type Hash } from "node:crypto";
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { ioError } from "./files.ts";

const BUFFER = 1024 * 1024;

export interface WrittenImage {
  readonly size: number;
  /** Hex sha256 of the whole image. */
  readonly sha256: string;
}

export class ImageWriter implements Disposable {
  readonly #file: string;
  readonly #temporary: string;
  readonly #fd: number;
  readonly #hash: Hash = createHash("sha256");
  readonly #buffer = Buffer.allocUnsafe(BUFFER);
  #used = 0;
  #written = 0;
  #open = true;

  /** Opens `file.<pid>.tmp` with `mode`; throws IO_FAILED. */
  constructor(file: string, mode = 0o644) {
    this.#file = file;
    this.#temporary = `${file}.${process.pid}.tmp`;
    try {
      this.#fd = openSync(this.#temporary, "w", mode);
    } catch (error) {
      throw ioError(`cannot write ${file}`, error);
    }
  }

  /** Bytes given so far. */
  get position(): number {
    return this.#written + this.#used;
  }

  /** Free space in the buffer, never empty; what is put there counts only after `advance`. */
  room(): Buffer {
    if (this.#used === BUFFER) this.#flush();
    return this.#buffer.subarray(this.#used);
  }

  /** Takes the first `length` bytes of the last `room()`. */
  advance(length: number): void {
    this.#used += length;
  }

  bytes(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const room = this.room();
      const length = Math.min(room.length, bytes.length - done);
      room.set(bytes.subarray(done, done + length));
      this.advance(length);
      done += length;
    }
  }

  zeros(length: number): void {
    for (let left = length; left > 0; ) {
      const room = this.room();
      const take = Math.min(room.length, left);
      room.fill(0, 0, take);
      this.advance(take);
      left -= take;
    }
  }

  /** Flushes to the disk and gives the file its name. */
  finish(): WrittenImage {
    this.#flush();
    try {
      fsyncSync(this.#fd);
      this.#close();
      renameSync(this.#temporary, this.#file);
    } catch (error) {
      throw ioError(`cannot write ${this.#file}`, error);
    }
    return { size: this.#written, sha256: this.#hash.digest("hex") };
  }

  /** Removes what was written unless `finish` was reached. */
  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#close();
    rmSync(this.#temporary, { force: true });
  }

  #close(): void {
    this.#open = false;
    closeSync(this.#fd);
  }

  #flush(): void {
    const chunk = this.#buffer.subarray(0, this.#used);
    this.#hash.update(chunk);
    try {
      for (let done = 0; done < chunk.length; ) done += writeSync(this.#fd, chunk, done);
    } catch (error) {
      throw ioError(`cannot write ${this.#file}`, error);
    }
    this.#written += chunk.length;
    this.#used = 0;
  }
}
