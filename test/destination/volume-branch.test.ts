/** A volume of format git: a branch that git-kv, irmin-git and unipi read as it is. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, test } from "node:test";
import { solo5Kernel } from "../support/elf.ts";
import { git, run } from "../support/process.ts";
import { newProject, type Project, sync } from "../support/project.ts";
import { createBareRepository } from "../support/repository.ts";

const BRANCH = "volume/www/data";

async function deploy(project: Project, repository: string): Promise<void> {
  // Such a kernel reads the site over the network: it has no block device for it.
  await writeFile(path.join(project.source, "www.hvt"), solo5Kernel({ devices: [{ name: "service", type: "net" }] }));
  await project.commit();
  const release = await project.build("--format", "git");
  const ran = await project.cli("deploy", "--release", release, "--repository", repository);
  assert.equal(ran.code, 0, ran.stderr);
}

/** Dates the branch's tip an hour ahead, as a runner with a wrong clock would. */
async function dateAhead(repository: string, branch: string): Promise<void> {
  const date = `@${Math.floor(Date.now() / 1000) + 3600} +0000`;
  const args = [
    "-C",
    repository,
    "-c",
    "user.name=a",
    "-c",
    "user.email=a@example.org",
    "commit-tree",
    "-p",
    branch,
    "-m",
    "Ahead",
    `${branch}^{tree}`,
  ];
  const env = { PATH: process.env.PATH, GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date };
  const made = await run("git", args, { env });
  await git(repository, "update-ref", `refs/heads/${branch}`, made.stdout.trim());
}

describe("a volume of format git", () => {
  test("is the site, on a branch of its own, and the manifest names commit and tree", async () => {
    await using project = await newProject();
    const repository = await createBareRepository(project.directory.path, "deployment");
    await deploy(project, repository);
    await git(project.directory.path, "clone", "--quiet", `--branch=${BRANCH}`, repository, "clone");
    const difference = await run("diff", [
      "-r",
      "--exclude=.git",
      path.join(project.source, "site"),
      project.directory.join("clone"),
    ]);
    assert.equal(difference.stdout, "");
    const { volumes } = JSON.parse(await git(repository, "show", "main:manifest.json"));
    assert.equal(volumes[0].commit, await git(repository, "rev-parse", BRANCH));
    assert.equal(volumes[0].tree, await git(repository, "rev-parse", `${BRANCH}^{tree}`));
    assert.equal(volumes[0].tree, await git(project.source, "rev-parse", "HEAD:site"));
    await git(repository, "fsck", "--strict");
    const host = await sync(project.directory.join("host"), repository);
    assert.equal(host.code, 0, host.stderr);
  });

  test("keeps its commit while its files stay the same", async () => {
    await using project = await newProject();
    const repository = await createBareRepository(project.directory.path, "deployment");
    await deploy(project, repository);
    const before = await git(repository, "rev-parse", BRANCH);
    await deploy(project, repository);
    assert.equal(await git(repository, "rev-parse", BRANCH), before);
    assert.equal(await git(repository, "rev-list", "--count", "main"), "2");
  });

  test("can be followed by readers that ask for what is new since their own commit, over 20 deploys and wrong clocks", async () => {
    await using project = await newProject();
    const repository = await createBareRepository(project.directory.path, "deployment");
    await deploy(project, repository);
    const reader = project.directory.join("reader");
    await git(
      project.directory.path,
      "clone",
      "--quiet",
      "--depth=1",
      `--branch=${BRANCH}`,
      `file://${repository}`,
      reader,
    );
    for (let i = 1; i <= 20; i++) {
      if (i === 5) await dateAhead(repository, "main");
      if (i === 10) await dateAhead(repository, BRANCH);
      await writeFile(path.join(project.source, "site", "index.html"), `deploy ${i}\n`);
      await deploy(project, repository);
      const since = await git(reader, "show", "-s", "--format=%at", "HEAD");
      await git(reader, "fetch", "--quiet", `--shallow-since=@${since}`, "origin", BRANCH);
      await git(reader, "reset", "--quiet", "--hard", "FETCH_HEAD");
    }
    assert.equal(await git(reader, "show", "HEAD:index.html"), "deploy 20");
    await git(repository, "fsck", "--strict");
  });
});
