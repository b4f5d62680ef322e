import assert from "node:assert/strict";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, test } from "node:test";
import { MANY_FILES, readSite, type Site } from "../../src/artifact/read-tree.ts";
import { tempDir, writeTree } from "../support/temp.ts";

const bytewise = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

const pathsOf = ({ names }: Pick<Site, "names">) => [...names].map((file) => file.path);

describe("readSite", () => {
  test("finds the files in the order of their paths' bytes, whatever is near a slash", async () => {
    await using directory = await tempDir("site");
    const paths = ["a", "a!/b", "a-b/c", "a.d/e", "a.d/e.f/g", "a.html", "a0", "b/c/d", "b/c.d", "b/c-d", "b/ü", "b/z"];
    await writeTree(directory.path, Object.fromEntries(paths.map((name) => [name, ""])));
    assert.deepEqual(pathsOf(readSite(directory.path)), paths.toSorted(bytewise));
  });

  test("does so with names that UTF-16 sorts otherwise, and with linked directories", async () => {
    await using directory = await tempDir("site");
    await writeTree(directory.path, { "\u{1f600}/a": "", "\uffee/a": "", "z/a": "", "l-": "", "l/a": "" });
    await mkdir(directory.join("m"));
    await symlink("../z", directory.join("m/linked"));
    await symlink("l", directory.join("l-linked"));
    await symlink("z", directory.join("l.linked"));
    const { names } = readSite(directory.path);
    const paths = ["l-", "l-linked/a", "l.linked/a", "l/a", "m/linked/a", "z/a", "\uffee/a", "\u{1f600}/a"];
    assert.deepEqual(pathsOf({ names }), paths);
    const linked = [...names.elsewhere].map(([file, source]) => [paths[file], path.relative(directory.path, source)]);
    assert.deepEqual(linked, [
      ["l-linked/a", "l/a"],
      ["l.linked/a", "z/a"],
      ["m/linked/a", "z/a"],
    ]);
  });

  test("refuses a name that is not UTF-8 beside one that is spelt as it is read", async () => {
    await using directory = await tempDir("site");
    await writeTree(directory.path, { "a\ufffd": "", b: "" });
    await writeFile(Buffer.concat([Buffer.from(directory.join("a")), Buffer.of(0xff)]), "");
    const problem = `${JSON.stringify("a\ufffd")}: the name is not UTF-8, no link on a page can name it`;
    assert.throws(() => readSite(directory.path), { code: "SITE_UNREADABLE", problems: [problem, problem] });
  });

  test("says once and early that there are many files", async () => {
    await using directory = await tempDir("site");
    const called: string[] = [];
    const files = Object.fromEntries(Array.from({ length: MANY_FILES - 1 }, (_, i) => [`${i}`, ""]));
    await writeTree(directory.path, files);
    readSite(directory.path, () => called.push("too early"));
    await writeTree(directory.path, { "a/1": "", "a/2": "" });
    readSite(directory.path, () => called.push("once"));
    assert.deepEqual(called, ["once"]);
  });
});
