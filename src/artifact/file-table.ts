/**
 * What the threads of an image find out of each file: how large it is, and its git blob id. Files go by their number, and all
 * threads write to the same memory: of a large site that is a third of what the lines of its index take.
 */
import { indexLine } from "../image/index-file.ts";
import { pathsOn } from "./site-names.ts";

export interface FileTableMemory {
  readonly sizes: SharedArrayBuffer;
  readonly ids: SharedArrayBuffer;
}

/** Bytes of an id, and its hex digits. */
const ID_BYTES = 20;
const ID_DIGITS = 2 * ID_BYTES;

export const newFileTableMemory = (files: number): FileTableMemory => ({
  sizes: new SharedArrayBuffer(files * Float64Array.BYTES_PER_ELEMENT),
  ids: new SharedArrayBuffer(files * ID_BYTES),
});

/** One thread's view of the table. */
export class FileTable {
  readonly #sizes: Float64Array;
  readonly #ids: Buffer;

  constructor({ sizes, ids }: FileTableMemory) {
    this.#sizes = new Float64Array(sizes);
    this.#ids = Buffer.from(ids);
  }

  /** Keeps the size and the id, in hex, of a file that was read to its end. */
  set(file: number, size: number, id: string): void {
    this.#sizes[file] = size;
    this.#ids.write(id, file * ID_BYTES, "hex");
  }

  /** Bytes of all files. */
  get bytes(): number {
    return this.#sizes.reduce((sum, size) => sum + size, 0);
  }

  /** The index of all files, as it is written; their paths are on these pages (site-names.ts). */
  index(pages: readonly string[]): Buffer {
    let first = 0;
    const lines = pages.map((page) => {
      const paths = pathsOn(page);
      const ids = this.#ids.toString("hex", first * ID_BYTES, (first + paths.length) * ID_BYTES);
      let text = "";
      for (const [i, path] of paths.entries()) {
        const id = ids.slice(i * ID_DIGITS, (i + 1) * ID_DIGITS);
        text += indexLine({ id, size: this.#sizes[first + i] as number, path });
      }
      first += paths.length;
      return Buffer.from(text);
    });
    return Buffer.concat(lines);
  }
}
