/** The reusable workflow as GitHub runs it: events in, pushes and comments out, and who saw what on the way. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { sha256 } from "../../src/util/digest.ts";
import { git } from "../support/process.ts";
import {
  assertMerge,
  assertPullRequest,
  assertTrust,
  builtDigests,
  CALLER,
  jobOf,
  logs,
  newSite,
  results,
  SECRETS,
} from "./site.ts";

describe("a pull request", () => {
  test("is built and checked, gets one comment, and deploys nothing", async () => {
    await using site = await newSite();
    const event = await site.pullRequest();
    const run = await site.run(event);
    await assertPullRequest(site, run);
    assert.match(jobOf(run, "build").log, /the build ran/);
    const body = site.api.comments[0]?.body ?? "";
    assert.match(body, new RegExp(`✅ www at ${event.sha.slice(0, 12)}: no findings`));
    assert.match(body, /A merge would deploy this as release 1: \d+ new or changed files/);
    assert.equal(run.jobs.get("site")?.outputs["passed"], "true");

    const again = await site.run(await site.pullRequest());
    assert.equal(again.conclusion, "success", logs(again));
    assert.deepEqual(
      site.api.comments.map(({ edits }) => edits),
      [1],
      "the comment is updated in place",
    );
  });

  test("is compared with what is deployed", async () => {
    await using site = await newSite();
    await site.run(await site.push());
    const run = await site.run(await site.pullRequest());
    assert.deepEqual(results(run), { build: "success", comment: "success", deploy: "skipped" }, logs(run));
    const body = site.api.comments[0]?.body ?? "";
    assert.match(body, /release 1 \| difference/);
    assert.match(body, /Files of <code>data<\/code>: 1 added/);
    assert.match(body, /- added `new\.html`/);
    assert.match(body, /A merge would deploy this as release 2/);
    assert.match(body, /xychart-beta/);
    assert.match(jobOf(run, "build").summary, /A merge would deploy this as release 2/);
  });

  test("from a fork has no secrets and no comment, and is checked all the same", async () => {
    await using site = await newSite();
    const run = await site.run(await site.pullRequest("somebody/www"));
    assertTrust(run);
    assert.deepEqual(results(run), { build: "success", comment: "skipped", deploy: "skipped" }, logs(run));
    for (const { seen } of run.jobs.values())
      for (const secret of Object.values(SECRETS)) assert.ok(!seen.some((entry) => entry.includes(secret)));
    assert.deepEqual(site.api.comments, []);
    assert.equal(await site.deployed(), undefined);
  });

  test("whose release has an error says so in the comment and fails", async () => {
    await using site = await newSite();
    const workflow = CALLER.replace("data: site", "data: site\n      device: nosuch");
    const run = await site.run(await site.pullRequest(), { workflow });
    assertTrust(run);
    assert.equal(run.conclusion, "failure");
    assert.equal(jobOf(run, "build").result, "failure");
    assert.equal(jobOf(run, "deploy").result, "skipped");
    assert.match(site.api.comments[0]?.body ?? "", /❌ www at/);
    assert.match(site.api.comments[0]?.body ?? "", /kernel&#45;devices|kernel-devices/);
  });
});

describe("a merge", () => {
  test("deploys what was built, attested, with the key seen by one job", async () => {
    await using site = await newSite();
    const event = await site.push();
    const run = await site.run(event);
    await assertMerge(site, run, event);
    assert.ok(jobOf(run, "deploy").seen.some((entry) => entry === `INPUT_TOKEN=${SECRETS.DEPLOY_TOKEN}`));
    const manifest = await git(site.deployment, "show", "main:manifest.json");
    const subjects = run.attestations.flatMap((attestation) => attestation.subjects);
    assert.deepEqual(
      subjects.map((line) => line.slice(0, 64)),
      [sha256(Buffer.from(`${manifest}\n`)), ...builtDigests(run)],
    );
    assert.match(jobOf(run, "deploy").summary, /🚀 www at [0-9a-f]{12}: deployed as release 1/);
    assert.equal(run.jobs.get("site")?.outputs["sequence"], "1");
    assert.equal(run.jobs.get("site")?.outputs["changed"], "true");
  });

  test("after another one deploys the next release", async () => {
    await using site = await newSite();
    await site.run(await site.push());
    await site.project.write({ "more.html": "<!doctype html><title>More</title>\n" });
    const event = await site.push();
    const run = await site.run(event);
    assert.equal((await site.deployed())?.sequence, 2, logs(run));
    assert.equal((await site.deployed())?.commit, event.sha);
  });

  test("at the same time as another ends with the newer one deployed", async () => {
    await using site = await newSite();
    const first = await site.push("First");
    await site.project.write({ "more.html": "<!doctype html><title>More</title>\n" });
    const second = await site.push("Second");
    const runs = await Promise.all([site.run(second), site.run(first)]);
    for (const run of runs) assert.equal(run.conclusion, "success", logs(run));
    assert.equal((await site.deployed())?.commit, second.sha);
  });

  test("run again for an old commit leaves the newer release alone", async () => {
    await using site = await newSite();
    const old = await site.push("Old");
    await site.project.write({ "more.html": "<!doctype html><title>More</title>\n" });
    const event = await site.push("New");
    await site.run(event);
    const again = await site.run(old);
    assert.equal(again.conclusion, "success", logs(again));
    assert.equal(again.jobs.get("site")?.outputs["changed"], "false");
    assert.match(jobOf(again, "deploy").summary, /a newer release \(1\) is deployed already/);
    assert.equal((await site.deployed())?.commit, event.sha);
    assert.deepEqual(again.attestations, []);
  });

  test("whose check fails deploys nothing", async () => {
    await using site = await newSite();
    const workflow = CALLER.replace("data: site", "data: site\n      device: nosuch");
    const run = await site.run(await site.push(), { workflow });
    assertTrust(run);
    assert.deepEqual(results(run), { build: "failure", comment: "skipped", deploy: "skipped" });
    assert.equal(await site.deployed(), undefined);
  });

  test("obeys the site's own configuration in both jobs", async () => {
    await using site = await newSite();
    const config = `checks: {ignore: [kernel-devices]}\nvolumes: {data: {from: site, device: nosuch}}\ndeploy: {repository: mirage/www-deployment}\n`;
    await site.project.write({ "../unikernel.yml": config });
    const workflow = CALLER.replace("      data: site\n", "").replace(/ +deployment-repository: .*\n/, "");
    const event = await site.push();
    const run = await site.run(event, { workflow });
    assert.equal((await site.deployed())?.commit, event.sha, logs(run));
  });

  test("on another branch builds and checks only", async () => {
    await using site = await newSite();
    const event = await site.push();
    const run = await site.run({ ...event, ref: "refs/heads/wip" });
    assert.deepEqual(results(run), { build: "success", comment: "skipped", deploy: "skipped" }, logs(run));
  });
});

describe("a caller that grants too little", () => {
  test("is told by GitHub before anything runs", async () => {
    await using site = await newSite();
    const workflow = CALLER.replace(", id-token: write", "");
    const run = await site.run(await site.push(), { workflow });
    assert.match(
      run.startupFailure ?? "",
      /'deploy' is requesting 'id-token: write', but is only allowed 'id-token: none'/,
    );
  });
});

describe("planted faults are noticed", () => {
  const merge = async (reusable: (text: string) => string, workflow?: string) => {
    await using site = await newSite();
    const event = await site.push();
    const run = await site.run(event, { reusable, ...(workflow ? { workflow } : {}) });
    await assertMerge(site, run, event);
  };
  const proposal = async (reusable: (text: string) => string) => {
    await using site = await newSite();
    const run = await site.run(await site.pullRequest(), { reusable });
    await assertPullRequest(site, run);
  };
  /** Replaces text that has to be there, so that a fault cannot come to nothing unnoticed. */
  const replace = (from: string | RegExp, to: string) => (text: string) => {
    const changed = text.replace(from, to);
    assert.notEqual(changed, text);
    return changed;
  };

  test("none planted, none noticed", async () => {
    await merge((text) => text);
    await proposal((text) => text);
  });

  test("a secret given to the build job", async () => {
    const fault = replace("mode: build\n", "mode: build\n          ssh-key: ${{ secrets.DEPLOY_TOKEN }}\n");
    await assert.rejects(merge(fault), /site\/build saw the key/);
  });

  test("a secret in the build job's environment", async () => {
    const fault = replace(/( {8}id: build\n)/, "$1        env: {KEY: '${{ secrets.DEPLOY_TOKEN }}'}\n");
    await assert.rejects(merge(fault), /site\/build saw the key/);
  });

  test("the deploy job's need of the build dropped", async () => {
    await assert.rejects(merge(replace(/( {4}name: Deploy\n) {4}needs: build\n/, "$1")), /deploy: 'success'/);
  });

  test("the comment job's need of the build dropped", async () => {
    await assert.rejects(
      proposal(replace(/( {4}name: Comment on the pull request\n) {4}needs: build\n/, "$1")),
      /comment: 'success'/,
    );
  });

  for (const [job, permission] of [
    ["build", "contents: write"],
    ["build", "id-token: write"],
    ["comment", "contents: read"],
    ["deploy", "pull-requests: write"],
  ] as const) {
    test(`${permission} for the ${job} job`, async () => {
      const fault = replace(
        new RegExp(`(^  ${job}:\\n(?: {4}.*\\n| *\\n)*? {4}permissions:\\n)`, "m"),
        `$1      ${permission}\n`,
      );
      const only = permission.split(":")[0] as string;
      const single = (text: string) => dropLater(fault(text), job, only);
      await assert.rejects(
        job === "comment" ? proposal(single) : merge(single, CALLER.replace("contents: read", "contents: write")),
      );
    });
  }

  test("a pull request that deploys", async () => {
    const fault = replace(/ {4}if: >-\n {6}\$\{\{ contains\(.*\n.*\n/, "    if: ${{ !cancelled() }}\n");
    await assert.rejects(proposal(fault), /deploy: 'skipped'/);
  });

  test("a deploy job that runs the site's build", async () => {
    const fault = replace(
      /mode: deploy\n {10}release: .*\n/,
      "mode: deploy\n          build: echo the build ran\n          kernel: www.hvt\n          data: site\n",
    );
    await assert.rejects(merge(fault));
  });
});

/** A key that now stands twice in a job's permissions stays where it was put first. */
function dropLater(text: string, job: string, name: string): string {
  const start = text.indexOf(`\n  ${job}:\n`);
  const first = text.indexOf(`      ${name}:`, start);
  const second = text.indexOf(`      ${name}:`, first + 1);
  const end = text.indexOf("    steps:", start);
  if (second < 0 || second > end) return text;
  return text.slice(0, second) + text.slice(text.indexOf("\n", second) + 1);
}

describe("an artifact swapped between jobs", () => {
  /** Another release, whole and sound, that was not built from this commit. */
  async function otherRelease() {
    await using other = await newSite();
    await other.project.write({ "index.html": "<!doctype html><title>Not what was built</title>\n" });
    const run = await other.run(await other.pullRequest());
    return run.artifacts.all[0]?.files as ReadonlyMap<string, Buffer>;
  }

  test("is refused, and nothing is pushed", async () => {
    const files = await otherRelease();
    await using site = await newSite();
    const event = await site.push();
    const run = await site.run(event, {
      beforeJob: (job, { artifacts }) => {
        if (job === "site/deploy") artifacts.swap(artifacts.all[0]?.id as number, files);
      },
    });
    assert.equal(jobOf(run, "deploy").result, "failure");
    assert.match(jobOf(run, "deploy").log, /manifest\.json: FAILED/);
    assert.equal(await site.deployed(), undefined);
    assert.ok(
      !jobOf(run, "deploy").seen.some((entry) => entry.includes(SECRETS.DEPLOY_TOKEN)),
      "it did not even get to the key",
    );
    await assert.rejects(assertMerge(site, run, event));
  });

  test("in part is refused too", async () => {
    await using site = await newSite();
    const run = await site.run(await site.push(), {
      beforeJob: (job, { artifacts }) => {
        if (job !== "site/deploy") return;
        const { id, files } = artifacts.all[0] as (typeof artifacts.all)[number];
        const image = Buffer.from(files.get("volumes/data.img") as Buffer);
        image[600] = (image[600] as number) ^ 1;
        artifacts.swap(id, new Map([...files, ["volumes/data.img", image]]));
      },
    });
    assert.equal(jobOf(run, "deploy").result, "failure");
    assert.match(jobOf(run, "deploy").log, /DIGEST_MISMATCH/);
    assert.equal(await site.deployed(), undefined);
  });

  test("is noticed by the test where the workflow does not look", async () => {
    const files = await otherRelease();
    await using site = await newSite();
    const event = await site.push();
    let swapped: ReadonlyMap<string, Buffer> | undefined;
    const run = await site.run(event, {
      reusable: (text) => text.replaceAll("sha256sum --check --strict", "cat"),
      beforeJob: (job, { artifacts }) => {
        if (job !== "site/deploy") return;
        swapped = artifacts.all[0]?.files;
        artifacts.swap(artifacts.all[0]?.id as number, files);
      },
    });
    assert.ok(swapped);
    await assert.rejects(assertMerge(site, run, event));
  });
});
