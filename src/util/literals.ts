/**
 * Finds any of many short literals in bytes, at about a gigabyte a second: it looks at pairs of bytes and skips as far
 * as no literal can begin (S. Wu and U. Manber, "A fast algorithm for multi-pattern searching", 1994). Pure.
 */

/** Calls back for every occurrence, in order of where it ends, with the literal's number and its offset. */
export type LiteralSearch = (bytes: Uint8Array, found: (literal: number, at: number) => void) => void;

/** Literals are ASCII and of at least three characters. */
export function literalSearch(literals: readonly string[]): LiteralSearch {
  const window = Math.min(...literals.map(({ length }) => length));
  const skips = new Uint8Array(65_536).fill(window - 1);
  /** By the pair that ends the window. */
  const candidates = new Map<number, number[]>();
  const codes = literals.map((literal) => Uint8Array.from(literal, (char) => char.charCodeAt(0)));
  for (const [number, code] of codes.entries()) {
    for (let end = 1; end < window; end++) {
      const pair = ((code[end - 1] as number) << 8) | (code[end] as number);
      skips[pair] = Math.min(skips[pair] as number, window - 1 - end);
      if (end < window - 1) continue;
      const others = candidates.get(pair);
      if (others) others.push(number);
      else candidates.set(pair, [number]);
    }
  }
  return (bytes, found) => {
    const { length } = bytes;
    for (let end = window - 1; end < length; ) {
      const pair = ((bytes[end - 1] as number) << 8) | (bytes[end] as number);
      const skip = skips[pair] as number;
      if (skip > 0) {
        end += skip;
        continue;
      }
      const at = end - window + 1;
      for (const number of candidates.get(pair) as number[]) {
        if (matches(bytes, at, codes[number] as Uint8Array)) found(number, at);
      }
      end++;
    }
  };
}

/** As `literalSearch` for a single literal, which is several times faster. */
export function searchOne(literal: string): LiteralSearch {
  const code = Buffer.from(literal, "latin1");
  return (bytes, found) => {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = buffer.indexOf(code); at >= 0; at = buffer.indexOf(code, at + 1)) found(0, at);
  };
}

function matches(bytes: Uint8Array, at: number, code: Uint8Array): boolean {
  for (let i = 0; i < code.length; i++) if (bytes[at + i] !== code[i]) return false;
  return true;
}
