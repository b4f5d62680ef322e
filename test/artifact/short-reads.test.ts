import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, readFile, realpath } from "node:fs/promises";
import path from "node:path";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { hasMountBelow, isEnd, stopsAtEnd } from "../../src/artifact/short-reads.ts";
import { lacks } from "../image/making.ts";
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
};

describe("short reads", () => {
  test("say that a file ends where its file system reads through the page cache", (t) => {
    for (const directory of ["/", "/tmp", "/dev/shm", "/proc", "/sys", process.cwd()]) {
      if (!existsSync(directory)) continue;
      const { stdout, status } = spawnSync("stat", ["--file-system", "--format=%T", directory], { encoding: "utf8" });
      if (status !== 0) return t.skip("no stat here that knows file systems");
      const expected =
        (NAMES[stdout.trim()] ?? false) && !hasMountBelow(directory, readFileSync("/proc/self/mountinfo", "utf8"));
      assert.equal(stopsAtEnd(directory), expected, `${directory} is ${stdout}`);
    }
    assert.equal(stopsAtEnd("/proc"), false);
    assert.equal(stopsAtEnd("/nowhere/at/all"), false);
  });

  test("say nothing where something else is mounted below", async (t) => {
    await using directory = await tempDir("image");
    const site = await realpath(directory.path);
    if (!stopsAtEnd(site)) return t.skip(`${site} is on a file system of another kind`);
    await mkdir(path.join(site, "a b"));
    const module = pathToFileURL(path.resolve("src/artifact/short-reads.ts")).href;
    const ask = `import("${module}").then((m) => process.stdout.write(String(m.stopsAtEnd(process.argv[1]))))`;
    const script = 'mount -t tmpfs none "$1/a b" && exec "$2" -e "$3" "$1"';
    const args = ["--mount", "--map-root-user", "sh", "-c", script, "sh", site, process.execPath, ask];
    const { error, status, stdout, stderr } = spawnSync("unshare", args, { encoding: "utf8" });
    if (error || (status !== 0 && /unshare|mount:/.test(stderr)))
      return t.skip(`nothing can be mounted here: ${error?.message ?? stderr.trim()}`);
    assert.equal(stdout, "false", stderr);
    assert.equal(stopsAtEnd(site), true);
  });

  test("are known by what the system says of mounts", () => {
    const line = (place: string) => `36 35 98:0 /mnt1 ${place} rw,noatime master:1 - ext3 /dev/root rw,errors=continue`;
    const has = (directory: string, ...places: string[]) => hasMountBelow(directory, places.map(line).join("\n"));
    assert.equal(has("/srv/site", "/", "/srv", "/srv/site", "/srv/site2", "/srv/sit"), false);
    assert.equal(has("/srv/site", "/", "/srv/site/media"), true);
    assert.equal(has("/srv/a site", "/srv/a\\040site/b"), true);
    assert.equal(has("/", "/"), false);
    assert.equal(has("/", "/", "/proc"), true);
    assert.equal(hasMountBelow("/srv", ""), false);
  });

  test("say nothing where a failure may have cut them", () => {
    for (const place of [512, 1024, 4096, 65_536, 2 ** 40]) assert.equal(isEnd(place), false);
    for (const place of [1, 511, 513, 4095, 4097, 2 ** 40 + 1]) assert.equal(isEnd(place), true);
  });

  test("are not followed by another, but at whole sectors", { skip: lacks("strace", "strace") }, async (t) => {
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
    const probe = spawnSync("strace", ["--output=/dev/null", "true"], { encoding: "utf8" });
    if (probe.status !== 0) return t.skip(`nothing can be traced here: ${probe.stderr.trim()}`);
    await run("strace", [...args, "image", "create", "--from", site, "--out", directory.join("image")]);
    const lines = (await readFile(trace, "utf8")).split("\n");
    const reads = (name: string) =>
      lines.filter((line) => /^\w*read\w*\(/.test(line) && line.includes(`/${name}>`)).length;
    assert.deepEqual(["a-100", "b-512", "c-5000", "d-0"].map(reads), [1, 2, 1, 1]);
  });
});
