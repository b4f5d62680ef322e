/** docteur images, judged by git. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { deflateSync } from "node:zlib";
import { fc } from "../support/fuzz.ts";
import { scanImage } from "../../src/artifact/scan-image.ts";
import { crc32 } from "../../src/image/crc32.ts";
import { formatNamed } from "../../src/image/formats.ts";
import { objectHeader, packIndex } from "../../src/image/pack.ts";
import { git } from "../support/process.ts";
import { type TempDir, tempDir, writeTree } from "../support/temp.ts";
import { imageOf, noise, onlyDeployErrors, sameTree, succeed } from "./making.ts";

const MIB = 1024 * 1024;
const DOCUMENTATION = "/usr/share/doc/python3.11/html";
const SITE: Readonly<Record<string, string | Uint8Array>> = {
  "index.html": "<!doctype html>\n",
  "empty.txt": "",
  "also empty.txt": "",
  // A directory sorts behind a file of its name and a dot, and before one with a zero.
  "a.html": "file\n",
  "a/b.html": "in a directory\n",
  a0: "file\n",
  "twin/one.bin": noise(100_000, 1),
  "twin/two.bin": noise(100_000, 1),
  "sister/one.bin": noise(100_000, 1),
  "sister/two.bin": noise(100_000, 1),
  "large.bin": noise(3 * MIB, 2),
  "large zeros.bin": Buffer.alloc(5 * MIB),
  "large zeros again.bin": Buffer.alloc(5 * MIB),
  "été/漢字.html": "names are bytes to git\n",
  [`${"l".repeat(250)}.html`]: "255 characters\n",
};

/** The commit and the pack with its index, cut out of an image by the documented offsets. */
async function cutOut(image: string): Promise<{ commit: string; pack: Buffer; index: Buffer }> {
  const bytes = await readFile(image);
  const indexAt = Number(bytes.readBigUInt64LE(20));
  assert.equal(indexAt % 4096, 0);
  assert.equal(bytes.length % 4096, 0);
  const objects = bytes.readUInt32BE(indexAt + 8 + 4 * 255);
  const index = bytes.subarray(indexAt, indexAt + 8 + 1024 + 28 * objects + 40);
  // The pack's own checksum is the last but one in the index, and ends the pack.
  const end = bytes.lastIndexOf(index.subarray(-40, -20), indexAt - 1) + 20;
  assert.ok(bytes.subarray(end, indexAt).every((byte) => byte === 0));
  return { commit: bytes.toString("hex", 0, 20), pack: bytes.subarray(28, end), index };
}

/** A repository with the image's pack in it. */
async function repositoryOf(image: string, directory: TempDir): Promise<{ repository: string; commit: string }> {
  const { commit, pack, index } = await cutOut(image);
  const repository = directory.join("repository");
  await git(directory.path, "init", "--quiet", "--bare", repository);
  const name = `${repository}/objects/pack/pack-${pack.toString("hex", pack.length - 20)}`;
  await writeFile(`${name}.pack`, pack);
  await git(repository, "index-pack", "--strict", "-o", directory.join("by-git.idx"), `${name}.pack`);
  assert.deepEqual(await readFile(directory.join("by-git.idx")), index, "git makes the same index");
  await writeFile(`${name}.idx`, index);
  await git(repository, "verify-pack", `${name}.idx`);
  return { repository, commit };
}

/** What git checks out of the image. */
async function checkOut(image: string, directory: TempDir): Promise<string> {
  const { repository, commit } = await repositoryOf(image, directory);
  await git(repository, "fsck", "--strict", "--no-dangling", commit);
  const target = directory.join("out");
  await mkdir(target);
  await git(repository, `--work-tree=${target}`, "-c", "core.autocrlf=false", "checkout", "--quiet", commit, "--", ".");
  return target;
}

describe("docteur", () => {
  test("git takes the embedded pack and index, and every file comes out equal", { timeout: 120_000 }, async () => {
    await using directory = await tempDir("docteur");
    await writeTree(directory.join("site"), SITE);
    const built = await imageOf(directory.join("site"), "docteur", directory.join("image"));
    await sameTree(directory.join("site"), await checkOut(directory.join("image"), directory));
    const again = await imageOf(directory.join("site"), "docteur", directory.join("again"));
    assert.deepEqual(again, built);
    assert.deepEqual(await scanImage(directory.join("image"), formatNamed("docteur")), built);
    assert.ok(built.size < 4 * MIB, `${built.size}: equal files are stored once`);
  });

  test("python3-doc", {
    skip: existsSync(`${DOCUMENTATION}/index.html`) ? false : "python3-doc is not installed",
    timeout: 300_000,
  }, async (t) => {
    await using directory = await tempDir("docteur");
    await succeed("cp", ["-rL", DOCUMENTATION, directory.join("site")]);
    const built = await imageOf(directory.join("site"), "docteur", directory.join("image"));
    t.diagnostic(`${built.index.length} files in ${built.size} bytes, sha256 ${built.sha256}`);
    await sameTree(directory.join("site"), await checkOut(directory.join("image"), directory));
  });

  test("every file has mode 100644, which is what docteur shows", async () => {
    await using directory = await tempDir("docteur");
    await writeTree(directory.join("site"), { "bin/tool": "#!/bin/sh\n" });
    await succeed("chmod", ["755", directory.join("site/bin/tool")]);
    await imageOf(directory.join("site"), "docteur", directory.join("image"));
    const { repository, commit } = await repositoryOf(directory.join("image"), directory);
    assert.match(await git(repository, "ls-tree", "-r", commit), /^100644 blob /);
  });

  test("what git stores under no name is refused, and so is head-room", async () => {
    await using directory = await tempDir("docteur");
    await writeTree(directory.join("site"), { ".git/config": "", "sub/.GIT": "", "index.html": "" });
    await assert.rejects(imageOf(directory.join("site"), "docteur", directory.join("image"), { size: MIB }), {
      code: "SITE_UNREPRESENTABLE",
      problems: [
        `.git/config: git stores no path with a ".git" segment`,
        `sub/.GIT: git stores no path with a ".git" segment`,
        "a docteur image has no head-room: it ends where its index ends",
      ],
    });
    assert.ok(!existsSync(directory.join("image")));
  });

  test("an image made by git itself is read, unless it holds differences", async () => {
    await using directory = await tempDir("docteur");
    const source = directory.join("source");
    const page = noise(20_000, 7).toString("hex");
    await writeTree(source, { "one.html": page, "two/three.html": "three\n" });
    const made = await madeByGit(directory, source);
    assert.deepEqual(
      (await scanImage(made, formatNamed("docteur"))).index.map(({ path }) => path),
      ["one.html", "two/three.html"],
    );
    await writeTree(source, { "four.html": `${page}changed` });
    await assert.rejects(scanImage(await madeByGit(directory, source), formatNamed("docteur")), {
      code: "IMAGE_INVALID",
      message: /stored as a difference/,
    });
  });

  test("damaged images are refused, and nothing else happens", { timeout: 120_000 }, async () => {
    await using directory = await tempDir("docteur");
    const { "large.bin": _, "large zeros.bin": __, "large zeros again.bin": ___, ...small } = SITE;
    await writeTree(directory.join("site"), small);
    await imageOf(directory.join("site"), "docteur", directory.join("image"));
    const image = await readFile(directory.join("image"));
    const change = fc.record({
      at: fc.oneof(
        fc.nat(60),
        fc.nat(image.length - 8),
        fc.nat(6000).map((at) => Math.max(0, image.length - 4 - at)),
      ),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 4 }),
    });
    const seen = { read: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const damaged = Buffer.from(image);
        for (const { at, bytes } of changes) damaged.set(bytes, at);
        seen[await onlyDeployErrors("docteur", damaged)]++;
      }),
      { numRuns: 200 },
    );
    assert.ok(seen.refused > 10 && seen.read > 10, JSON.stringify(seen));
    for (const length of [0, 20, 28, 40, 4096, image.length - 4096]) {
      assert.equal(await onlyDeployErrors("docteur", image.subarray(0, length)), "refused", `${length} bytes`);
    }
  });
});

/** What docteur.make does: a commit's objects packed by git, the pack and its index behind a header. */
async function madeByGit(directory: TempDir, source: string): Promise<string> {
  const repository = directory.join(`by-git-${Math.trunc(performance.now())}`);
  await succeed("cp", ["-r", source, repository]);
  await git(repository, "init", "--quiet");
  await git(repository, "add", "--all");
  await git(repository, "commit", "--quiet", "--message=all");
  await git(repository, "repack", "-a", "-d", "--quiet");
  const commit = await git(repository, "rev-parse", "HEAD");
  const packs = (await succeed("find", [`${repository}/.git/objects/pack`, "-name", "*.pack"])).trim();
  const pack = await readFile(packs);
  const index = await readFile(packs.replace(/pack$/, "idx"));
  const indexAt = 4096 * (Math.floor((28 + pack.length) / 4096) + 1);
  const image = Buffer.alloc(indexAt + 4096 * (Math.floor(index.length / 4096) + 1));
  image.write(commit, 0, "hex");
  image.writeBigUInt64LE(BigInt(indexAt), 20);
  image.set(pack, 28);
  image.set(index, indexAt);
  await writeFile(directory.join("by-git"), image);
  return directory.join("by-git");
}

describe("packs", () => {
  test("sizes take as many bytes as they need", () => {
    assert.deepEqual([...objectHeader(3, 0)], [0x30]);
    assert.deepEqual([...objectHeader(3, 15)], [0x3f]);
    assert.deepEqual([...objectHeader(3, 16)], [0xb0, 0x01]);
    assert.deepEqual([...objectHeader(1, 2 ** 40)], [0x90, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02]);
  });

  test("CRC-32 is that of zlib", () => {
    assert.equal(crc32(Buffer.from("123456789")), 0xcbf43926);
    assert.equal(crc32(Buffer.from("6789"), crc32(Buffer.from("12345"))), 0xcbf43926);
  });

  test("git reads an index with offsets beyond 2 GiB", {
    skip: process.env["LONG_TESTS"] ? false : "set LONG_TESTS=1",
  }, async () => {
    await using directory = await tempDir("pack");
    const blob = Buffer.from("far away\n");
    const id = createHash("sha1").update(`blob ${blob.length}\0`).update(blob).digest("hex");
    const stream = Buffer.concat([objectHeader(3, blob.length), deflateSync(blob)]);
    const index = packIndex([{ id, offset: 2 ** 33, crc: crc32(stream) }], Buffer.alloc(20));
    await writeFile(directory.join("pack-x.idx"), index);
    const shown = await succeed("sh", ["-c", `git show-index < "$0"`, directory.join("pack-x.idx")]);
    assert.match(shown, new RegExp(`^${2 ** 33} ${id}`));
    await copyFile(directory.join("pack-x.idx"), directory.join("copy"));
  });
});
