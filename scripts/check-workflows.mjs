/**
 * Judges our workflows, our action.yml and every example workflow: GitHub's own language service, actionlint, shellcheck
 * on the scripts, and our own rules. Exits 1 where any of them finds anything.
 */
import { globSync, readFileSync } from "node:fs";
import { ownRules } from "./workflow-rules.ts";
import { actionlint, languageService, shellcheck } from "./workflow-tools.ts";

const used = JSON.parse(readFileSync(".github/actions-used.json", "utf8"));
const workflows = [...globSync(".github/workflows/*.yml"), ...globSync("examples/workflows/*.yml")];
const around = { root: process.cwd(), used };

const problems = await languageService("action.yml", readFileSync("action.yml", "utf8"), around);
for (const file of workflows) {
  const text = readFileSync(file, "utf8");
  problems.push(
    ...(await languageService(file, text, around)),
    ...(await actionlint(file, text)),
    ...shellcheck(file, text),
    ...ownRules(file, text, used),
  );
}
for (const { file, line, rule, message } of problems) console.log(`${file}:${line}: ${rule}: ${message}`);
console.log(
  `${workflows.length} workflows and action.yml: ${problems.length === 0 ? "nothing found" : `${problems.length} found`}`,
);
process.exitCode = problems.length === 0 ? 0 : 1;
