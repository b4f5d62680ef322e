/** Ranges of a file out of one buffer: where they are asked for in ascending order, each byte is read once, in large pieces. */
import { readFully } from "../util/files.ts";
import { BLOB_MARGIN, blobHash, blobIdInPlace } from "./blob-id.ts";

/** The longest range that can be asked for at once (bytes). */
export const LONGEST = 1024 * 1024;

export class ForwardReader {
  /** What was read, behind a margin that `blobIdInPlace` may need. */
  readonly data = Buffer.allocUnsafeSlow(BLOB_MARGIN + LONGEST);
  readonly #fd: number;
  /** What of the file is in the buffer. */
  #start = 0;
  #end = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Where in `data` the bytes from `offset` on are until the next call; undefined where the file has not so many. */
  find(offset: number, length: number): number | undefined {
    if (offset < this.#start || offset + length > this.#end) this.#fill(offset);
    return offset + length > this.#end ? undefined : BLOB_MARGIN + offset - this.#start;
  }

  /** Git blob id of a range of any length; undefined where the file has not so many bytes. */
  blobId(offset: number, size: number): string | undefined {
    if (size <= LONGEST) {
      const at = this.find(offset, size);
      return at === undefined ? undefined : blobIdInPlace(this.data, at, size);
    }
    const hash = blobHash(size);
    for (let done = 0; done < size; ) {
      const length = Math.min(LONGEST, size - done);
      const at = this.find(offset + done, length);
      if (at === undefined) return undefined;
      hash.update(this.data.subarray(at, at + length));
      done += length;
    }
    return hash.digest("hex");
  }

  /** Fills the buffer from `offset` on; keeps what is there already. */
  #fill(offset: number): void {
    const kept = offset < this.#start ? 0 : Math.max(0, this.#end - offset);
    if (kept > 0)
      this.data.copyWithin(BLOB_MARGIN, BLOB_MARGIN + offset - this.#start, BLOB_MARGIN + this.#end - this.#start);
    this.#start = offset;
    const room = this.data.subarray(BLOB_MARGIN + kept);
    this.#end = offset + kept + readFully(this.#fd, room, room.length, offset + kept);
  }
}
