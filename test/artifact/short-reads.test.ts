import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { isEnd, stopsAtEnd } from "../../src/artifact/short-reads.ts";
import { CLI } from "../support/project.ts";
import { run } from "../support/process.ts";
import { tempDir, writeTree } from "../support/temp.ts";

const NAMES: Record<string, boolean> = {
  "ext2/ext3": true,
  xfs: true,
  btrfs: true,
  f2fs: true,
  tmpfs: true,
  ramfs: true,
  overlayfs: true,
};

describe("short reads", () => {
  test("say that a file ends where its file system reads through the page cache", (t) => {
    for (const directory of ["/", "/tmp", "/dev/shm", "/proc", "/sys", process.cwd()]) {
      if (!existsSync(directory)) continue;
      const { stdout, status } = spawnSync("stat", ["--file-system", "--format=%T", directory], { encoding: "utf8" });
      if (status !== 0) return t.skip("no stat here that knows file systems");
      assert.equal(stopsAtEnd(directory), NAMES[stdout.trim()] ?? false, `${directory} is ${stdout}`);
    }
    assert.equal(stopsAtEnd("/proc"), false);
    assert.equal(stopsAtEnd("/nowhere/at/all"), false);
  });

  test("say nothing where a failure may have cut them", () => {
    for (const place of [512, 1024, 4096, 65_536, 2 ** 40]) assert.equal(isEnd(place), false);
    for (const place of [1, 511, 513, 4095, 4097, 2 ** 40 + 1]) assert.equal(isEnd(place), true);
  });

  test("are not followed by another, but at whole sectors", async (t) => {
    if (!existsSync("/usr/bin/strace")) return t.skip("strace is not installed");
    await using directory = await tempDir("image");
    const site = directory.join("site");
    if (!stopsAtEnd(directory.path)) return t.skip(`${directory.path} is on a file system of another kind`);
    await writeTree(site, {
      "a-100": "a".repeat(100),
      "b-512": "b".repeat(512),
      "c-5000": "c".repeat(5000),
      "d-0": "",
    });
    const trace = directory.join("trace");
    const args = [
      "--trace=openat,read,pread64,preadv",
      "--decode-fds=path",
      `--output=${trace}`,
      process.execPath,
      CLI,
    ];
    await run("strace", [...args, "image", "create", "--from", site, "--out", directory.join("image")]);
    const lines = (await readFile(trace, "utf8")).split("\n");
    const reads = (name: string) =>
      lines.filter((line) => /^\w*read\w*\(/.test(line) && line.includes(`/${name}>`)).length;
    assert.deepEqual(["a-100", "b-512", "c-5000", "d-0"].map(reads), [1, 2, 1, 1]);
  });
});
