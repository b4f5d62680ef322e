/**
 * A polynomial hash modulo 2^32, whose value for any part of a text follows from the values for the text's beginnings.
 * It only proposes places; bytes are compared before anything is believed. Pure.
 */

/** As crunch cuts files; the whole-file embedders keep these chunks too, one after the other. */
export const CHUNK = 4096;
/** What of a chunk is looked for first; also the shortest chunk that is looked for. */
export const ANCHOR = 64;

/** Odd, so that no byte is ever lost from the product, and with bits everywhere, so that the top bits mix. */
const BASE = 0x9e3779b1;

const POWERS = powers();

function powers(): Int32Array {
  const table = new Int32Array(CHUNK + 1);
  table[0] = 1;
  for (let i = 1; i <= CHUNK; i++) table[i] = Math.imul(table[i - 1] as number, BASE);
  return table;
}

/** Writes the hash of the first `i` bytes to `prefixes[i]`, for `i` from 0 to `bytes.length`. */
export function hashPrefixes(bytes: Uint8Array, prefixes: Int32Array): void {
  let hash = 0;
  prefixes[0] = 0;
  for (let i = 0; i < bytes.length; i++) {
    hash = (Math.imul(hash, BASE) + (bytes[i] as number)) | 0;
    prefixes[i + 1] = hash;
  }
}

/** The hash, as an unsigned integer, of the `length` bytes from `start`; `length` is at most 4096. */
export function hashOf(prefixes: Int32Array, start: number, length: number): number {
  const before = Math.imul(prefixes[start] as number, POWERS[length] as number);
  return ((prefixes[start + length] as number) - before) >>> 0;
}

/** `hashOf` of all these bytes, where nothing is to be known of their parts. */
export function hashOfBytes(bytes: Uint8Array): number {
  let hash = 0;
  for (let i = 0; i < bytes.length; i++) hash = (Math.imul(hash, BASE) + (bytes[i] as number)) | 0;
  return hash >>> 0;
}
