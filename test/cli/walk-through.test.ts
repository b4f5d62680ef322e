/** The steps of the README, run as they stand there. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { gitEnvironment, run } from "../support/process.ts";
import { ROOT } from "../support/project.ts";
import { tempDir } from "../support/temp.ts";

test("the README's steps lead from a site to a host", async () => {
  const readme = readFileSync(path.join(ROOT, "README.md"), "utf8");
  const [, steps] = /^### Step by step$[^]*?^```sh\n([^]*?)^```$/m.exec(readme) ?? [];
  assert.ok(steps, "README.md has no steps");
  await using directory = await tempDir("walk-through");
  const script = `shopt -s expand_aliases\n${steps.replaceAll("/tmp/walk", directory.join("walk"))}`;
  const ran = await run("bash", ["-euc", script], { cwd: ROOT, env: gitEnvironment(), timeoutMs: 300_000 });
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stdout, /^deployed release 1 as /m);
  assert.match(ran.stdout, /current: release of www, every digest verified/);
});
