/** Git blob ids of bytes that lie in a larger buffer. */
import crypto, { type Hash } from "node:crypto";

/** Hashes in one call; Node has it since 20.12. */
const hashOnce: ((algorithm: string, data: Uint8Array, encoding: "hex") => string) | undefined = crypto.hash;

/** Bytes in front of the content that `blobIdInPlace` needs for what git hashes there: "blob", a size, NUL. */
export const BLOB_MARGIN = 32;

/** A hash that becomes the id of a blob of `size` bytes once it was given all of them. */
export function blobHash(size: number): Hash {
  return crypto.createHash("sha1").update(`blob ${size}\0`);
}

/**
 * The git blob id of `data[at, at + size)`, `at` being at least BLOB_MARGIN. What git hashes in front of the content is put
 * there for the moment: one call on one piece of memory is twice as fast as three, which counts where files are small.
 */
export function blobIdInPlace(data: Buffer, at: number, size: number): string {
  const start = Math.max(0, at - BLOB_MARGIN);
  const before = data.toString("latin1", start, at);
  const id = blobIdOver(data, at, size);
  data.write(before, start, "latin1");
  return id;
}

/** The same where nobody needs the bytes in front of `at` any more. */
export function blobIdOver(data: Buffer, at: number, size: number): string {
  if (!hashOnce) {
    return blobHash(size)
      .update(data.subarray(at, at + size))
      .digest("hex");
  }
  const prefix = `blob ${size}\0`;
  const start = at - prefix.length;
  data.write(prefix, start, "latin1");
  return hashOnce("sha1", data.subarray(start, at + size), "hex");
}
