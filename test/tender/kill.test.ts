/** Whatever ends us, and whenever: no process, tap, directory or loop device of a boot stays behind. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { describe, it } from "node:test";
import { spawnSync } from "node:child_process";
import { openWorkDir } from "../../src/tender/work-dir.ts";
import { without } from "../boot/booting.ts";
import { tempDir } from "../support/temp.ts";
import { killRuns, renderTable } from "./kill.ts";

describe("being killed", { skip: without("qemu-system-x86_64") || without("gcc") }, () => {
  it("leaves nothing, in any phase, with any tender", { timeout: 120_000 }, async (context) => {
    const rows = await killRuns(12);
    context.diagnostic(`\n${renderTable(rows)}`);
    for (const row of rows) assert.deepEqual(row.left, [], `${row.phase}, ${row.tender}, ${row.signal}`);
  });
});

describe("openWorkDir", () => {
  it("removes what dead processes left, and nothing else", async () => {
    await using dir = await tempDir("stale");
    const dead = spawnSync("true").pid;
    const { path, ...first } = openWorkDir(dir.path);
    const stale = path.replace(`-${process.pid}-`, `-${dead}-`);
    const elsewhere = path.replace(/boot-\d+-/, "boot-1-").replace(`-${process.pid}-`, `-${dead}-`);
    const other = dir.join(`unikernel-deploy-else-${dead}-x`);
    for (const made of [stale, elsewhere, other]) mkdirSync(made);
    const second = openWorkDir(dir.path);
    assert.deepEqual([stale, elsewhere, other, path].map(existsSync), [false, true, true, true]);
    second[Symbol.dispose]();
    first[Symbol.dispose]();
    assert.equal(existsSync(path), false);
  });
});
