/** Our workflows, our action.yml and the examples are without fault, and every kind of fault would be found. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { ownRules, type UsedActions } from "../../scripts/workflow-rules.ts";
import { actionlint, languageService, shellcheck } from "../../scripts/workflow-tools.ts";
import { ROOT } from "../support/project.ts";

const read = (file: string) => readFileSync(path.join(ROOT, file), "utf8");
const used = JSON.parse(read(".github/actions-used.json")) as UsedActions;
const around = { root: ROOT, used };
const workflows = globSync(["*.yml", "../../examples/workflows/*.yml"], {
  cwd: path.join(ROOT, ".github/workflows"),
}).map((file) => path.relative(ROOT, path.join(ROOT, ".github/workflows", file)));

async function judge(text: string, file = ".github/workflows/planted.yml"): Promise<string[]> {
  const problems = [
    ...(await languageService(file, text, around)),
    ...(await actionlint(file, text)),
    ...shellcheck(file, text),
    ...ownRules(file, text, used),
  ];
  return problems.map(({ line, rule, message }) => `${line}: ${rule}: ${message}`);
}

describe("nothing is found in", () => {
  test("action.yml", async () => {
    assert.deepEqual(await languageService("action.yml", read("action.yml"), around), []);
  });
  for (const file of workflows) {
    test(file, async () => {
      assert.deepEqual(await judge(read(file), file), []);
    });
  }
  test("as many examples as there are", () => {
    assert.ok(workflows.length >= 8, workflows.join());
  });
});

const CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1";

/** A workflow of one job with these steps. */
const workflow = (steps: string, { on = "push", permissions = "{}", job = "" } = {}) =>
  `name: planted
on: ${on}
permissions: ${permissions}
jobs:
  one:
    runs-on: ubuntu-24.04
${job}    steps:
${steps
  .trim()
  .split("\n")
  .map((line) => `      ${line}\n`)
  .join("")}`;

const SOUND = `
- uses: ${CHECKOUT}
  with:
    persist-credentials: false
- run: echo "$TITLE"
  env:
    TITLE: \${{ github.ref_name }}
`;

/** What is planted, and what has to be found. */
const FAULTS: Readonly<Record<string, readonly [text: string, found: RegExp]>> = {
  "an action pinned by a tag": [
    workflow("- uses: actions/checkout@v7\n  with:\n    persist-credentials: false"),
    /^8: pinned: .*full commit/,
  ],
  "a pin without its version": [workflow(SOUND.replace(" # v7.0.1", "")), /^8: pinned: .*version in a comment/],
  "a pin with another version": [workflow(SOUND.replace("v7.0.1", "v7.0.0")), /^8: pinned: .*actions-used/],
  "a commit that nobody looked at": [workflow(SOUND.replace("@3d3c", "@4d3c")), /^8: pinned: .*actions-used/],
  "an action that nobody looked at": [workflow(`- uses: example/action@${"a".repeat(40)} # v1.0.0`), /^8: pinned: /],
  "no permissions": [workflow(SOUND).replace("permissions: {}\n", ""), /permissions: say what the token may do/],
  "all permissions": [workflow(SOUND, { permissions: "write-all" }), /^3: permissions: write-all/],
  "permissions to write for no reason": [
    workflow(SOUND, { job: "    permissions:\n      contents: write\n" }),
    /^8: permissions: contents: write needs its reason/,
  ],
  "permissions to write for every job": [
    `${workflow(SOUND, { permissions: "{contents: write}" })}  two:\n    runs-on: ubuntu-24.04\n    steps:\n      - run: "true"\n`,
    /^3: permissions: contents: write is for the one job/,
  ],
  "a checkout that leaves the token behind": [workflow(`- uses: ${CHECKOUT}`), /^8: persist-credentials: /],
  "a checkout after pull_request_target": [workflow(SOUND, { on: "pull_request_target" }), /^8: privileged-checkout: /],
  "a checkout after workflow_run": [
    workflow(SOUND, { on: "{workflow_run: {workflows: [site], types: [completed]}}" }),
    /^8: privileged-checkout: /,
  ],
  "an expression in a script": [workflow('- run: echo "${{ github.ref_name }}"'), /^8: expression-in-run: /],
  "a script that injects a title": [
    workflow('- run: echo "${{ github.event.pull_request.title }}"', { on: "pull_request" }),
    /actionlint expression: .*untrusted/,
  ],
  "a mistake in a script": [workflow("- run: |\n    cd somewhere\n    rm -r $TARGET"), /^10: shellcheck SC2086/],
  "an input that an action does not have": [
    workflow(SOUND.replace("persist-credentials: false", "persist-credentials: false\n    pathh: x")),
    /language-service: error: Invalid action input 'pathh'/,
  ],
  "an input that our Action does not have": [
    workflow("- uses: ./\n  with:\n    kernell: www.hvt"),
    /language-service: error: Invalid action input 'kernell'/,
  ],
  "an input that our workflow does not have": [
    "name: x\non: push\npermissions: {}\njobs:\n  site:\n    uses: ./.github/workflows/unikernel.yml\n    with:\n      kernell: x\n",
    /language-service: error: Invalid input, kernell/,
  ],
  "an input that our workflow does not have, called by name": [
    "name: x\non: push\npermissions: {}\njobs:\n  site:\n    uses: unikernel-deploy/unikernel-deploy/.github/workflows/unikernel.yml@v1\n    with:\n      kernell: x\n",
    /language-service: error: Invalid input, kernell/,
  ],
  "a secret that our workflow does not take": [
    "name: x\non: push\npermissions: {}\njobs:\n  site:\n    uses: ./.github/workflows/unikernel.yml\n    secrets:\n      KEY: x\n",
    /language-service: error: Invalid secret, KEY/,
  ],
  "a runner that does not exist": [workflow(SOUND).replace("ubuntu-24.04", "ubuntu-1"), /actionlint runner-label/],
  "a need of a job that is not there": [
    workflow(SOUND, { job: "    needs: two\n" }),
    /language-service: error: .*two|actionlint job-needs/,
  ],
};

describe("a planted fault is found:", () => {
  test("none in a sound workflow", async () => {
    assert.deepEqual(await judge(workflow(SOUND)), []);
  });
  for (const [what, [text, found]] of Object.entries(FAULTS)) {
    test(what, async () => {
      const problems = await judge(text);
      assert.ok(
        problems.some((problem) => found.test(problem)),
        problems.join("\n") || "nothing was found",
      );
    });
  }
});

describe("action.yml and the workflow", () => {
  const action = parse(read("action.yml"));
  const { on, jobs } = parse(read(".github/workflows/unikernel.yml"));

  test("agree: what the workflow takes, it passes on", () => {
    const { inputs } = on.workflow_call;
    const text = read(".github/workflows/unikernel.yml").split("\njobs:\n")[1] as string;
    const unused = Object.keys(inputs).filter((name) => !text.includes(`inputs.${name}`));
    assert.deepEqual(unused, []);
  });

  test("agree: what both take is described alike", () => {
    const shared = Object.keys(on.workflow_call.inputs).filter((name) => name in action.inputs);
    assert.ok(shared.length > 15, shared.join());
  });

  test("every input of the Action is at hand, or is decided by the workflow", () => {
    const decided = ["mode", "release", "token", "ssh-key", "signing-key", "attestation", "force", "dry-run"];
    const missing = Object.keys(action.inputs).filter((name) => !(name in on.workflow_call.inputs));
    assert.deepEqual(
      missing.filter((name) => !decided.includes(name)),
      [],
    );
  });

  test("the jobs that hold a right or a key have no build command", () => {
    for (const id of ["comment", "deploy"]) {
      for (const step of jobs[id].steps) assert.equal(step.with?.build, undefined, id);
    }
  });
});
