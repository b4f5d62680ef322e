/** Deploying to a git repository, as its host and its other users see it. The judge is git itself. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, test } from "node:test";
import { gitServer } from "../support/git-server.ts";
import { git, run } from "../support/process.ts";
import { newProject, runCli, sync } from "../support/project.ts";
import { createBareRepository } from "../support/repository.ts";

interface Deployed {
  readonly outcome: string;
  readonly revision: string;
  readonly changed: number;
}

const deployedOf = (stdout: string) => (JSON.parse(stdout) as { deployed: Deployed }).deployed;
const manifestOf = async (repository: string, ref = "main") =>
  JSON.parse(await git(repository, "show", `${ref}:manifest.json`)) as Record<string, never> & { sequence: number };

describe("a deployment repository", () => {
  test("gets one commit and one annotated tag for a source commit", async () => {
    await using project = await newProject();
    const repository = await createBareRepository(project.directory.path, "deployment");
    const release = await project.build();
    const ran = await project.cli("deploy", "--release", release, "--repository", repository, "--json");
    assert.equal(ran.code, 0, ran.stderr);
    const source = await git(project.source, "rev-parse", "HEAD");
    assert.equal(await git(repository, "log", "--format=%s", "main"), `Deploy www from www@${source.slice(0, 12)}`);
    const trailers = await git(repository, "log", "--format=%(trailers:only)", "main");
    assert.match(trailers, new RegExp(`^Source-Commit: ${source}\nRelease-Sequence: 1$`, "m"));
    assert.equal(await git(repository, "cat-file", "-t", `source/www/${source}`), "tag");
    assert.equal(
      await git(repository, "rev-parse", `source/www/${source}^{commit}`),
      await git(repository, "rev-parse", "main"),
    );
    await git(repository, "fsck", "--strict");
    const files = (await git(repository, "ls-tree", "-r", "--name-only", "main")).split("\n");
    assert.deepEqual(files, [
      "README.md",
      "SHA256SUMS",
      "kernels/www.hvt",
      "launch/www.hvt.service",
      "launch/www.hvt.sh",
      "manifest.json",
      "volumes/data.img",
      "volumes/data.index",
    ]);
    assert.equal((await manifestOf(repository)).sequence, 1);
  });

  test("serves a host that has nothing but git and sha256sum", async () => {
    await using project = await newProject();
    const repository = await createBareRepository(project.directory.path, "deployment");
    const release = await project.build();
    await project.cli("deploy", "--release", release, "--repository", repository);
    await git(project.directory.path, "clone", "--quiet", "--depth=1", `file://${repository}`, "clone");
    const sums = await run("sha256sum", ["-c", "SHA256SUMS"], { cwd: project.directory.join("clone") });
    assert.equal(sums.stdout, "kernels/www.hvt: OK\nvolumes/data.img: OK\n");
    const script = await run("sh", ["-n", project.directory.join("clone/launch/www.hvt.sh")]);
    assert.equal(script.code, 0, script.stderr);
  });

  test("is left as it is by a second deploy of the same commit", async () => {
    await using project = await newProject();
    const repository = await createBareRepository(project.directory.path, "deployment");
    const release = await project.build();
    await project.cli("deploy", "--release", release, "--repository", repository);
    const before = await git(repository, "for-each-ref");
    const again = await project.cli("deploy", "--release", release, "--repository", repository, "--json");
    assert.equal(again.code, 0);
    assert.equal(deployedOf(again.stdout).outcome, "unchanged");
    assert.equal(await git(repository, "for-each-ref"), before);
  });

  test("keeps what others put there, and its own README", async () => {
    await using project = await newProject();
    const repository = await createBareRepository(project.directory.path, "deployment");
    await git(project.directory.path, "clone", "--quiet", repository, "other");
    const other = project.directory.join("other");
    await writeFile(path.join(other, "README.md"), "ours\n");
    await writeFile(path.join(other, "NOTES"), "keep me\n");
    await run("mkdir", ["-p", path.join(other, "kernels")]);
    await writeFile(path.join(other, "kernels", "hand-made"), "keep me too\n");
    await git(other, "add", "--all");
    await git(other, "commit", "--quiet", "--message=By hand");
    await git(other, "push", "--quiet", "origin", "HEAD:refs/heads/main");
    for (const layout of ["image", "files", "image"]) {
      await project.commit();
      const release = await project.build();
      const ran = await project.cli("deploy", "--release", release, "--repository", repository, "--layout", layout);
      assert.equal(ran.code, 0, ran.stderr);
    }
    assert.equal(await git(repository, "show", "main:README.md"), "ours");
    assert.equal(await git(repository, "show", "main:NOTES"), "keep me");
    assert.equal(await git(repository, "show", "main:kernels/hand-made"), "keep me too");
    const volumes = await git(repository, "ls-tree", "-r", "--name-only", "main", "volumes/");
    assert.equal(volumes, "volumes/data.img\nvolumes/data.index");
    assert.equal((await manifestOf(repository)).sequence, 3);
  });

  test("holds the site itself in layout files, and the same image comes of it", async () => {
    await using project = await newProject();
    const images = await createBareRepository(project.directory.path, "images");
    const files = await createBareRepository(project.directory.path, "files");
    const release = await project.build();
    await project.cli("deploy", "--release", release, "--repository", images);
    await project.cli("deploy", "--release", release, "--repository", files, "--layout", "files");
    assert.equal(
      await git(files, "rev-parse", "main:volumes/data"),
      await git(project.source, "rev-parse", "HEAD:site"),
    );
    const built = await readFile(path.join(release, "volumes/data.img"));
    for (const repository of [images, files]) {
      const host = project.directory.join(path.basename(repository));
      const ran = await sync(`${host}-host`, repository);
      assert.equal(ran.code, 0, ran.stderr);
      assert.deepEqual(await readFile(path.join(`${host}-host`, "state/current/volumes/data.img")), built);
    }
  });

  test("may be shared by several sites, each below its own path", async () => {
    await using project = await newProject();
    const repository = await createBareRepository(project.directory.path, "deployment");
    for (const name of ["blog", "shop"]) {
      const release = await project.build("--name", name);
      const ran = await project.cli(
        "deploy",
        "--release",
        release,
        "--repository",
        repository,
        "--path",
        `sites/${name}`,
      );
      assert.equal(ran.code, 0, ran.stderr);
    }
    const names = await git(repository, "ls-tree", "-r", "--name-only", "main");
    assert.match(names, /^sites\/blog\/manifest\.json$/m);
    assert.match(names, /^sites\/shop\/manifest\.json$/m);
    const host = await sync(project.directory.join("host"), repository, "path: sites/shop\n", "shop");
    assert.equal(host.code, 0, host.stderr);
  });

  test("never gets a commit older than its tip", async () => {
    await using project = await newProject();
    const repository = await createBareRepository(project.directory.path, "deployment");
    await project.cli("deploy", "--release", await project.build(), "--repository", repository);
    const future = Math.floor(Date.now() / 1000) + 3600;
    const tree = await git(repository, "rev-parse", "main^{tree}");
    const ahead = await run(
      "git",
      [
        "-C",
        repository,
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@example.org",
        "commit-tree",
        tree,
        "-p",
        "main",
        "-m",
        "A clock ahead",
      ],
      {
        env: { PATH: process.env.PATH, GIT_AUTHOR_DATE: `@${future} +0000`, GIT_COMMITTER_DATE: `@${future} +0000` },
      },
    );
    await git(repository, "update-ref", "refs/heads/main", ahead.stdout.trim());
    await project.commit();
    await project.cli("deploy", "--release", await project.build(), "--repository", repository);
    const [author, committer] = (await git(repository, "show", "-s", "--format=%at %ct", "main"))
      .split(" ")
      .map(Number);
    assert.equal(author, future);
    assert.equal(committer, future);
  });

  test("refuses other bytes of a deployed commit, naming them, unless forced", async () => {
    await using project = await newProject();
    const repository = await createBareRepository(project.directory.path, "deployment");
    await project.cli("deploy", "--release", await project.build(), "--repository", repository);
    const tip = await git(repository, "rev-parse", "main");
    await project.write({ "index.html": "another build of the same commit\n" });
    const release = await project.build();
    const refused = await project.cli("deploy", "--release", release, "--repository", repository, "--json");
    assert.equal(refused.code, 3);
    assert.match(refused.stdout, /"RELEASE_CONFLICT"/);
    assert.match(refused.stderr, /volumes\/data/);
    assert.equal(await git(repository, "rev-parse", "main"), tip);
    const forced = await project.cli("deploy", "--release", release, "--repository", repository, "--force", "--json");
    assert.equal(forced.code, 0, forced.stderr);
    assert.equal((await manifestOf(repository)).sequence, 2);
    const source = await git(project.source, "rev-parse", "HEAD");
    assert.equal(
      await git(repository, "rev-parse", `source/www/${source}^{commit}`),
      await git(repository, "rev-parse", "main"),
    );
  });

  test("gets a release that another branch has, and knows an older one of its own again", async () => {
    await using project = await newProject();
    const repository = await createBareRepository(project.directory.path, "deployment");
    const release = await project.build();
    const deploy = (branch: string, from = release) =>
      project.cli("deploy", "--release", from, "--repository", repository, "--branch", branch, "--json");
    assert.equal(deployedOf((await deploy("staging")).stdout).outcome, "deployed");
    assert.equal(deployedOf((await deploy("main")).stdout).outcome, "deployed");
    await run("cp", ["-r", release, project.directory.join("first")]);
    await project.commit();
    assert.equal(deployedOf((await deploy("main", await project.build())).stdout).outcome, "deployed");
    assert.equal(deployedOf((await deploy("main", project.directory.join("first"))).stdout).outcome, "unchanged");
    const pruned = await project.cli(
      "prune",
      "--repository",
      repository,
      "--branch",
      "staging",
      "--history",
      "1",
      "--json",
    );
    assert.equal(pruned.code, 0, pruned.stderr);
    assert.equal((await git(repository, "tag")).split("\n").length, 2);
  });

  test("is not the source's own repository", async () => {
    await using project = await newProject();
    const repository = await createBareRepository(project.directory.path, "www");
    await git(project.source, "push", "--quiet", repository, "HEAD:refs/heads/main");
    await project.commit("Not pushed yet");
    const tip = await git(repository, "rev-parse", "main");
    const ran = await project.cli("deploy", "--release", await project.build(), "--repository", repository, "--json");
    assert.equal(ran.code, 3);
    assert.equal(JSON.parse(ran.stdout).error.code, "REPOSITORY_FOREIGN");
    assert.equal(await git(repository, "rev-parse", "main"), tip);
  });

  test("is not touched by a dry run", async () => {
    await using project = await newProject();
    const repository = await createBareRepository(project.directory.path, "deployment");
    const ran = await project.cli(
      "deploy",
      "--release",
      await project.build(),
      "--repository",
      repository,
      "--dry-run",
      "--json",
    );
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(deployedOf(ran.stdout).outcome, "planned");
    assert.equal(await git(repository, "for-each-ref"), "");
  });

  test("gets an older source commit only by force", async () => {
    await using project = await newProject();
    const repository = await createBareRepository(project.directory.path, "deployment");
    const older = await project.build();
    await run("cp", ["-r", older, project.directory.join("older")]);
    await project.commit();
    await project.cli("deploy", "--release", await project.build(), "--repository", repository);
    const late = await project.cli(
      "deploy",
      "--release",
      project.directory.join("older"),
      "--repository",
      repository,
      "--json",
    );
    assert.equal(late.code, 0, late.stderr);
    assert.equal(deployedOf(late.stdout).outcome, "superseded");
    const forced = await project.cli(
      "deploy",
      "--release",
      project.directory.join("older"),
      "--repository",
      repository,
      "--force",
      "--json",
    );
    assert.equal(deployedOf(forced.stdout).outcome, "deployed");
  });

  test("takes pushes that race, all of them", async () => {
    await using project = await newProject();
    await using server = await gitServer({ token: "secret" });
    const repository = await server.createRepository("deployment");
    const sources = ["one", "two", "three", "four"].map((name) => project.directory.join(name));
    for (const source of sources) {
      await run("cp", ["-r", project.source, source]);
      await git(source, "commit", "--quiet", "--allow-empty", `--message=${source}`);
    }
    const runs = await Promise.all(
      sources.map(async (source) => {
        const release = `${source}-release`;
        await runCli(source, ["build", "--kernel", "www.hvt", "--data", "site", "--out", release]);
        return runCli(source, [
          "deploy",
          "--release",
          release,
          "--repository",
          server.repositoryUrl("deployment", "git"),
        ]);
      }),
    );
    for (const { code, stderr } of runs) assert.equal(code, 0, stderr);
    assert.equal((await manifestOf(repository)).sequence, 4);
    assert.equal((await git(repository, "tag")).split("\n").length, 4);
    await git(repository, "fsck", "--strict");
  });

  test("carries a signature that a host can demand", async () => {
    await using project = await newProject();
    const repository = await createBareRepository(project.directory.path, "deployment");
    const key = project.directory.join("key");
    await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "deployer", "-f", key]);
    const signed = await project.cli(
      "deploy",
      "--release",
      await project.build(),
      "--repository",
      repository,
      "--signing-key",
      key,
    );
    assert.equal(signed.code, 0, signed.stderr);
    const [type, text] = (await readFile(`${key}.pub`, "utf8")).split(" ");
    await writeFile(project.directory.join("allowed"), `deployer ${type} ${text}\n`);
    const host = await sync(
      project.directory.join("host"),
      repository,
      `allowed-signers: ${project.directory.join("allowed")}\n`,
    );
    assert.equal(host.code, 0, host.stderr);
    assert.match(host.stdout, /"signer": "deployer"/);
  });
});
