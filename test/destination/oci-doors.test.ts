/** `oci://` through the shipped program and the Action, as users give it. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { decodeArtifact } from "../../src/destination/oci/artifact.ts";
import { openRegistry } from "../../src/registry/registry.ts";
import { silentLog } from "../../src/util/log.ts";
import { runAction } from "../support/action-runner.ts";
import { git, run } from "../support/process.ts";
import { newProject, ROOT, runCli } from "../support/project.ts";
import { noRegistry, startRegistry } from "../support/registry.ts";
import { tempDir } from "../support/temp.ts";
import { tokenServer } from "../support/token-server.ts";

interface Answer {
  readonly deployed: { readonly outcome: string; readonly revision: string; readonly tag: string };
  readonly error: { readonly code: string; readonly problems: readonly string[] };
}
const answerOf = (stdout: string) => JSON.parse(stdout) as Answer;

describe("the command line", { skip: noRegistry }, () => {
  test("deploys, deploys again, and prunes", async () => {
    await using server = await startRegistry({ deletable: true });
    await using project = await newProject();
    const repository = server.address("mirage/www");
    const deploy = async (...more: string[]) => {
      const ran = await project.cli(
        "deploy",
        "--release",
        await project.build(),
        "--repository",
        repository,
        "--json",
        ...more,
      );
      assert.equal(ran.code, 0, ran.stderr);
      return answerOf(ran.stdout).deployed;
    };
    assert.equal((await deploy("--dry-run")).outcome, "planned");
    assert.deepEqual(
      server.requests.filter(({ method }) => method === "PUT"),
      [],
    );
    const first = await deploy();
    const source = await git(project.source, "rev-parse", "HEAD");
    assert.deepEqual([first.outcome, first.tag], ["deployed", `source-${source}`]);
    assert.equal((await deploy()).outcome, "unchanged");
    await project.write({ "index.html": "another page\n" });
    await project.commit();
    const second = await deploy();
    assert.equal(second.outcome, "deployed");
    const registry = openRegistry({ address: repository, env: {}, log: silentLog });
    const latest = await registry.readManifest("latest");
    assert.equal(latest?.digest, second.revision);
    const pruned = await project.cli("prune", "--repository", repository, "--history", "1", "--json");
    assert.equal(pruned.code, 0, pruned.stderr);
    assert.ok((JSON.parse(pruned.stdout) as { removedTags: string[] }).removedTags.includes(`source-${source}`));
    assert.equal((await registry.tags()).length, 3);
  });

  test("takes the token from the environment, and shows it to nobody", async () => {
    await using tokens = await tokenServer("secret-of-the-test");
    await using server = await startRegistry({ auth: tokens.auth });
    await using project = await newProject();
    const repository = server.address("mirage/www", "deployer");
    const args = ["deploy", "--release", await project.build(), "--repository", repository];
    const ran = await runCli(project.source, args, { UNIKERNEL_DEPLOY_TOKEN: "secret-of-the-test" });
    assert.equal(ran.code, 0, ran.stderr);
    const wrong = await runCli(project.source, args, { UNIKERNEL_DEPLOY_TOKEN: "another-secret" });
    assert.equal(wrong.code, 3);
    assert.match(wrong.stderr, /REPOSITORY_DENIED/);
    assert.doesNotMatch(`${ran.stdout}${ran.stderr}${wrong.stdout}${wrong.stderr}`, /secret/);
  });

  test("names everything that a registry cannot have, each where it was written", async () => {
    await using project = await newProject();
    const release = await project.build();
    const config = `deploy:\n  repository: oci://localhost:1/www\n  layout: files\nvolumes:\n  data: {from: site, format: git}\n`;
    await writeFile(`${project.source}/unikernel.yml`, config);
    const ran = await project.cli("deploy", "--release", release, "--path", "sites/www", "--json");
    assert.equal(ran.code, 2);
    const { code, problems } = answerOf(ran.stdout).error;
    assert.equal(code, "CONFIG_INVALID");
    assert.match(problems.join("\n"), /--path: .*oci:\/\/REGISTRY\/…\/sites\/www/);
    assert.match(problems.join("\n"), /unikernel\.yml:3: deploy\.layout/);
    assert.match(problems.join("\n"), /unikernel\.yml:5: volumes\.data\.format: format git/);
  });
});

describe("the Action", { skip: noRegistry }, () => {
  test("deploys to a registry with what docker login left, and keeps the job's token to itself", async () => {
    await using tokens = await tokenServer("secret-of-the-test");
    await using server = await startRegistry({ auth: tokens.auth });
    await using project = await newProject();
    await using home = await tempDir("home");
    await run("mkdir", [home.join(".docker")]);
    const auth = Buffer.from("deployer:secret-of-the-test").toString("base64");
    await writeFile(home.join(".docker/config.json"), JSON.stringify({ auths: { [server.host]: { auth } } }));
    const sha = await git(project.source, "rev-parse", "HEAD");
    const result = await runAction({
      directory: ROOT,
      workspace: project.source,
      runnerTemp: project.directory.join("temp"),
      inputs: {
        kernel: "www.hvt",
        data: "site",
        "deployment-repository": server.address("mirage/www"),
        token: "ghs_000000000000000000000000000000000000",
      },
      env: { DOCKER_CONFIG: home.join(".docker") },
      context: { eventName: "push", ref: "refs/heads/main", sha, repository: "mirage/www", defaultBranch: "main" },
    });
    assert.equal(result.conclusion, "success", result.log);
    const registry = openRegistry({
      address: server.address("mirage/www", "deployer:secret-of-the-test"),
      env: {},
      log: silentLog,
    });
    const latest = await registry.readManifest("latest");
    assert.equal(result.outputs["deployed-commit"], latest?.digest);
    assert.equal(decodeArtifact(latest?.bytes ?? Buffer.alloc(0), "latest").commit, sha);
    const manifest = JSON.parse(await readFile(result.outputs["manifest"] as string, "utf8")) as { sequence: number };
    assert.equal(manifest.sequence, 1);
    const shown = tokens.requests.map(({ authorization }) =>
      Buffer.from(authorization?.slice(6) ?? "", "base64").toString(),
    );
    assert.deepEqual([...new Set(shown)], ["deployer:secret-of-the-test"]);
  });
});
