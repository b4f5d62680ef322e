/** Setting a release beside what is deployed: what is read, from whom, and with whose token. */
import assert from "node:assert/strict";
import { readFile, rm } from "node:fs/promises";
import { describe, test } from "node:test";
import { openAccess } from "../../src/destination/access.ts";
import { survey } from "../../src/destination/survey.ts";
import { readingAccess } from "../../src/github/compare.ts";
import { readActionInputs } from "../../src/github/inputs.ts";
import { readConfig } from "../../src/inputs/config.ts";
import { actionStyle } from "../../src/inputs/raw.ts";
import { runAction } from "../support/action-runner.ts";
import { cacheService } from "../support/cache-service.ts";
import { gitServer } from "../support/git-server.ts";
import { git } from "../support/process.ts";
import { newProject, type Project, ROOT, runCli } from "../support/project.ts";
import { createBareRepository } from "../support/repository.ts";

const TOKEN = "ghs_token-of-the-job";

function reading(repository: string, server: string) {
  const given: Readonly<Record<string, string>> = { token: TOKEN, "deployment-repository": repository };
  const inputs = readActionInputs((name) => given[name] ?? "", { GITHUB_SERVER_URL: server, GITHUB_WORKSPACE: "/" });
  return readingAccess(inputs, readConfig(undefined, inputs.raw, actionStyle), { PATH: "/usr/bin" });
}

describe("the token for reading", () => {
  for (const [repository, sent] of [
    ["mirage/www-deployment", true],
    ["https://forge.example/mirage/www-deployment", true],
    ["https://forge.example.evil.example/mirage/www-deployment", false],
    ["https://evil.example/mirage/www-deployment", false],
    ["http://forge.example/mirage/www-deployment", false],
  ] as const) {
    test(`${sent ? "goes" : "does not go"} to ${repository}`, () => {
      using access = reading(repository, "https://forge.example");
      const basic = Buffer.from(`x-access-token:${TOKEN}`).toString("base64");
      assert.equal(JSON.stringify(access?.env).includes(basic), sent);
    });
  }

  test("is not needed where nothing is deployed to", () => {
    assert.equal(reading("", "https://forge.example"), undefined);
  });
});

const look = async (repository: string, deployments: number) => {
  using access = openAccess({ repository, directory: "/", env: process.env });
  return survey({ access, branch: "main", path: "", deployments });
};

/** Deploys what is there now, as the next release. */
async function deploy(project: Project, repository: string, ...more: string[]): Promise<void> {
  await project.commit();
  const release = await project.build();
  const ran = await runCli(project.source, ["deploy", "--release", release, "--repository", repository, ...more]);
  assert.equal(ran.code, 0, ran.stderr);
}

describe("survey", () => {
  test("of an empty repository is undefined", async () => {
    await using project = await newProject();
    assert.equal(await look(await createBareRepository(project.directory.path, "deployment"), 3), undefined);
  });

  for (const layout of ["image", "files"]) {
    test(`knows the files of layout ${layout}, and the last deployments`, async () => {
      await using project = await newProject();
      const repository = await createBareRepository(project.directory.path, "deployment");
      for (const page of ["one", "two", "three"]) {
        await project.write({ "index.html": page });
        await deploy(project, repository, "--layout", layout);
      }
      const found = await look(repository, 2);
      assert.deepEqual(
        found?.line.map(({ sequence }) => sequence),
        [2, 3],
      );
      const files = found?.files.get("data") ?? [];
      assert.equal(files.length, 5);
      const index = files.find((file) => file.path === "index.html");
      assert.equal(index?.id, await git(project.source, "hash-object", "site/index.html"));
    });
  }

  test("never asks for an image", async () => {
    await using project = await newProject();
    await using server = await gitServer({ token: "token", anonymousRead: true });
    await server.createRepository("deployment");
    await project.write({ "video.bin": "x".repeat(8_000_000) });
    await deploy(project, server.repositoryUrl("deployment", "x"));
    server.reset();
    await look(server.repositoryUrl("deployment"), 8);
    assert.ok(server.totals().bytesOut < 20_000, `${server.totals().bytesOut} bytes`);
  });
});

describe("the Action", () => {
  const build = async (project: Project, repository: string) =>
    runAction({
      directory: ROOT,
      workspace: project.source,
      runnerTemp: project.directory.join("temp"),
      inputs: { mode: "build", kernel: "www.hvt", data: "site", "deployment-repository": repository },
      context: { sha: await git(project.source, "rev-parse", "HEAD"), repository: "mirage/www" },
    });

  test("says what a deploy would push, and carries it in report.json", async () => {
    await using project = await newProject();
    const repository = await createBareRepository(project.directory.path, "deployment");
    await deploy(project, repository);
    await project.write({ "index.html": "changed" });
    await project.commit();
    const result = await build(project, repository);
    assert.equal(result.conclusion, "success", result.log);
    const { comparison } = JSON.parse(await readFile(result.outputs["report"] as string, "utf8"));
    assert.deepEqual(comparison.files[0], {
      volume: "data",
      added: 0,
      changed: 1,
      removed: 0,
      examples: ["~index.html"],
    });
    assert.equal(comparison.push.outcome, "planned");
    assert.equal(comparison.push.sequence, 2);
    assert.match(result.summary, /release 1 \| difference/);
  });

  for (const layout of ["image", "files"]) {
    test(`receives next to nothing where its cache knows what is deployed (layout ${layout})`, async () => {
      await using project = await newProject();
      await using cache = await cacheService();
      await using server = await gitServer({ token: "secret" });
      await server.createRepository("deployment");
      await project.write(
        Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`site/pages/${i}/index.html`, `page ${i}\n`])),
      );
      const deploying = async (run: number) => {
        await project.write({ "site/index.html": `page of run ${run}` });
        await project.commit();
        server.reset();
        // A runner is a new machine each time, with the same paths as the one before.
        await rm(project.directory.join("temp"), { recursive: true, force: true });
        const result = await runAction({
          directory: ROOT,
          workspace: project.source,
          runnerTemp: project.directory.join("temp"),
          inputs: {
            mode: "deploy",
            kernel: "www.hvt",
            data: "site",
            layout,
            token: "secret",
            "deployment-repository": server.repositoryUrl("deployment"),
          },
          env: { ...cache.env },
          context: {
            sha: await git(project.source, "rev-parse", "HEAD"),
            repository: "mirage/www",
            runId: String(run),
          },
        });
        assert.equal(result.conclusion, "success", result.log);
        assert.equal(result.outputs["sequence"], String(run));
        return result;
      };
      await deploying(1);
      await deploying(2);
      const result = await deploying(3);
      const { bytesOut, requests } = server.totals();
      assert.ok(bytesOut < 5000, `${bytesOut} bytes received in ${requests} requests`);
      // What was deployed before is remembered as well: the chart has it.
      assert.match(result.summary, /bar \[\d+(?:\.\d+)?, \d/);
      assert.match(result.summary, /release 2 \| difference/);
    });
  }

  test("goes on without what it cannot read", async () => {
    await using project = await newProject();
    const result = await build(project, "http://127.0.0.1:9/nowhere/there");
    assert.equal(result.conclusion, "success", result.log);
    assert.match(result.log, /not compared with what is deployed/);
  });
});
