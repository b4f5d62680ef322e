/** Retention of deployments. The judge is git itself. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, test } from "node:test";
import { type GitRequest, gitServer } from "../support/git-server.ts";
import { git, gitEnvironment } from "../support/process.ts";
import { CLI, newProject, type Project, runCli, sync } from "../support/project.ts";
import { tamper } from "../support/site.ts";

async function deployTimes(project: Project, url: string, times: number): Promise<string[]> {
  const sources: string[] = [];
  for (let i = 1; i <= times; i++) {
    await project.write({ "index.html": `deploy ${i}\n` });
    sources.push(await project.commit());
    const ran = await project.cli("deploy", "--release", await project.build(), "--repository", url);
    assert.equal(ran.code, 0, ran.stderr);
  }
  return sources;
}

describe("prune", () => {
  test("keeps the last deployments with their trees, dates and tags, and no others", async () => {
    await using project = await newProject();
    await using server = await gitServer({ token: "secret" });
    const repository = await server.createRepository("deployment");
    const url = server.repositoryUrl("deployment", "git");
    const sources = await deployTimes(project, url, 5);
    const format = "--format=%T %at %ct %s";
    const before = (await git(repository, "log", format, "main")).split("\n").slice(0, 2);
    const host = project.directory.join("host");
    assert.equal((await sync(host, repository)).code, 0);

    const planned = await project.cli("prune", "--repository", url, "--history", "2", "--dry-run", "--json");
    assert.equal(planned.code, 0, planned.stderr);
    assert.equal(JSON.parse(planned.stdout).removedTags.length, 3);
    assert.equal(await git(repository, "rev-list", "--count", "main"), "5");

    server.reset();
    const ran = await project.cli("prune", "--repository", url, "--history", "2", "--json");
    assert.equal(ran.code, 0, ran.stderr);
    assert.ok(server.totals().bytesIn < 10_000, `${server.totals().bytesIn} bytes sent: only commits and tags are new`);
    assert.deepEqual((await git(repository, "log", format, "main")).split("\n"), before);
    const tags = (await git(repository, "tag")).split("\n").toSorted();
    assert.deepEqual(
      tags,
      sources
        .slice(3)
        .map((source) => `source/www/${source}`)
        .toSorted(),
    );
    assert.equal(
      await git(repository, "rev-parse", `source/www/${sources[4]}^{commit}`),
      await git(repository, "rev-parse", "main"),
    );
    await git(repository, "fsck", "--strict");
    await git(repository, "gc", "--quiet", "--prune=now");

    const again = await project.cli("prune", "--repository", url, "--history", "2", "--json");
    assert.equal(JSON.parse(again.stdout).changed, false);
    const followed = await sync(host, repository);
    assert.match(followed.stdout, /"outcome": "current"/);
    const next = await deployTimes(project, url, 1);
    assert.equal(JSON.parse(await git(repository, "show", "main:manifest.json")).sequence, 6);
    assert.equal(next.length, 1);
    assert.match((await sync(host, repository)).stdout, /"outcome": "updated"/);
  });

  test("comes with a deploy that asks for it", async () => {
    await using project = await newProject();
    await using server = await gitServer({ token: "secret" });
    const repository = await server.createRepository("deployment");
    const url = server.repositoryUrl("deployment", "git");
    await deployTimes(project, url, 2);
    await project.commit();
    const ran = await project.cli(
      "deploy",
      "--release",
      await project.build(),
      "--repository",
      url,
      "--history",
      "2",
      "--json",
    );
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(await git(repository, "rev-list", "--count", "main"), "2");
    assert.equal(JSON.parse(ran.stdout).deployed.revision, await git(repository, "rev-parse", "main"));
  });

  test("leaves the next deploy as little to ask as there was before", async () => {
    await using project = await newProject();
    await using server = await gitServer({ token: "secret" });
    await server.createRepository("deployment");
    const env = { UNIKERNEL_DEPLOY_CACHE: project.directory.join("cache") };
    const requests: string[] = [];
    for (let i = 1; i <= 4; i++) {
      await project.write({ "index.html": `deploy ${i}\n` });
      await project.commit();
      server.reset();
      const to = ["--repository", server.repositoryUrl("deployment", "git"), "--history", "2"];
      const ran = await runCli(project.source, ["deploy", "--release", await project.build(), ...to], env);
      assert.equal(ran.code, 0, ran.stderr);
      const until = server.requests.findIndex(
        ({ service, method }) => service === "git-receive-pack" && method === "POST",
      );
      requests.push(
        server.requests
          .slice(0, until)
          .map(({ service }) => service)
          .join(" "),
      );
    }
    assert.deepEqual(
      requests.slice(1),
      Array.from({ length: 3 }, () => "git-upload-pack"),
    );
  });

  test("that a push comes before changes nothing, and one that is killed neither", async () => {
    await using project = await newProject();
    await using server = await gitServer({ token: "secret" });
    const repository = await server.createRepository("deployment");
    const url = server.repositoryUrl("deployment", "git");
    await deployTimes(project, url, 4);
    const prune = ["prune", "--repository", url, "--history", "2"];
    const refs = () => git(repository, "for-each-ref", "--format=%(objectname) %(refname)");
    const isPush = ({ service, method, authorized }: GitRequest) =>
      service === "git-receive-pack" && method === "POST" && authorized;

    server.fault = async (request) => {
      if (isPush(request)) await tamper(repository, [{ path: "NOTES", content: "mine\n" }]);
      return undefined;
    };
    const raced = await project.cli(...prune);
    assert.equal(raced.code, 3);
    assert.match(raced.stderr, /moved while its history was cut/);
    assert.equal(await git(repository, "rev-list", "--count", "main"), "5");

    const before = await refs();
    const child = spawn(process.execPath, [CLI, ...prune], {
      cwd: project.source,
      env: gitEnvironment(),
      stdio: "ignore",
    });
    server.fault = (request) => {
      if (!isPush(request)) return undefined;
      child.kill("SIGKILL");
      return { cutAfterBytes: 100, direction: "request" };
    };
    assert.deepEqual(await once(child, "exit"), [null, "SIGKILL"]);
    server.fault = undefined;
    assert.equal(await refs(), before);
    await git(repository, "fsck", "--strict");

    const last = await project.cli(...prune);
    assert.equal(last.code, 0, last.stderr);
    assert.equal(await git(repository, "rev-list", "--count", "main"), "2");
  });

  test("of a repository without that branch is one clear error", async () => {
    await using project = await newProject();
    await using server = await gitServer({ token: "secret" });
    await server.createRepository("deployment");
    const ran = await project.cli(
      "prune",
      "--repository",
      server.repositoryUrl("deployment", "git"),
      "--history",
      "2",
      "--json",
    );
    assert.equal(ran.code, 3);
    assert.equal(JSON.parse(ran.stdout).error.code, "RELEASE_MISSING");
  });
});
