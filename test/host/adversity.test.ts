/** What a host survives: a network that breaks off, a fetch that was killed, a damaged mirror, a full disk. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readlinkSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { gitServer } from "../support/git-server.ts";
import { git, output } from "../support/process.ts";
import { hosting, VIRTIO } from "./hosting.ts";

/** A file system of so many megabytes, or why there is none. */
function mountable(): string | false {
  if (process.getuid?.() !== 0) return "only root may mount";
  const probe = spawnSync("unshare", ["--mount", "mount", "-t", "tmpfs", "none", "/mnt"]);
  return probe.status === 0 ? false : "a file system cannot be mounted here";
}

describe("host sync", () => {
  test("outlives a connection that breaks off", async () => {
    await using server = await gitServer({ token: "token", anonymousRead: true });
    await using host = await hosting({
      kernel: VIRTIO,
      target: "virtio",
      repositories: server.root,
      address: () => server.repositoryUrl("deployment"),
    });
    await host.configure("");
    await host.deploy({ "index.html": "one\n" });
    assert.equal((await host.host("sync")).code, 0);
    const before = readlinkSync(path.join(host.state, "current"));
    await host.deploy({ "index.html": "two\n" });
    server.fault = () => ({ cutAfterBytes: 200, direction: "response" });
    assert.equal((await host.host("sync")).code, 3);
    server.fault = () => ({ status: 503 });
    assert.equal((await host.host("sync")).code, 3);
    assert.equal(readlinkSync(path.join(host.state, "current")), before);
    server.fault = undefined;
    assert.equal((await host.host("sync")).code, 0);
    assert.notEqual(readlinkSync(path.join(host.state, "current")), before);
  });

  test("puts a mirror right that a killed fetch or a power cut left", async () => {
    await using host = await hosting({ kernel: VIRTIO, target: "virtio" });
    await host.configure("");
    await host.deploy({ "index.html": "one\n" });
    assert.equal((await host.host("sync")).code, 0);
    const mirror = path.join(host.state, "mirror");
    for (const lock of ["shallow.lock", "refs/heads/tip.lock", "packed-refs.lock"])
      writeFileSync(path.join(mirror, lock), "");
    await host.deploy({ "index.html": "two\n" });
    const ran = await host.host("sync");
    assert.equal(ran.code, 0, ran.stderr);
    await host.deploy({ "index.html": "three\n" });
    for (const entry of readdirSync(path.join(mirror, "objects"), { recursive: true, withFileTypes: true }))
      if (entry.isFile()) truncateSync(path.join(entry.parentPath, entry.name), 0);
    const damaged = await host.host("sync");
    assert.equal(damaged.code, 0, damaged.stderr);
    rmSync(path.join(mirror, "HEAD"));
    assert.equal((await host.host("sync")).code, 0);
  });

  test("refuses a tree of a few objects that names files without end", async () => {
    await using host = await hosting({ kernel: VIRTIO, target: "virtio" });
    await host.configure("");
    await host.deploy({ "index.html": "one\n" });
    assert.equal((await host.host("sync")).code, 0);
    const before = readlinkSync(path.join(host.state, "current"));
    const tip = await git(host.repository, "rev-parse", "main^{tree}");
    const entries = (await git(host.repository, "ls-tree", tip)).split("\n");
    const blob = /blob ([0-9a-f]+)/.exec(entries.join(" "))?.[1];
    const mktree = (lines: readonly string[]) =>
      output("git", ["mktree"], { cwd: host.repository, input: lines.map((line) => `${line}\n`).join("") });
    // 100 to the power of 4; with long names it is noticed sooner.
    const names = Array.from({ length: 100 }, (_, i) => `${i}-`.padEnd(240, "x"));
    let tree = await mktree(names.map((name) => `100644 blob ${blob}\t${name}`));
    for (let depth = 0; depth < 3; depth++) tree = await mktree(names.map((name) => `040000 tree ${tree}\t${name}`));
    const bomb = await mktree([...entries, `040000 tree ${tree}\tbomb`]);
    const commit = await git(host.repository, "commit-tree", "-p", "main", "-m", "More than there is", bomb);
    await git(host.repository, "update-ref", "refs/heads/main", commit);
    const ran = await host.host("sync");
    assert.equal(ran.code, 4, ran.stderr);
    assert.match(ran.stderr, /more files than any site has/);
    assert.equal(readlinkSync(path.join(host.state, "current")), before);
  });

  test("leaves everything as it was when the disk is full", { skip: mountable() }, async () => {
    await using host = await hosting({ kernel: VIRTIO, target: "virtio" });
    await host.configure("");
    await host.deploy({ "index.html": "one\n" });
    mkdirSync(host.state);
    assert.equal(spawnSync("mount", ["-t", "tmpfs", "-o", "size=8m", "none", host.state]).status, 0);
    try {
      assert.equal((await host.host("sync")).code, 0);
      const before = readlinkSync(path.join(host.state, "current"));
      let x = 1;
      const noise = Array.from({ length: 6_000_000 }, () => {
        x = (Math.imul(x, 1_664_525) + 1_013_904_223) | 0;
        return String.fromCharCode(33 + ((x >>> 16) % 90));
      });
      await host.deploy({ "large.bin": noise.join("") });
      const full = await host.host("sync");
      assert.equal(full.code, 3, full.stderr);
      assert.match(full.stderr, /full|space/);
      assert.equal(readlinkSync(path.join(host.state, "current")), before);
      spawnSync("mount", ["-o", "remount,size=64m", host.state]);
      assert.equal((await host.host("sync")).code, 0);
      assert.notEqual(readlinkSync(path.join(host.state, "current")), before);
    } finally {
      spawnSync("umount", [host.state]);
    }
  });
});
