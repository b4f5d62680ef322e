/** A deploy on a bad day: the branch has the old release or the new one; `npm run soak -- deploy-faults` has 400 such days. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { faultRuns, faultsMissing, faultTable } from "./faulting.ts";

test("a deploy disturbed at any point leaves one release, whole, and the next run brings the new one", async (t) => {
  const missing = faultsMissing();
  if (missing !== undefined) t.diagnostic(missing);
  const runs = await faultRuns(1);
  t.diagnostic(faultTable(runs));
  assert.deepEqual(
    runs.filter(({ problems }) => problems.length > 0),
    [],
  );
});
