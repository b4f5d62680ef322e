/** The sha256 of ranges of an open file. */
import { createHash } from "node:crypto";
import type { Extent } from "../image/format.ts";
import { ioError, readFully } from "../util/files.ts";

const CHUNK = 1024 * 1024;
/** Bytes between two turns of the rest of the process. */
const TURN = 64 * CHUNK;

/**
 * Hex sha256 of each range; stops for a moment now and then. Throws IO_FAILED where the file ends within one. `take` is
 * shown all bytes in order.
 */
export function* rangeSha256(
  fd: number,
  ranges: readonly Extent[],
  take?: (bytes: Buffer) => void,
): Generator<void, string[]> {
  const buffer = Buffer.allocUnsafeSlow(CHUNK);
  const digests: string[] = [];
  for (const { offset, size } of ranges) {
    const hash = createHash("sha256");
    for (let done = 0; done < size; ) {
      const length = readFully(fd, buffer, Math.min(CHUNK, size - done), offset + done);
      if (length === 0) throw ioError("cannot read the file", new Error(`it ends at byte ${offset + done}`));
      const bytes = buffer.subarray(0, length);
      hash.update(bytes);
      take?.(bytes);
      done += length;
      if (done % TURN === 0) yield;
    }
    digests.push(hash.digest("hex"));
  }
  return digests;
}
