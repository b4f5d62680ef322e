/** Where a short text stands in bytes that come in pieces, also across the seam of two. Pure. */

export interface MarkFinder {
  /** The next bytes. */
  take(bytes: Buffer): void;
  /** Where the text begins, in order (bytes from the first that was taken); undefined where there are more than `most`. */
  readonly offsets: readonly number[] | undefined;
}

/** `mark` is ASCII. Memory is that of `most` offsets, whatever the bytes. */
export function markFinder(mark: string, most: number): MarkFinder {
  const code = Buffer.from(mark, "latin1");
  const overlap = code.length - 1;
  const offsets: number[] = [];
  let taken = 0;
  let tail: Buffer = Buffer.alloc(0);
  const search = (bytes: Buffer, start: number) => {
    for (let at = bytes.indexOf(code); at >= 0 && offsets.length <= most; at = bytes.indexOf(code, at + 1)) {
      offsets.push(start + at);
    }
  };
  return {
    take(bytes) {
      // Neither the tail nor this much of the beginning holds a whole mark.
      search(Buffer.concat([tail, bytes.subarray(0, overlap)]), taken - tail.length);
      search(bytes, taken);
      taken += bytes.length;
      tail = Buffer.concat([tail, bytes.subarray(-overlap)]).subarray(-overlap);
    },
    get offsets() {
      return offsets.length > most ? undefined : offsets;
    },
  };
}
