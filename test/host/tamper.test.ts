/** What was tampered with is refused; `npm run soak -- host-tamper` makes 200 changes, of parts as well. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { tamper } from "./tampering.ts";

const missing = spawnSync("gcc", ["--version"]).error ? "gcc is not installed" : false;

test("whatever is changed in a repository, hosts refuse it and their guests serve on", { skip: missing }, async (t) => {
  const done = await tamper(10, false);
  t.diagnostic(`${done.length} changes`);
  assert.deepEqual(
    done.filter(({ problems }) => problems.length > 0),
    [],
  );
});
