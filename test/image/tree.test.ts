/** The site as image formats see it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fat32 } from "../../src/image/fat.ts";
import { parseIndex } from "../../src/image/index-file.ts";
import { sortTree, treeProblems } from "../../src/image/tree.ts";
import { fc } from "../support/fuzz.ts";

describe("what is wrong with a tree", () => {
  const segment = fc.constantFrom("a", "b", "a-", "a.b", "a0", "a b", "\u{10000}", "\uffee");
  const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => segments.join("/"));

  it("is every file that is also a directory, and every name that comes twice", () => {
    fc.assert(
      fc.property(fc.array(path, { maxLength: 12 }), (paths) => {
        const names = new Set(paths);
        const both = [...names].filter((file) => paths.some((other) => other.startsWith(`${file}/`)));
        const twice = paths.filter((file, i) => paths.indexOf(file) !== i);
        const problems = treeProblems(sortTree(paths.map((name) => ({ path: name, size: 0 }))));
        const named = (kind: string) =>
          problems.filter((text) => text.includes(kind)).map((text) => text.slice(0, text.indexOf(kind)));
        assert.deepEqual(named(": both a file and the directory of ").sort(), both.sort());
        assert.deepEqual(named(": listed twice").sort(), twice.sort());
        assert.equal(problems.length, both.length + twice.length);
      }),
      { numRuns: 2000 },
    );
  });

  it("is found at once, however often somebody repeats a name", () => {
    // Each against all before it would take minutes.
    const tree = Array.from({ length: 200_000 }, () => ({ path: "a", size: 0 }));
    assert.equal(treeProblems(tree).length, tree.length - 1);
  });

  it("is a path that no system opens, however deep its directories are", () => {
    const tree = [{ path: "a/".repeat(50_000) + "a", size: 0 }];
    assert.match(treeProblems(tree)[0] ?? "", /^"a\/a.*…: 100001 characters of path; /);
    assert.throws(() => parseIndex(`${"0".repeat(40)} 0 ${tree[0]?.path}\n`), /characters of path/);
    assert.equal(fat32.layout([{ path: `${"a/".repeat(2047)}a`, size: 0 }]).starts.length, 1);
  });
});
