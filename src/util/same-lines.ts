/** What two texts have in common at their ends, in whole lines: of thousands of lines few change. Pure. */

const NEWLINE = 0x0a;

/** Bytes of the whole lines with which two texts begin alike, and end alike behind those. */
export function sameLines(a: Buffer, b: Buffer): { readonly front: number; readonly back: number } {
  const front = lineEndBefore(b, sameFront(a, b));
  const rest = b.subarray(front);
  return { front, back: lineStartAfter(rest, sameBack(a.subarray(front), rest)) };
}

/** Lines in a text whose last line ends. */
export function countLines(text: Buffer): number {
  let lines = 0;
  for (let at = text.indexOf(NEWLINE); at >= 0; at = text.indexOf(NEWLINE, at + 1)) lines++;
  return lines;
}

const lineEndBefore = (text: Buffer, at: number) => (at === 0 ? 0 : text.lastIndexOf(NEWLINE, at - 1) + 1);

/** How many of the last bytes are whole lines. */
function lineStartAfter(text: Buffer, back: number): number {
  if (back === 0) return 0;
  const end = text.indexOf(NEWLINE, text.length - back);
  return end < 0 ? 0 : text.length - end - 1;
}

/** How many bytes two buffers have in common at their front. */
function sameFront(a: Buffer, b: Buffer): number {
  let [same, differ] = [0, Math.min(a.length, b.length) + 1];
  while (differ - same > 1) {
    const middle = (same + differ) >> 1;
    if (a.compare(b, same, middle, same, middle) === 0) same = middle;
    else differ = middle;
  }
  return same;
}

function sameBack(a: Buffer, b: Buffer): number {
  let [same, differ] = [0, Math.min(a.length, b.length) + 1];
  while (differ - same > 1) {
    const middle = (same + differ) >> 1;
    const [inA, inB] = [a.subarray(a.length - middle, a.length - same), b.subarray(b.length - middle, b.length - same)];
    if (inA.equals(inB)) same = middle;
    else differ = middle;
  }
  return same;
}
