/** Workflows in README and docs are as sound as those in files. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { languageService } from "../../scripts/workflow-tools.ts";
import { ownRules, type UsedActions } from "../../scripts/workflow-rules.ts";
import { ROOT } from "../support/project.ts";

const used = JSON.parse(readFileSync(path.join(ROOT, ".github/actions-used.json"), "utf8")) as UsedActions;

const workflows = ["README.md", ...globSync("docs/**/*.md", { cwd: ROOT })].flatMap((file) =>
  [...readFileSync(path.join(ROOT, file), "utf8").matchAll(/```yaml\n(name: [^]*?\njobs:\n[^]*?)```/g)].map(
    ([, text], at) => ({ file, at, text: text as string }),
  ),
);

describe("a workflow in the documentation", () => {
  for (const { file, at, text } of workflows) {
    test(`${file}, number ${at + 1}`, async () => {
      assert.deepEqual(await languageService(`${file}.yml`, text, { root: ROOT, used }), []);
      assert.deepEqual(ownRules(file, text, used), []);
    });
  }
  test("is there", () => assert.ok(workflows.length >= 4, String(workflows.length)));
});
