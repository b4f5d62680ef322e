/** The examples, taken as they are: somebody who copies one gets from pull request to deployment without reading source. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { cp, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, test } from "node:test";
import { runAction } from "../support/action-runner.ts";
import { unpack } from "../support/artifact-store.ts";
import { ROOT } from "../support/project.ts";
import { assertTrust, jobOf, logs, newSite, REPOSITORY, results, type Site } from "./site.ts";

/** An example; the forge of these tests takes a token where GitHub takes a deploy key too. */
const example = (name: string) =>
  readFileSync(path.join(ROOT, "examples/workflows", name), "utf8").replaceAll("DEPLOY_KEY", "DEPLOY_TOKEN");

/** What opam and mirage do to a checkout, in short. */
const OPAM = `
case "$*" in
  *configure*) test -f config.ml || { echo "no config.ml" >&2; exit 1; };;
  *"make build") mkdir -p dist && cp kernel-stand-in dist/www.hvt;;
esac
echo "opam $*"`;

async function mirageSite(): Promise<Site> {
  const site = await newSite({ repository: "example/www-deployment" });
  const { source } = site.project;
  // A kernel that really serves the site; where qemu is installed, the workflow boots it.
  await cp(path.join(ROOT, "examples/kernel/site.virtio"), path.join(source, "kernel-stand-in"));
  await cp(path.join(source, "site"), path.join(source, "htdocs"), { recursive: true });
  await rm(path.join(source, "www.hvt"));
  await cp(path.join(ROOT, "examples/workflows/mirageos.config.ml"), path.join(source, "config.ml"));
  return site;
}

describe("the example for MirageOS", () => {
  test("takes a repository through a pull request and a merge", async () => {
    await using site = await mirageSite();
    const options = { workflow: example("mirageos.yml"), programs: { opam: OPAM } };
    await site.push("A MirageOS site");

    const proposed = await site.run(await site.pullRequest(), options);
    assertTrust(proposed);
    assert.deepEqual(results(proposed), { build: "success", comment: "success", deploy: "skipped" }, logs(proposed));
    assert.match(site.api.comments[0]?.body ?? "", /✅ www at .*\n\nA merge would deploy this as release 1/);

    const event = await site.push("Merged");
    const merged = await site.run(event, options);
    assertTrust(merged);
    assert.equal(merged.conclusion, "success", logs(merged));
    assert.match(jobOf(merged, "build").log, /opam exec -- mirage configure -t hvt/);
    assert.match(jobOf(merged, "build").log, /sudo apt-get install --yes --no-install-recommends -- libseccomp-dev/);
    assert.deepEqual(await site.deployed().then((now) => [now?.commit, now?.sequence]), [event.sha, 1]);
    assert.equal(merged.attestations.length, 1);
  });
});

describe("the example for pages and a kernel that are there already", () => {
  test("deploys them", async () => {
    await using site = await newSite({ repository: "example/www-deployment" });
    const event = await site.push();
    const run = await site.run(event, { workflow: example("static.yml") });
    assert.equal(run.conclusion, "success", logs(run));
    assert.equal((await site.deployed())?.commit, event.sha);
  });
});

describe("the example with a job for each target", () => {
  test("makes one release of all kernels", async () => {
    await using site = await newSite({ repository: "example/www-deployment" });
    const makefile = "kernel:\n\tmkdir -p dist && cp kernels/www.$(TARGET) dist/www.$(TARGET)\n";
    await writeFile(path.join(site.project.source, "Makefile"), makefile);
    const { solo5Kernel } = await import("../support/elf.ts");
    const devices = [{ name: "storage", type: "block" as const }];
    await site.project.write({ "../kernels/README": "kernels\n" });
    for (const target of ["hvt", "virtio"] as const)
      await writeFile(path.join(site.project.source, "kernels", `www.${target}`), solo5Kernel({ target, devices }));
    const workflow = example("targets.yml").replace("[hvt, xen]", "[hvt, virtio]");
    const run = await site.run(await site.push(), { workflow });
    assert.equal(run.conclusion, "success", logs(run));
    const manifest = JSON.parse(
      String(run.artifacts.all.find(({ name }) => name.includes("release"))?.files.get("manifest.json")),
    );
    assert.deepEqual(
      manifest.kernels.map(({ target }: { target: string }) => target),
      ["hvt", "virtio"],
    );
  });
});

describe("the example for pull requests from forks", () => {
  test("comments on the pull request that GitHub says the run was of, whatever the release says", async () => {
    const pulls: { number: number; state: "open"; head: string; sha: string }[] = [];
    await using site = await newSite({ pulls });
    const event = await site.pullRequest("somebody/www");
    pulls.push({ number: 12, state: "open", head: "somebody:proposal", sha: event.sha });
    const built = await site.run(event);
    const artifact = built.artifacts.all[0];
    assert.ok(artifact, logs(built));
    assert.match(example("comment-on-forks.yml"), new RegExp(`name: ${artifact.name}\n`));
    const release = site.project.directory.join("downloaded");
    await unpack(artifact, release);
    const result = await runAction({
      directory: ROOT,
      inputs: { mode: "check", release, comment: "true", token: "ghp_admin" },
      event: {
        workflow_run: {
          event: "pull_request",
          head_sha: event.sha,
          head_branch: "proposal",
          head_repository: { full_name: "somebody/www", owner: { login: "somebody" } },
        },
      },
      context: { eventName: "workflow_run", repository: REPOSITORY, apiUrl: site.api.url, serverUrl: site.server.url },
    });
    assert.equal(result.conclusion, "success", result.log);
    assert.deepEqual(
      site.api.comments.map(({ issue }) => issue),
      [12],
      result.log,
    );
    assert.deepEqual(site.api.problems, []);
  });
});
