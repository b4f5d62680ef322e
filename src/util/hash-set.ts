/** A set of 64-bit hashes in two flat arrays: 16 bytes a member where a Set of strings takes a hundred. Pure. */

const MIN_CAPACITY = 1024;

export class HashSet {
  #low = new Uint32Array(MIN_CAPACITY);
  #high = new Uint32Array(MIN_CAPACITY);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Whether the hash was not in the set before. */
  add({ low, high }: Hash64): boolean {
    if (this.#size * 2 >= this.#low.length) this.#grow();
    const slot = this.#find(low, high);
    if (this.#low[slot] !== 0) return false;
    this.#low[slot] = low;
    this.#high[slot] = high;
    this.#size++;
    return true;
  }

  has({ low, high }: Hash64): boolean {
    return this.#low[this.#find(low, high)] !== 0;
  }

  /** The slot that the hash is in or would be put in; an empty slot has 0 for the low half, which no hash has. */
  #find(low: number, high: number): number {
    const mask = this.#low.length - 1;
    let slot = low & mask;
    while (this.#low[slot] !== 0 && (this.#low[slot] !== low || this.#high[slot] !== high)) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const [low, high] = [this.#low, this.#high];
    this.#low = new Uint32Array(low.length * 2);
    this.#high = new Uint32Array(low.length * 2);
    for (let i = 0; i < low.length; i++) {
      const value = low[i] as number;
      if (value === 0) continue;
      const slot = this.#find(value, high[i] as number);
      this.#low[slot] = value;
      this.#high[slot] = high[i] as number;
    }
  }
}

/** Two halves of 32 bits; the low one is never 0. */
export interface Hash64 {
  readonly low: number;
  readonly high: number;
}

/** The hash of a number and a text (FNV-1a with two bases, mixed at the end). Not for texts an enemy chooses. */
export function hash64(number: number, text: string): Hash64 {
  let low = 0x811c9dc5 ^ number;
  let high = 0x01000193 ^ Math.imul(number, 0x9e3779b1);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ code, 0x85ebca6b);
  }
  return { low: mix(low) || 1, high: mix(high) };
}

function mix(hash: number): number {
  let h = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}
