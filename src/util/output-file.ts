/** A file that appears under its name only when it is whole. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { ioError, keepTrack, loseTrack } from "./files.ts";

export class OutputFile implements Disposable {
  /** Open for writing; closed by `commit` and by disposal. */
  readonly fd: number;
  readonly #file: string;
  readonly #temporary: string;
  #open = true;

  /** Opens `file.<pid>.tmp` with `mode`; throws IO_FAILED. */
  constructor(file: string, mode = 0o644) {
    this.#file = file;
    this.#temporary = `${file}.${process.pid}.tmp`;
    try {
      this.fd = openSync(this.#temporary, "w", mode);
    } catch (error) {
      throw this.failure(error);
    }
    keepTrack(this.#temporary);
  }

  /** Appends `bytes`; throws IO_FAILED. */
  append(bytes: Uint8Array): void {
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.fd, bytes, done);
    } catch (error) {
      throw this.failure(error);
    }
  }

  /** Flushes to the disk and gives the file its name. */
  commit(): void {
    try {
      fsyncSync(this.fd);
      this.#close();
      renameSync(this.#temporary, this.#file);
    } catch (error) {
      rmSync(this.#temporary, { force: true });
      throw this.failure(error);
    } finally {
      loseTrack(this.#temporary);
    }
  }

  /** What a failed write is called. */
  failure(error: unknown): Error {
    return ioError(`cannot write ${this.#file}`, error);
  }

  /** Removes what was written unless `commit` was reached. */
  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#close();
    rmSync(this.#temporary, { force: true });
    loseTrack(this.#temporary);
  }

  #close(): void {
    this.#open = false;
    closeSync(this.fd);
  }
}
