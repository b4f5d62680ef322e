/** Which of the words that there are was probably meant by one that there is not. Pure. */

/** A word longer than this is no slip of the pen. */
const LONGEST = 64;

/** The one that begins so, or that a slip or two lead to; undefined where none is near. */
export function nearestOf(word: string, words: readonly string[]): string | undefined {
  const begun = words.find((candidate) => word.length > 2 && candidate.startsWith(word));
  if (begun !== undefined) return begun;
  const [nearest] = words
    .map((candidate) => ({ candidate, distance: distanceOf(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  return nearest && nearest.distance <= Math.max(1, Math.floor(word.length / 3)) ? nearest.candidate : undefined;
}

/** Letters to change, add, leave out or swap with their neighbour (optimal string alignment). */
function distanceOf(a: string, b: string): number {
  if (a.length > LONGEST) return LONGEST;
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number) => rows[i]?.[j] as number;
  for (let i = 1; i <= a.length; i++) {
    rows.push([i]);
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + change);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, at(i - 2, j - 2) + 1);
      (rows[i] as number[]).push(least);
    }
  }
  return at(a.length, b.length);
}
