/** A part that is deployed already is not read again, and is what it was taken for. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { fc } from "../support/fuzz.ts";
import { partPrints } from "../../src/destination/part-prints.ts";
import { layoutOf } from "../../src/image/format.ts";
import { formatNamed } from "../../src/image/formats.ts";
import { cutImage } from "../../src/image/parts.ts";
import type { IndexEntry } from "../../src/image/index-file.ts";
import { parseManifest } from "../../src/manifest/manifest.ts";
import type { DataVolume } from "../../src/manifest/schema.ts";
import { git, output, run } from "../support/process.ts";
import { newProject, type Project } from "../support/project.ts";
import { createBareRepository } from "../support/repository.ts";

const MIB = 1024 * 1024;

describe("prints", () => {
  const tar = formatNamed("tar");
  const idOf = (text: string) => createHash("sha1").update(`blob ${text.length}\0${text}`).digest("hex");

  /** The bytes of an image with these files, put together by hand, and its index. */
  function imageOf(site: ReadonlyMap<string, string>): { bytes: Buffer; index: readonly IndexEntry[] } {
    const index = [...site]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([path, text]) => ({ path, size: text.length, id: idOf(text) }));
    assert.equal(tar.kind, "laid-out");
    const chunks: Buffer[] = [];
    for (const piece of tar.kind === "laid-out" ? tar.layout(index, {}).pieces() : []) {
      if (piece.kind === "bytes") chunks.push(Buffer.from(piece.bytes));
      else if (piece.kind === "zeros") chunks.push(Buffer.alloc(piece.length));
      else chunks.push(Buffer.from(site.get(index[piece.file]?.path ?? "") ?? ""));
    }
    return { bytes: Buffer.concat(chunks), index };
  }

  const site = fc.dictionary(fc.constantFrom("a", "b", "c", "d"), fc.constantFrom("", "x", "y".repeat(600)), {
    minKeys: 1,
  });

  test("are the same only where the bytes are, and always of the same image", () => {
    fc.assert(
      fc.property(site, site, fc.nat(3000), fc.integer({ min: 1, max: 2000 }), (one, other, offset, length) => {
        const [first, second] = [one, other].map((files) => {
          const { bytes, index } = imageOf(new Map(Object.entries(files)));
          const from = Math.min(offset, bytes.length - 1);
          const to = Math.min(bytes.length, from + length);
          const ranges = [
            { offset: 0, size: from },
            { offset: from, size: to - from },
            { offset: to, size: bytes.length - to },
          ].filter(({ size }) => size > 0);
          const prints = partPrints({ layout: layoutOf(tar, index), index, size: bytes.length }, ranges);
          assert.equal(prints?.length, ranges.length);
          assert.deepEqual(partPrints({ layout: layoutOf(tar, index), index, size: bytes.length }, ranges), prints);
          return ranges.map((range, i) => ({
            print: prints?.[i],
            bytes: bytes.toString("hex", range.offset, range.offset + range.size),
          }));
        });
        for (const mine of first ?? []) {
          for (const theirs of second ?? []) {
            if (mine.print === theirs.print) assert.equal(mine.bytes, theirs.bytes);
          }
        }
      }),
    );
  });

  test("are none of an image of another size", () => {
    const { bytes, index } = imageOf(new Map([["a", "x"]]));
    const size = bytes.length + 1;
    assert.equal(partPrints({ layout: layoutOf(tar, index), index, size }, cutImage(index, [0], size)), undefined);
  });
});

describe("a deploy of an image in parts", () => {
  /** A site of several parts, of which the test changes a page in the last one. */
  async function newSite(project: Project): Promise<void> {
    const big = (letter: string) => letter.repeat(20 * MIB);
    await project.write({ "a.bin": big("a"), "b.bin": big("b"), "c.bin": big("c"), "z.html": "first\n" });
    await project.commit();
  }

  async function manifestOf(repository: string): Promise<DataVolume> {
    const text = await output("git", ["-C", repository, "cat-file", "blob", "main:manifest.json"]);
    return parseManifest(Buffer.from(text), "manifest.json").volumes[0] as DataVolume;
  }

  /** Everything that SHA256SUMS names, as a host without our program would look at it. */
  async function sumsHold(repository: string, checkout: string): Promise<void> {
    await run("git", ["clone", "--quiet", "--branch", "main", repository, checkout]);
    const sums = await run("sha256sum", ["--check", "--strict", "--quiet", "SHA256SUMS"], { cwd: checkout });
    assert.equal(sums.code, 0, sums.stdout + sums.stderr);
  }

  for (const signed of [false, true]) {
    test(`${signed ? "that is signed" : "without a signature"} takes parts over, and only what it may believe`, async () => {
      await using project = await newProject();
      const repository = await createBareRepository(project.directory.path, "deployment");
      const key = project.directory.join("key");
      await output("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
      const deploy = async (...more: string[]) => {
        const release = await project.build();
        const args = [...more, "--repository", repository, ...(signed ? ["--signing-key", key] : [])];
        const ran = await project.cli("deploy", "--release", release, ...args);
        assert.equal(ran.code, 0, ran.stderr);
      };
      await newSite(project);
      await deploy();
      const before = await manifestOf(repository);
      assert.ok((before.parts?.length ?? 0) >= 3);

      await project.write({ "z.html": "second, and longer\n" });
      await project.commit();
      await deploy();
      const after = await manifestOf(repository);
      assert.deepEqual(after.parts?.[0], before.parts?.[0]);
      assert.notDeepEqual(after.parts, before.parts);
      await sumsHold(repository, project.directory.join("second"));

      // Somebody who can write there but cannot sign says that a part has other bytes.
      const wrong = "0".repeat(64);
      const text = await output("git", ["-C", repository, "cat-file", "blob", "main:manifest.json"]);
      const checkout = project.directory.join("second");
      await writeFile(`${checkout}/manifest.json`, text.replace(after.parts?.[0]?.sha256 ?? "", wrong));
      await git(checkout, "commit", "--quiet", "--all", "--message=Other bytes");
      await git(checkout, "push", "--quiet", "origin", "main");
      assert.match(await readFile(`${checkout}/manifest.json`, "utf8"), new RegExp(wrong));
      await project.write({ "z.html": "third\n" });
      await project.commit();
      await deploy();
      // Without signatures who can write there is believed, as hosts believe him; --force believes nobody.
      const believed = (await manifestOf(repository)).parts?.[0]?.sha256;
      assert.equal(believed, signed ? before.parts?.[0]?.sha256 : wrong);
      if (!signed) await deploy("--force");
      await sumsHold(repository, project.directory.join("third"));
    });
  }
});
