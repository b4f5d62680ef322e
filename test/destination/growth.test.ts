/** What many deploys come to in the repository; `npm run soak -- deploy-growth` does 200 of a real site. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { grow, growthProblems, growthTable, smallSite } from "./growing.ts";

test("a repository grows by less than what changed, in both layouts", async (t) => {
  const growth = await grow(smallSite, 6);
  t.diagnostic(growthTable(growth));
  assert.deepEqual(growthProblems(growth), []);
});
