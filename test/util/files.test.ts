/** Directories where they can be made, and the kernel's word where they cannot. */
import assert from "node:assert/strict";
import { mkdir, stat, writeFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { makeDirectories } from "../../src/util/files.ts";
import { tempDir } from "../support/temp.ts";

describe("makeDirectories", () => {
  test("makes what is missing, with its mode, and leaves what is there", async () => {
    await using directory = await tempDir("directories");
    await mkdir(directory.join("there"), { mode: 0o755 });
    makeDirectories(directory.join("there/new/newer"), 0o700);
    makeDirectories(directory.join("there/new/newer"), 0o755);
    assert.equal((await stat(directory.join("there"))).mode & 0o777, 0o755);
    assert.equal((await stat(directory.join("there/new/newer"))).mode & 0o777, 0o700);
  });

  test("says that a file is in the way", async () => {
    await using directory = await tempDir("directories");
    await writeFile(directory.join("file"), "");
    assert.throws(() => makeDirectories(directory.join("file/below")), { code: "ENOTDIR" });
  });

  test("ends in /proc, where nobody can make any", () => {
    assert.throws(() => makeDirectories("/proc/.cache/of/ours"), { code: "ENOENT" });
  });
});
