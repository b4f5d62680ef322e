import fc from "fast-check";

/**
 * Properties, tried with the same cases in every run: what a change broke is seen by whoever made it, and by nobody else.
 * `FUZZ_SEED` is another seed, `random` for a new one each time; a property that fails prints the one it was tried with.
 */
const seed = process.env["FUZZ_SEED"] ?? "1";
if (seed !== "random") fc.configureGlobal({ seed: Number(seed) });

export { fc };

/** How many cases a property is tried with: few in the suite, as many as FUZZ_RUNS says in a long run. */
export function fuzzRuns(inTheSuite: number): number {
  const runs = process.env["FUZZ_RUNS"];
  return runs === undefined ? inTheSuite : Math.max(1, Math.floor(Number(runs)));
}
