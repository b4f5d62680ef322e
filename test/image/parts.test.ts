/** Where images are cut. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fc } from "../support/fuzz.ts";
import { cutImage, PART_SIZE, USUAL_PART } from "../../src/image/parts.ts";
import { tar } from "../../src/image/tar.ts";
import { type FileEntry, sortTree } from "../../src/image/tree.ts";

const MIB = 1024 * 1024;

/** Names with sizes in MiB, and the parts of their tar image. */
function cut(files: readonly FileEntry[]) {
  const tree = sortTree(files);
  const { starts, size } = tar.layout(tree);
  return { tree, starts, size, parts: cutImage(tree, starts, size) };
}

const someFiles = fc
  .uniqueArray(fc.tuple(fc.stringMatching(/^[a-z]{1,8}$/), fc.oneof(fc.nat(3 * MIB), fc.nat(120 * MIB))), {
    selector: ([name]) => name,
    maxLength: 60,
  })
  .map((files) => files.map(([path, size]) => ({ path, size })));

describe("the parts of an image", () => {
  it("follow on each other, are the whole image, and have at most 32 MiB", () => {
    fc.assert(
      fc.property(someFiles, (files) => {
        const { parts, size } = cut(files);
        let at = 0;
        for (const part of parts) {
          assert.equal(part.offset, at);
          assert.ok(part.size > 0 && part.size <= PART_SIZE, `a part of ${part.size} bytes`);
          at += part.size;
        }
        assert.equal(at, size);
      }),
    );
  });

  it("begin where a file begins, or multiples of 32 MiB after that, but for the padding at the end", () => {
    fc.assert(
      fc.property(someFiles, (files) => {
        const { parts, starts, size } = cut(files);
        for (const { offset } of parts) {
          if (offset === parts.at(-1)?.offset && size - offset < 8192) continue;
          const start = starts.findLast((candidate) => candidate <= offset) ?? 0;
          assert.equal((offset - start) % PART_SIZE, 0, `a cut ${offset - start} bytes into a file`);
        }
      }),
    );
  });

  it("are few: no two neighbours would fit into half a usual one", () => {
    fc.assert(
      fc.property(someFiles, (files) => {
        const { parts } = cut(files);
        for (const [i, { size }] of parts.slice(0, -2).entries()) {
          assert.ok(size + (parts[i + 1]?.size ?? 0) >= USUAL_PART / 2);
        }
      }),
    );
  });

  it("are larger than usual only where a file is", () => {
    fc.assert(
      fc.property(someFiles, (files) => {
        const { parts, starts, size } = cut(files);
        for (const { offset, size: partSize } of parts) {
          if (partSize <= USUAL_PART) continue;
          const inside = starts.filter((start) => start > offset && start < offset + partSize);
          const largest = [offset, ...inside]
            .map((at, i) => (inside[i] ?? offset + partSize) - at)
            .toSorted((a, b) => b - a);
          assert.ok(
            (largest[0] as number) > USUAL_PART / 2,
            `${partSize} bytes at ${offset} of ${size} are of small files`,
          );
        }
      }),
    );
  });

  const manyFiles = Array.from({ length: 600 }, (_, i) => ({
    path: `page-${String(i).padStart(4, "0")}.html`,
    size: 200_000 + ((i * 7919) % 400_000),
  }));

  /** What a part holds, in terms that do not move: its first file, how far into it, and its files and sizes. */
  const contents = (files: readonly FileEntry[]) => {
    const { parts, starts, tree } = cut(files);
    return parts.map(({ offset, size }) =>
      tree
        .map((file, i) => ({ file, start: starts[i] as number }))
        .filter(({ start, file }) => start + 512 + file.size > offset && start < offset + size)
        .map(({ file, start }) => `${file.path}:${file.size}:${Math.max(0, offset - start)}`)
        .join(" "),
    );
  };
  const changes: readonly (readonly [string, (files: readonly FileEntry[]) => readonly FileEntry[]])[] = [
    ["a file grows", (files) => files.map((file, i) => (i === 100 ? { ...file, size: file.size + 5 * MIB } : file))],
    ["a file is new", (files) => [...files, { path: "page-0100a.html", size: 900_000 }]],
    ["a file is gone", (files) => files.filter((_, i) => i !== 100)],
  ];
  for (const [name, change] of changes) {
    it(`are mostly as before when ${name}`, () => {
      const before = new Set(contents(manyFiles));
      const after = contents(change(manyFiles));
      const fresh = after.filter((part) => !before.has(part));
      assert.ok(after.length > 30);
      assert.ok(fresh.length <= 4, `${fresh.length} of ${after.length} parts are different`);
    });
  }

  it("of a large file are as before when a file in front of it grows", () => {
    const files = (size: number) => [
      { path: "a", size },
      { path: "b", size: 200 * MIB },
    ];
    const inside = (size: number) => {
      const { parts, starts } = cut(files(size));
      const start = starts[1] as number;
      return parts.filter(({ offset }) => offset >= start).map((part) => [part.offset - start, part.size]);
    };
    assert.deepEqual(inside(40 * MIB).slice(0, -1), inside(45 * MIB).slice(0, -1));
    assert.equal(inside(40 * MIB).length, 8);
  });

  it("are as before but one, and the padding, when a file grows by any number of bytes", () => {
    const before = new Set(contents(manyFiles));
    for (const bytes of [1, 511, 512, 513, 4096, 5000]) {
      const grown = manyFiles.map((file, i) => (i === 100 ? { ...file, size: file.size + bytes } : file));
      const { parts, size } = cut(grown);
      const fresh = contents(grown).filter((part) => !before.has(part));
      assert.ok(fresh.length <= 1, `${fresh.length} parts are different after ${bytes} bytes more`);
      assert.ok(size - (parts.at(-1)?.offset ?? 0) < 8192, "the last part is more than padding");
    }
  });
});
