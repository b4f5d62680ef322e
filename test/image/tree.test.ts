/** The site as image formats see it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
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
});
