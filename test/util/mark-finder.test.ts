/** Marks are found wherever the pieces are cut. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fc } from "../support/fuzz.ts";
import { markFinder } from "../../src/util/mark-finder.ts";

const MARK = "aab-";

describe("markFinder", () => {
  test("finds what a search of the whole finds, however it is cut", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "-", MARK), maxLength: 60 });
    fc.assert(
      fc.property(text, fc.array(fc.nat(9), { maxLength: 80 }), (whole, cuts) => {
        const bytes = Buffer.from(whole);
        const finder = markFinder(MARK, 100);
        let at = 0;
        for (const cut of [...cuts, bytes.length]) {
          finder.take(bytes.subarray(at, at + cut));
          at = Math.min(bytes.length, at + cut);
        }
        assert.deepEqual(
          finder.offsets,
          [...whole.matchAll(/aab-/g)].map(({ index }) => index),
        );
      }),
    );
  });

  test("gives up on bytes that are little else", () => {
    const finder = markFinder(MARK, 2);
    finder.take(Buffer.from(MARK.repeat(2)));
    assert.deepEqual(finder.offsets, [0, 4]);
    finder.take(Buffer.from(MARK));
    assert.equal(finder.offsets, undefined);
  });
});
