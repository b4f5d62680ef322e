/**
 * A real site (the HTML of Debian's python3-doc) from directory to host, over smart HTTP with a token and over sshd with
 * a deploy key. Bytes are counted at the servers.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { appendFile, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, test } from "node:test";
import { gitServer } from "./support/git-server.ts";
import { git, run } from "./support/process.ts";
import { newProject, type Project, runCli, sync } from "./support/project.ts";
import { sshServer, sshServerMissing } from "./support/ssh-server.ts";

const DOCUMENTATION = "/usr/share/doc/python3.11/html";
const missing = existsSync(path.join(DOCUMENTATION, "index.html"))
  ? false
  : "python3-doc is not installed (Debian: apt-get install python3-doc)";

async function sha256(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** A project whose site is the documentation, with every link followed. */
async function documentationProject(): Promise<Project> {
  const project = await newProject({});
  await run("cp", ["-rL", DOCUMENTATION, path.join(project.source, "site")]);
  await project.commit("The documentation");
  return project;
}

/** Deploys twice, the second time with one page changed; what the second push sent, and a synced host each time. */
async function deployTwice(project: Project, url: string, layout: string, more: readonly string[], sent: () => number) {
  const release = await project.build();
  const deploy = async () => {
    const ran = await runCli(project.source, [
      "deploy",
      "--release",
      release,
      "--repository",
      url,
      "--layout",
      layout,
      ...more,
    ]);
    assert.equal(ran.code, 0, ran.stderr);
  };
  await deploy();
  await appendFile(path.join(project.source, "site/library/functions.html"), "<!-- changed -->\n");
  await project.commit("Change one page");
  await project.build();
  const before = sent();
  await deploy();
  return { release, sent: sent() - before };
}

describe("python3-doc", { skip: missing }, () => {
  test("is one image that GNU tar and bsdtar read as exactly the site", async () => {
    await using project = await documentationProject();
    const image = path.join(await project.build(), "volumes/data.img");
    for (const tar of ["tar", "bsdtar"]) {
      const target = project.directory.join(tar);
      await run("mkdir", [target]);
      const extracted = await run(tar, ["-xf", image, "-C", target], { timeoutMs: 120_000 });
      assert.equal(extracted.code, 0, extracted.stderr);
      const difference = await run("diff", ["-r", path.join(project.source, "site"), target]);
      assert.equal(difference.stdout + difference.stderr, "");
      const listed = (await run(tar, ["-tf", image])).stdout.trim().split("\n").length;
      const files = (await run("find", [target, "-type", "f"])).stdout.trim().split("\n").length;
      assert.equal(listed, files);
      await rm(target, { recursive: true });
    }
  });

  for (const layout of ["image", "files"]) {
    test(`costs less than 100 kB to change over HTTP with a token, layout ${layout}`, async (t) => {
      await using project = await documentationProject();
      await using server = await gitServer({ token: "token-of-the-test" });
      const repository = await server.createRepository("deployment");
      const url = server.repositoryUrl("deployment", "x-access-token");
      const { release, sent } = await deployTwice(project, url, layout, [], () => server.totals().bytesIn);
      t.diagnostic(`layout ${layout}, HTTP: ${sent} bytes received by the server for one changed page`);
      assert.ok(sent < 100_000, `${sent} bytes`);
      await git(repository, "fsck", "--strict");
      const host = project.directory.join("host");
      const ran = await sync(host, repository);
      assert.equal(ran.code, 0, ran.stderr);
      const manifest = JSON.parse(await readFile(path.join(host, "state/current/manifest.json"), "utf8")) as {
        volumes: [{ sha256: string }];
      };
      assert.equal(await sha256(path.join(host, "state/current/volumes/data.img")), manifest.volumes[0].sha256);
      assert.equal(await sha256(path.join(release, "volumes/data.img")), manifest.volumes[0].sha256);
    });

    test(`costs less than 100 kB to change over sshd with a deploy key, layout ${layout}`, {
      skip: sshServerMissing(),
    }, async (t) => {
      await using project = await documentationProject();
      await using server = await sshServer();
      const repository = await server.createRepository("deployment");
      const hosts = project.directory.join("known_hosts");
      await writeFile(hosts, `${server.knownHosts}\n`);
      const access = ["--ssh-key", server.clientKeyFile, "--known-hosts", hosts];
      const { sent } = await deployTwice(project, server.url("deployment"), layout, access, () => server.bytes.in);
      t.diagnostic(`layout ${layout}, ssh: ${sent} bytes received by the server for one changed page`);
      assert.ok(sent < 100_000, `${sent} bytes`);
      await git(repository, "fsck", "--strict");
    });
  }
});
