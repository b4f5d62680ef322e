/** A deploy that is killed in each phase; `npm run soak -- deploy-kill` does it 300 times. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { killRuns, killTable, PHASES } from "./killing.ts";

test("a deploy killed in each phase leaves one release, whole, and the next run goes on", async (t) => {
  const kills = await killRuns(PHASES.length, { byGit: false });
  t.diagnostic(killTable(kills));
  assert.deepEqual(
    kills.filter(({ problems }) => problems.length > 0),
    [],
  );
});
