/** How many cases a property is tried with: few in the suite, as many as FUZZ_RUNS says in a long run. */
export function fuzzRuns(inTheSuite: number): number {
  const runs = process.env["FUZZ_RUNS"];
  return runs === undefined ? inTheSuite : Math.max(1, Math.floor(Number(runs)));
}
