import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { fc } from "../support/fuzz.ts";
import { digestFile, digestRanges, scanClaimed, scanImage } from "../../src/artifact/scan-image.ts";
import { formatNamed } from "../../src/image/formats.ts";
import type { IndexEntry } from "../../src/image/index-file.ts";
import { bytesSource } from "../../src/util/bytes.ts";
import { imageOf } from "../image/making.ts";
import { type TempDir, tempDir, writeTree } from "../support/temp.ts";

const FILES = {
  "INDEX.HTM": "<h1>index</h1>",
  "EMPTY.TXT": "",
  "DIR/ONE.BIN": Buffer.alloc(1, 1),
  "DIR/BLOCK.BIN": Buffer.alloc(4096, 2),
  "DIR/DEEPER/LARGE.BIN": Buffer.alloc(3_000_001, "some text "),
};
const LONG = `${"long/".repeat(20)}${"name".repeat(40)}.html`;

/** An image of a few files, more than a reader's buffer in all. */
async function made(directory: TempDir, format: string, more: Readonly<Record<string, string>> = {}) {
  await writeTree(directory.join("site"), { ...FILES, ...more });
  const file = directory.join("image");
  const built = await imageOf(directory.join("site"), format, file);
  return { file, format: formatNamed(format), built, bytes: await readFile(file) };
}

describe("scanClaimed", () => {
  for (const name of ["tar", "fat", "fat32", "git"]) {
    test(`proves a ${name} image of ours, and knows where each file is`, async () => {
      await using directory = await tempDir("scan");
      const { file, format, built, bytes } = await made(directory, name, name === "tar" ? { [LONG]: "long" } : {});
      const scanned = await scanClaimed(file, format, built.index);
      assert.ok("offsets" in scanned, "not proven");
      const { offsets, layout, ...image } = scanned;
      assert.deepEqual(image, built);
      assert.deepEqual([layout.size, layout.starts.length], [bytes.length, built.index.length]);
      for (const entry of format.list(bytesSource(bytes))) {
        const at = built.index.findIndex(({ path }) => path === entry.path);
        if (entry.size > 0) assert.equal(offsets[at], entry.offset, entry.path);
      }
    });
  }

  test("proves nothing of an image with any other byte", async () => {
    await using directory = await tempDir("scan");
    for (const name of ["tar", "fat"]) {
      const { format, built, bytes } = await made(directory, name);
      const changed = directory.join("changed");
      const places = fc.oneof(fc.nat(20_000), fc.nat(bytes.length - 1));
      await fc.assert(
        fc.asyncProperty(places, fc.integer({ min: 1, max: 255 }), async (at, bits) => {
          const copy = Buffer.from(bytes);
          copy[at] = (copy[at] as number) ^ bits;
          await writeFile(changed, copy);
          const scanned = await scanClaimed(changed, format, built.index).catch(() => undefined);
          assert.ok(!scanned || !("offsets" in scanned), `byte ${at}`);
        }),
        { numRuns: 60 },
      );
    }
  });

  test("believes no index that is not that of the image", async () => {
    await using directory = await tempDir("scan");
    const { file, format, built } = await made(directory, "tar");
    const [first, second, ...rest] = built.index as [IndexEntry, IndexEntry, ...IndexEntry[]];
    const claims: Readonly<Record<string, readonly IndexEntry[]>> = {
      empty: [],
      "without a file": [first, ...rest],
      "in another order": [second, first, ...rest],
      "with a file twice": [first, first, second, ...rest],
      "with another id": [{ ...first, id: second.id }, second, ...rest],
      "with an empty file of another id": built.index.map((e) => (e.size === 0 ? { ...e, id: first.id } : e)),
      "with another size": [{ ...first, size: first.size + 1 }, second, ...rest],
      "with another name": [{ ...first, path: `${first.path}x` }, second, ...rest],
      "with a name that no image can have": [{ ...first, path: "../up" }, second, ...rest],
    };
    for (const [what, claim] of Object.entries(claims)) {
      assert.deepEqual(await scanClaimed(file, format, claim), built, what);
    }
  });

  test("finds two files of one name where both the image and its index have them", async () => {
    await using directory = await tempDir("scan");
    const { file, format, built, bytes } = await made(directory, "tar");
    // The last file's header and content once more, and the index sorted as the image is.
    const [last] = built.index.slice(-1) as [IndexEntry];
    const tail = 512 + Math.ceil(last.size / 512) * 512;
    let members = 0;
    for (const { offset, size } of format.list(bytesSource(bytes))) members = offset + Math.ceil(size / 512) * 512;
    const doubled = Buffer.concat([bytes.subarray(0, members), bytes.subarray(members - tail, members)]);
    const size = Math.ceil((doubled.length + 1024) / 4096) * 4096;
    await writeFile(file, Buffer.concat([doubled, Buffer.alloc(size - doubled.length)]));
    await assert.rejects(scanClaimed(file, format, [...built.index, last]), { code: "IMAGE_INVALID" });
  });
});

test("many ranges of a large file are digested as one by one, in two threads", async () => {
  await using directory = await tempDir("scan");
  const file = directory.join("large");
  await writeFile(file, Buffer.alloc(70_000_000, "bytes of a file "));
  const ranges = [0, 1, 32 * 1024 * 1024, 60_000_000].map((offset, i) => ({ offset, size: 7_000_000 + i * 1_000_000 }));
  ranges[3] = { offset: 60_000_000, size: 10_000_000 };
  const more = [...ranges, { offset: 70_000_000, size: 0 }];
  assert.deepEqual(
    await digestRanges(file, more),
    more.map((range) => digestFile(file, range)),
  );
  await assert.rejects(digestRanges(file, [{ offset: 0, size: 70_000_001 }]), { code: "IO_FAILED" });
  const { sha256, size } = await scanImage(file, { ...formatNamed("tar"), list: () => [] });
  const { id, ...digest } = digestFile(file);
  assert.deepEqual({ sha256, size, id }, { ...digest, id });
});
