/**
 * Writes an image in order through one buffer, and hashes what it writes: the bytes are looked at once, whatever they
 * come from. The file appears under its name only when it is whole.
 */
import { createHash, type Hash } from "node:crypto";
import { OutputFile } from "./output-file.ts";

const BUFFER = 1024 * 1024;

export interface WrittenImage {
  readonly size: number;
  /** Hex sha256 of the whole image. */
  readonly sha256: string;
}

export class ImageWriter implements Disposable {
  readonly #output: OutputFile;
  readonly #hash: Hash = createHash("sha256");
  readonly #buffer = Buffer.allocUnsafe(BUFFER);
  #used = 0;
  #written = 0;

  /** Throws IO_FAILED where `file` cannot be written. */
  constructor(file: string, mode?: number) {
    this.#output = new OutputFile(file, mode);
  }

  bytes(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const room = this.#room();
      const length = Math.min(room.length, bytes.length - done);
      room.set(bytes.subarray(done, done + length));
      this.#used += length;
      done += length;
    }
  }

  zeros(length: number): void {
    for (let left = length; left > 0; ) {
      const room = this.#room();
      const take = Math.min(room.length, left);
      room.fill(0, 0, take);
      this.#used += take;
      left -= take;
    }
  }

  /** Flushes to the disk and gives the file its name. */
  finish(): WrittenImage {
    this.#flush();
    this.#output.commit();
    return { size: this.#written, sha256: this.#hash.digest("hex") };
  }

  /** Removes what was written unless `finish` was reached. */
  [Symbol.dispose](): void {
    this.#output[Symbol.dispose]();
  }

  /** Free space in the buffer, never empty. */
  #room(): Buffer {
    if (this.#used === BUFFER) this.#flush();
    return this.#buffer.subarray(this.#used);
  }

  #flush(): void {
    const chunk = this.#buffer.subarray(0, this.#used);
    this.#hash.update(chunk);
    this.#output.append(chunk);
    this.#written += chunk.length;
    this.#used = 0;
  }
}
