/** A kernel in pieces that overlap by a chunk, with the hashes of their beginnings. Pure. */
import type { ByteSource } from "../util/bytes.ts";
import { ANCHOR, CHUNK, hashPrefixes } from "./chunk-hash.ts";

/** The kernel is read so much at a time, and a chunk more, so that none is missed across the seam. */
const WINDOW = 256 * 1024;

/** Valid until the next one. */
export interface Window {
  readonly bytes: Uint8Array;
  readonly prefixes: Int32Array;
  /** Where in the kernel it begins. */
  readonly base: number;
  /** Anchors are to be looked for at the places before this one; the next window has those from it on. */
  readonly end: number;
}

export function* windowsOf(kernel: ByteSource): Iterable<Window> {
  const buffer = new Uint8Array(WINDOW + CHUNK);
  const prefixes = new Int32Array(WINDOW + CHUNK + 1);
  for (let base = 0; base < kernel.size; base += WINDOW) {
    const length = Math.min(buffer.length, kernel.size - base);
    // Copied: the site's files may be read through the same buffer of the caller.
    buffer.set(kernel.read(base, length).subarray(0, length));
    const bytes = buffer.subarray(0, length);
    hashPrefixes(bytes, prefixes);
    yield { bytes, prefixes, base, end: Math.min(WINDOW, length - ANCHOR + 1) };
  }
}
