/** The supervisor is killed in every phase; `npm run soak -- host-kill` does it 300 times. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { killRuns, table } from "./killing.ts";

const missing = spawnSync("gcc", ["--version"]).error ? "gcc is not installed" : false;

test("host up killed in each phase takes up where it was", { skip: missing }, async (t) => {
  const { kills, problems } = await killRuns(1);
  t.diagnostic(table(kills));
  assert.deepEqual(problems, []);
  assert.deepEqual(
    kills.filter((kill) => kill.problems.length > 0),
    [],
  );
});
