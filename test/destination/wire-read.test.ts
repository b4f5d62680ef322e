/** What we read and make without git is what git reads and makes; what is hostile is refused. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { fc } from "../support/fuzz.ts";
import { contentSize } from "../../src/destination/contents.ts";
import { splitPush } from "../../src/destination/parcels.ts";
import { applyDelta, encodeDelta, lineDelta, treeDelta } from "../../src/destination/wire/delta.ts";
import { type GitObject, objectId } from "../../src/destination/wire/object.ts";
import { encodePack, type PackObject } from "../../src/destination/wire/pack.ts";
import { readPack } from "../../src/destination/wire/pack-read.ts";
import { WireRefusal } from "../../src/destination/wire/transport.ts";
import { changeTree, findFile, listFiles, listTrees } from "../../src/destination/wire/tree.ts";
import { git, gitEnvironment, run } from "../support/process.ts";
import { createBareRepository } from "../support/repository.ts";
import { tempDir } from "../support/temp.ts";

const id = (n: number) => n.toString(16).padStart(40, "0");
const path = fc
  .array(fc.constantFrom("a", "a.b", "a-", "b", "ü", "z"), { minLength: 1, maxLength: 3 })
  .map((s) => s.join("/"));
/** Paths of which none is a directory of another. */
const site = fc.dictionary(path, fc.nat(50)).map((all) => {
  const names = Object.keys(all);
  return Object.fromEntries(
    Object.entries(all).filter(([name]) => !names.some((other) => other.startsWith(`${name}/`))),
  );
});

function treeOf(files: Readonly<Record<string, number>>, objects = new Map<string, GitObject>()) {
  const added = Object.entries(files).map(([name, n]) => ({ path: name, id: id(n) }));
  const { id: root, made } = changeTree(objects, undefined, { removed: [], added });
  for (const tree of made) objects.set(tree.id, tree.object);
  return { root, objects };
}

describe("trees", () => {
  test("after any changes are those of the files that are then there", () => {
    fc.assert(
      fc.property(site, site, (before, after) => {
        const { root, objects } = treeOf(before);
        const removed = Object.keys(before).filter((name) => !(name in after));
        const added = Object.entries(after)
          .filter(([name, n]) => before[name] !== n)
          .map(([name, n]) => ({ path: name, id: id(n) }));
        const changed = changeTree(objects, root, { removed, added });
        assert.equal(changed.id, treeOf(after).root);
        for (const tree of changed.made) objects.set(tree.id, tree.object);
        const found = listFiles(objects, changed.id);
        assert.deepEqual(
          Object.fromEntries([...found].map(([name, entry]) => [name, entry.id])),
          Object.fromEntries(Object.entries(after).map(([name, n]) => [name, id(n)])),
        );
        for (const [name, n] of Object.entries(after)) assert.equal(findFile(objects, changed.id, name)?.id, id(n));
      }),
      { numRuns: 300 },
    );
  });

  test("are the very objects that git makes", async () => {
    await using dir = await tempDir("trees");
    const repository = await createBareRepository(dir.path, "r");
    await fc.assert(
      fc.asyncProperty(site, async (files) => {
        const env = { ...gitEnvironment(), GIT_INDEX_FILE: dir.join("index"), GIT_DIR: repository };
        await run("git", ["read-tree", "--empty"], { env });
        const lines = Object.entries(files).map(([name, n]) => `100644 ${id(n)}\t${name}\n`);
        await run("git", ["update-index", "--index-info"], { env, input: lines.join("") });
        const made = await run("git", ["write-tree", "--missing-ok"], { env });
        fc.pre(Object.values(files).every((n) => n > 0));
        assert.equal(treeOf(files).root, made.stdout.trim());
      }),
      { numRuns: 10 },
    );
  });

  test("that are missing or damaged are refused", () => {
    const { root, objects } = treeOf({ "a/b/c": 1, "a/d": 2 });
    const below = [...listTrees(objects, root)].find((tree) => tree !== root) as string;
    const without = new Map([...objects].filter(([tree]) => tree !== below));
    assert.throws(() => listFiles(without, root), WireRefusal);
    assert.throws(
      () => listFiles(new Map([[root, { type: "tree", bytes: Buffer.from("40000 a\0short") }]]), root),
      WireRefusal,
    );
  });

  test("within each other without end are refused", () => {
    const objects = new Map<string, GitObject>();
    let root = id(1);
    for (let depth = 0; depth < 100_000; depth++) {
      const bytes = Buffer.concat([Buffer.from(`${depth === 0 ? 100644 : 40000} a\0`), Buffer.from(root, "hex")]);
      root = objectId({ type: "tree", bytes });
      objects.set(root, { type: "tree", bytes });
    }
    assert.throws(() => listFiles(objects, root), WireRefusal);
    assert.throws(() => listTrees(objects, root), WireRefusal);
  });
});

async function packOf(objects: readonly PackObject[]): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of encodePack(objects)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe("packs", () => {
  test("of git's, with deltas of both kinds, are read as git reads them", async () => {
    await using dir = await tempDir("packs");
    const repository = await createBareRepository(dir.path, "r");
    const base = randomBytes(40_000).toString("hex");
    for (const text of [base, `${base}more`, `x${base}`, "", "small"]) {
      await run("git", ["-C", repository, "hash-object", "-w", "--stdin"], { input: text });
    }
    const ids = (await git(repository, "cat-file", "--batch-check=%(objectname)", "--batch-all-objects")).split("\n");
    for (const flags of [["--delta-base-offset"], []]) {
      const name = await run("git", ["-C", repository, "pack-objects", "-q", ...flags, dir.join("made")], {
        input: ids.map((one) => `${one}\n`).join(""),
      });
      const pack = await readFile(dir.join(`made-${name.stdout.trim()}.pack`));
      assert.deepEqual([...readPack(pack, () => undefined).keys()].sort(), [...ids].sort());
    }
  });

  test("of ours are read, and anything else is refused", async () => {
    const bytes = randomBytes(2000);
    const old: GitObject = { type: "blob", bytes };
    const target = Buffer.concat([bytes, Buffer.from("tail")]);
    const delta = encodeDelta(bytes.length, target.length, [
      { kind: "copy", offset: 0, length: bytes.length },
      { kind: "insert", bytes: Buffer.from("tail") },
    ]);
    const pack = await packOf([
      { type: "blob", size: 3, chunks: () => [Buffer.from("abc")] },
      { type: "delta", base: objectId(old), delta: () => delta },
    ]);
    const read = readPack(pack, (one) => (one === objectId(old) ? old : undefined));
    assert.deepEqual(read.get(objectId({ type: "blob", bytes: target }))?.bytes, target);
    assert.throws(() => readPack(pack, () => undefined), WireRefusal);
    fc.assert(
      fc.property(fc.nat(pack.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bad = Buffer.from(pack);
        bad[at] = (bad[at] as number) ^ flip;
        assert.throws(() => readPack(bad, () => old), WireRefusal);
      }),
      { numRuns: 200 },
    );
  });
});

describe("deltas", () => {
  test("of any bytes make an object or are refused", () => {
    const base = randomBytes(100);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 30 }), fc.boolean(), (bytes, fitting) => {
        const delta = Buffer.from(fitting ? [100, ...bytes] : bytes);
        try {
          applyDelta(base, delta);
        } catch (error) {
          assert.ok(error instanceof WireRefusal, String(error));
        }
      }),
      { numRuns: 1000 },
    );
  });

  test("of lines and of trees make their target", () => {
    // Some lines do not end, and many are alike.
    const text = (numbers: number[]) => Buffer.from(numbers.map((n) => (n === 0 ? "?" : `line ${n % 9}\n`)).join(""));
    fc.assert(
      fc.property(fc.array(fc.nat(40)), fc.array(fc.nat(40)), (a, b) => {
        assert.deepEqual(applyDelta(text(a), lineDelta(text(a), text(b))), text(b));
      }),
    );
    fc.assert(
      fc.property(site, site, (a, b) => {
        const [old, next] = [treeOf(a), treeOf(b)];
        const [before, after] = [old.objects.get(old.root), next.objects.get(next.root)].map(
          (tree) => tree?.bytes as Buffer,
        );
        assert.deepEqual(applyDelta(before as Buffer, treeDelta(before as Buffer, after as Buffer)), after);
      }),
    );
  });
});

describe("parcels", () => {
  test("hold every file once, and none more than it may", () => {
    const blobs = fc.array(fc.integer({ min: 1, max: 100 }), { maxLength: 40 });
    fc.assert(
      fc.property(blobs, (sizes) => {
        const files = sizes.map((size, i) => ({ path: `${i}`, id: id(i), content: { file: "f", offset: 0, size } }));
        const parcels = splitPush(files, { push: 250, parcel: 150 });
        const total = sizes.reduce((sum, size) => sum + size, 0);
        assert.equal(parcels.length === 0, total <= 250);
        if (parcels.length > 0) assert.deepEqual(parcels.flat(), files);
        for (const parcel of parcels)
          assert.ok(parcel.reduce((sum, { content }) => sum + contentSize(content), 0) <= 150);
      }),
    );
  });
});
