/** What is remembered of a repository: it may be damaged, foreign or gone, and only saves bytes. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { fc } from "../support/fuzz.ts";
import { memoryDirectory, openMemory } from "../../src/destination/memory.ts";
import { type GitObject, objectId } from "../../src/destination/wire/object.ts";
import { gitServer } from "../support/git-server.ts";
import { git, output } from "../support/process.ts";
import { newProject, runCli } from "../support/project.ts";
import { tempDir } from "../support/temp.ts";

const PLACE = { url: "https://forge.example/o/r.git", branch: "main", path: "" };
const blob = (text: string): GitObject => ({ type: "blob", bytes: Buffer.from(text) });

describe("the memory", () => {
  test("holds objects by their digests, for one place and not for another", async () => {
    await using dir = await tempDir("memory");
    openMemory(dir.path, PLACE).save([blob("one"), { type: "tree", bytes: Buffer.alloc(0) }]);
    const loaded = openMemory(dir.path, PLACE).load();
    assert.deepEqual(
      [...loaded.keys()].sort(),
      [objectId(blob("one")), "4b825dc642cb6eb9a060e54bf8d69288fbee4904"].sort(),
    );
    assert.equal(openMemory(dir.path, { ...PLACE, branch: "other" }).load().size, 0);
    assert.equal(openMemory(undefined, PLACE).load().size, 0);
  });

  test("of any bytes holds nothing that is not what its id says", async () => {
    await using dir = await tempDir("memory");
    openMemory(dir.path, PLACE).save([blob("one"), blob("two"), blob("three")]);
    const file = dir.join((await readdir(dir.path))[0] as string);
    const good = await readFile(file);
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), async (at, byte, length) => {
        const bad = Buffer.from(good.subarray(0, Math.max(length, at + 1)));
        bad[at] = byte;
        await writeFile(file, bad);
        for (const [id, object] of openMemory(dir.path, PLACE).load()) assert.equal(objectId(object), id);
      }),
      { numRuns: 100 },
    );
    await writeFile(file, randomBytes(1000));
    assert.equal(openMemory(dir.path, PLACE).load().size, 0);
  });

  test("that cannot be written costs nothing but what it would have saved", async () => {
    await using dir = await tempDir("memory");
    await writeFile(dir.join("file"), "");
    openMemory(dir.join("file", "below"), PLACE).save([blob("one")]);
    assert.equal(openMemory(dir.join("file", "below"), PLACE).load().size, 0);
  });

  test("is where the environment says", () => {
    assert.equal(memoryDirectory({ UNIKERNEL_DEPLOY_CACHE: "/a", XDG_CACHE_HOME: "/b", HOME: "/c" }), "/a");
    assert.equal(memoryDirectory({ XDG_CACHE_HOME: "/b", HOME: "/c" }), "/b/unikernel-deploy");
    assert.equal(memoryDirectory({ HOME: "/tmp" }), "/tmp/.cache/unikernel-deploy");
    assert.equal(memoryDirectory({ HOME: "/nonexistent" }), undefined, "a home is not ours to make");
    assert.equal(memoryDirectory({}), undefined);
  });
});

describe("a deploy", () => {
  for (const layout of ["image", "files"]) {
    test(`that remembers asks for the refs and pushes, whatever the site is (${layout})`, async () => {
      await using project = await newProject();
      await using server = await gitServer({ token: "secret" });
      const repository = await server.createRepository("deployment");
      const deploy = async (...more: string[]) => {
        const to = ["--repository", server.repositoryUrl("deployment", "git"), "--layout", layout];
        const args = ["deploy", "--release", await project.build(), ...to, ...more];
        const ran = await runCli(project.source, args, { UNIKERNEL_DEPLOY_CACHE: project.directory.join("cache") });
        assert.equal(ran.code, 0, ran.stderr);
      };
      const pages = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`pages/${i}/index.html`, `page ${i}\n`]));
      await project.write(pages);
      await project.commit();
      await deploy();
      await project.write({ "pages/7/index.html": "changed\n" });
      await project.commit();
      server.reset();
      await deploy();
      assert.ok(server.totals().requests <= 3, `${server.totals().requests} requests`);
      assert.ok(server.totals().bytesOut < 1000, `${server.totals().bytesOut} bytes received`);
      await project.commit();
      server.reset();
      await deploy("--no-cache");
      assert.ok(server.totals().requests > 3);
      // Somebody else's commit in between: what is remembered is of no branch any more, but of use.
      const other = await git(repository, "commit-tree", "main^{tree}", "-p", "main", "-m", "Other");
      await git(repository, "update-ref", "refs/heads/main", other);
      await project.commit();
      server.reset();
      await deploy();
      assert.equal(await git(repository, "rev-parse", "main^"), other);
      assert.ok(server.totals().bytesOut < 5000, `${server.totals().bytesOut} bytes received`);
      await git(repository, "fsck", "--strict");
    });

    test(`of another commit with the same site sends what names the commit, and nothing else (${layout})`, async () => {
      await using project = await newProject();
      await using server = await gitServer({ token: "secret" });
      const repository = await server.createRepository("deployment");
      const key = project.directory.join("key");
      await output("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
      await project.write({ "pages/one.html": "one\n" });
      const deploy = async () => {
        await project.commit();
        const to = ["--repository", server.repositoryUrl("deployment", "git"), "--layout", layout];
        const args = ["deploy", "--release", await project.build(), ...to, "--signing-key", key];
        server.reset();
        const ran = await runCli(project.source, args, { UNIKERNEL_DEPLOY_CACHE: project.directory.join("cache") });
        assert.equal(ran.code, 0, ran.stderr);
      };
      await deploy();
      const everything = async () => (await git(repository, "rev-list", "--objects", "--all")).split("\n");
      const before = new Set(await everything());
      await deploy();
      assert.ok(server.totals().bytesOut < 5000, `${server.totals().bytesOut} bytes received`);
      const sent = await Promise.all(
        (await everything())
          .filter((line) => !before.has(line))
          .map(async (line) => {
            const [id = "", name = ""] = line.split(" ");
            const type = await git(repository, "cat-file", "-t", id);
            return type === "blob" ? name : type;
          }),
      );
      // SHA256SUMS names no commit: it is the same.
      assert.deepEqual(sent.sort(), ["commit", "manifest.json", "manifest.json.sig", "tag", "tree"]);
    });
  }
});
