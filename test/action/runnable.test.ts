/** The Action and a registry: the image is named for whoever runs it, and an attestation follows its release. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { openRegistry } from "../../src/registry/registry.ts";
import { silentLog } from "../../src/util/log.ts";
import { runAction } from "../support/action-runner.ts";
import { git } from "../support/process.ts";
import { newProject, type Project, ROOT } from "../support/project.ts";
import { noRegistry, startRegistry, type TestRegistry } from "../support/registry.ts";

async function deploy(project: Project, registry: TestRegistry, inputs: Readonly<Record<string, string>> = {}) {
  const result = await runAction({
    directory: ROOT,
    workspace: project.source,
    runnerTemp: project.directory.join("temp"),
    inputs: { kernel: "www.hvt", data: "site", "deployment-repository": registry.address("www"), ...inputs },
    context: {
      eventName: "push",
      ref: "refs/heads/main",
      sha: await git(project.source, "rev-parse", "HEAD"),
      repository: "mirage/www",
      defaultBranch: "main",
    },
  });
  assert.deepEqual(result.undeclaredOutputs, []);
  return result;
}

describe("the input runnable", { skip: noRegistry }, () => {
  test("brings the output image, and the input attestation what is attached to the release", async () => {
    await using project = await newProject();
    await using registry = await startRegistry();
    const first = await deploy(project, registry, { runnable: "true" });
    assert.equal(first.conclusion, "success", first.log);
    const [name, digest] = (first.outputs.image ?? "").split("@");
    assert.equal(name, `${registry.host}/www`);
    const client = openRegistry({ address: registry.address("www"), env: {}, log: silentLog });
    assert.ok(await client.readManifest(digest ?? ""));

    const mediaType = "application/vnd.dev.sigstore.bundle.v0.3+json";
    const attestation = project.directory.join("bundle.json");
    await writeFile(attestation, JSON.stringify({ mediaType }));
    const again = await deploy(project, registry, { runnable: "true", attestation });
    assert.equal(again.conclusion, "success", again.log);
    assert.deepEqual([again.outputs.changed, again.outputs.image], ["false", first.outputs.image]);
    assert.equal((await client.referrers(first.outputs["deployed-commit"] ?? "", mediaType)).length, 1);
  });

  test("is refused for a git repository, before anything is built", async () => {
    await using project = await newProject();
    await using registry = await startRegistry();
    const inputs = { build: "touch built", "deployment-repository": "mirage/www-deployment", runnable: "true" };
    const result = await deploy(project, registry, inputs);
    assert.equal(result.conclusion, "failure");
    assert.match(result.log, /input "runnable": runnable images go to a registry/);
    assert.doesNotMatch(await git(project.source, "status", "--porcelain"), /built/);
  });
});
