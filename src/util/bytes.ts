/** Bounded reads over bytes that nobody vouches for. Pure. */

/**
 * Random access to bytes of known size: a file, a buffer, a git blob. `read` returns exactly the bytes asked for, or
 * fewer where the source ends; it never throws for a range beyond the end. The result is valid until the next call.
 */
export interface ByteSource {
  readonly size: number;
  read(offset: number, length: number): Uint8Array;
}

/** A buffer as a `ByteSource`. */
export function bytesSource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    read: (offset, length) => bytes.subarray(Math.min(offset, bytes.length), Math.min(offset + length, bytes.length)),
  };
}

const HEX = /^[0-9a-f]+$/;

/** Whether `text` is lower-case hex of one of the given lengths. */
export function isHex(text: string, ...lengths: readonly number[]): boolean {
  return lengths.includes(text.length) && HEX.test(text);
}

/** `n` rounded up to a multiple of `unit`; exact up to 2^53. */
export function roundUp(n: number, unit: number): number {
  return Math.ceil(n / unit) * unit;
}

const SURROGATE = /[\ud800-\udfff]/;

/**
 * Sorts in place by UTF-8 bytes. The engine's own order, which takes a fraction of the time, differs by surrogates only. `all`
 * is the texts joined, where somebody has that already.
 */
export function sortBytewise(texts: string[], all = texts.join("")): void {
  if (SURROGATE.test(all)) texts.sort(compareBytewise);
  else texts.sort();
}

/** -1, 0 or 1 as the UTF-8 bytes of `a` sort before, equal to or after those of `b`, in any locale. */
export function compareBytewise(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    // UTF-16 sorts surrogates (code points from U+10000) below U+E000..U+FFFF; UTF-8 sorts them above.
    const xHigh = x >= 0xd800 && x <= 0xdfff;
    const yHigh = y >= 0xd800 && y <= 0xdfff;
    if (xHigh !== yHigh) return xHigh ? 1 : -1;
    return x < y ? -1 : 1;
  }
  return a.length < b.length ? -1 : 1;
}
