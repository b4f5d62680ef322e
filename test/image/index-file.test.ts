/** The index beside an image. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fc } from "../support/fuzz.ts";
import { DeployError } from "../../src/errors.ts";
import { encodeIndex, parseIndex, parseIndexLike } from "../../src/image/index-file.ts";
import { pathProblem } from "../../src/image/tree.ts";

const ID = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";
const id = fc.stringMatching(/^[0-9a-f]{40}$/);
const path = fc.string({ unit: "binary", minLength: 1 }).filter((text) => pathProblem(text) === undefined);
const entry = fc.record({ id, size: fc.maxSafeNat(), path }, { noNullPrototype: true });

describe("the index", () => {
  it("is read back as it was written", () => {
    fc.assert(fc.property(fc.array(entry), (entries) => assert.deepEqual(parseIndex(encodeIndex(entries)), entries)));
  });

  it("has one form only: what is read is written as it was", () => {
    const token = fc.oneof(id, fc.constantFrom(" ", "\n", "0", "7", "10", "a", "b/c", "\u2028", "é"));
    const line = fc.tuple(id, fc.nat(), path).map(([first, size, last]) => `${first} ${size} ${last}\n`);
    const near = fc
      .array(fc.oneof({ weight: 4, arbitrary: line }, { weight: 1, arbitrary: token }))
      .map((all) => all.join(""));
    let taken = 0;
    fc.assert(
      fc.property(near, (text) => {
        let entries;
        try {
          entries = parseIndex(text);
        } catch {
          return;
        }
        taken += text === "" ? 0 : 1;
        assert.equal(encodeIndex(entries), text);
      }),
    );
    assert.ok(taken > 0);
  });

  it("is read the same beside one that it resembles", () => {
    const few = fc.constantFrom("a", "b", "c/d", "é", "\u{10000}").map((name) => ({ id: ID, size: 0, path: name }));
    const list = fc.array(fc.oneof({ weight: 5, arbitrary: few }, { weight: 1, arbitrary: entry }));
    fc.assert(
      fc.property(list, list, list, list, (front, back, ours, theirs) => {
        const index = [...front, ...ours, ...back];
        const other = Buffer.from(encodeIndex([...front, ...theirs, ...back]));
        const known = { entries: index, bytes: Buffer.from(encodeIndex(index)) };
        assert.deepEqual(parseIndexLike(other, known), parseIndex(other.toString("utf8")));
      }),
    );
  });

  it("names the line that is wrong, wherever the reading began", () => {
    const lines = ["a", "b", "c", "d"].map((name) => `${ID} 0 ${name}\n`);
    const known = { entries: parseIndex(lines.join("")), bytes: Buffer.from(lines.join("")) };
    const damaged = Buffer.from(lines.with(2, "no line\n").join(""));
    assert.throws(() => parseIndexLike(damaged, known), /index line 3: /);
  });

  it("takes a line separator in a name for a part of it", () => {
    assert.deepEqual(parseIndex(`${ID} 0 a\u2028b\n`), [{ id: ID, size: 0, path: "a\u2028b" }]);
  });

  it("is a line a file: blob id, size, path", () => {
    const entries = [
      { id: ID, size: 0, path: "empty" },
      { id: ID, size: 12, path: "a name with spaces" },
    ];
    assert.equal(encodeIndex(entries), `${ID} 0 empty\n${ID} 12 a name with spaces\n`);
    assert.equal(encodeIndex([]), "");
    assert.deepEqual(parseIndex(""), []);
  });

  const wrong: readonly (readonly [string, string, string])[] = [
    ["a last line without an end", `${ID} 0 a`, "index line 1: the last line does not end"],
    ["a second last line without an end", `${ID} 0 a\n${ID} 0 b`, "index line 2: the last line does not end"],
    ["an empty line", `${ID} 0 a\n\n${ID} 0 b\n`, "index line 2: "],
    ["a short id", `abc 0 a\n`, "index line 1: "],
    ["an id in capitals", `${ID.toUpperCase()} 0 a\n`, "index line 1: "],
    ["a size with a leading zero", `${ID} 007 a\n`, "index line 1: "],
    ["a negative size", `${ID} -1 a\n`, "index line 1: "],
    ["no path", `${ID} 0 \n`, "index line 1: "],
    ["a path that climbs", `${ID} 0 ok\n${ID} 0 ../a\n`, "index line 2: ../a: "],
    ["a carriage return", `${ID} 0 a\r\n`, "index line 1: "],
    ["a size beyond exact numbers", `${ID} 9999999999999999 a\n`, "index line 1: a: 9999999999999999 bytes"],
    ["a size with more digits than one has", `${ID} 12345678901234567 a\n`, "index line 1: expected"],
    ["a size that is none", `${ID} 1x a\n`, "index line 1: expected"],
    ["no size", `${ID}  a\n`, "index line 1: expected"],
    ["no space behind the size", `${ID} 12\n${ID} 0 b\n`, "index line 1: expected"],
    ["no space behind the id", `${ID}-0 a\n`, "index line 1: expected"],
  ];
  for (const [name, text, message] of wrong) {
    it(`refuses ${name}`, () => {
      assert.throws(
        () => parseIndex(text),
        (error) => {
          assert.ok(error instanceof DeployError && error.code === "MANIFEST_INVALID");
          assert.ok(error.message.startsWith(message), error.message);
          return true;
        },
      );
    });
  }

  it("of any text gives a list or MANIFEST_INVALID", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        try {
          parseIndex(text);
        } catch (error) {
          assert.ok(error instanceof DeployError && error.code === "MANIFEST_INVALID");
        }
      }),
    );
  });
});
