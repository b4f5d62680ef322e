import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { openTurn, type TurnOptions } from "../../src/destination/turn.ts";
import type { Tip } from "../../src/destination/work-repository.ts";
import type { ReleaseManifest } from "../../src/manifest/schema.ts";
import { silentLog } from "../../src/util/log.ts";
import { commitAt } from "./contract.ts";

const NOW = 1_780_000_000;
const BRANCH = "refs/heads/main";
const tip = (time: number): Tip => ({ commit: "a".repeat(40), time, tree: new Map() });
const deployed = { source: { commit: commitAt(1) } } as ReleaseManifest;
const between = [commitAt(3), commitAt(2)];

function turn({
  log = () => {},
  alone = true,
  ...publishing
}: Partial<TurnOptions["publishing"]> & { readonly log?: (line: string) => void; readonly alone?: boolean }) {
  return openTurn({
    commit: commitAt(4),
    tagOf: (commit) => `refs/tags/${commit}`,
    branch: BRANCH,
    alone,
    publishing: { now: NOW, force: false, dryRun: false, commitsBetween: async () => between, ...publishing },
    log: { ...silentLog, info: log },
    random: () => 0,
  });
}

/** A branch whose refs are those of one look after the other. */
function looks(...each: readonly (readonly [string, string][])[]) {
  let look = 0;
  return {
    refs: async () => new Map(each[Math.min(look++, each.length - 1)] ?? []),
    get count() {
      return look;
    },
  };
}

describe("whose turn it is", () => {
  test("is that of commits between, shortly after a deploy", async () => {
    assert.deepEqual(await turn({}).ahead(tip(NOW - 2), deployed), between);
  });

  test("is ours where the last deploy was some time ago, or its time is nonsense", async () => {
    for (const time of [NOW - 3600, NOW + 3600]) assert.deepEqual(await turn({}).ahead(tip(time), deployed), []);
  });

  test("is ours where the history is not known, where there is nothing between, where others share the branch, and where it is forced or a dry run", async () => {
    for (const publishing of [
      { commitsBetween: async () => undefined },
      { commitsBetween: async () => [] },
      { alone: false },
      { force: true },
      { dryRun: true },
    ])
      assert.deepEqual(await turn(publishing).ahead(tip(NOW), deployed), []);
  });

  test("comes when the newest before us has landed", async () => {
    const said: string[] = [];
    const ours = turn({ log: (line) => said.push(line) });
    const work = looks(
      [[BRANCH, tip(NOW).commit]],
      [
        [BRANCH, "b".repeat(40)],
        [`refs/tags/${commitAt(2)}`, "1".repeat(40)],
      ],
      [
        [BRANCH, "c".repeat(40)],
        [`refs/tags/${commitAt(3)}`, "2".repeat(40)],
      ],
    );
    await ours.wait(work, tip(NOW), between);
    assert.equal(work.count, 3);
    assert.deepEqual(said, ["commits before this one are being deployed; they go first"]);
    assert.deepEqual(await ours.ahead(tip(NOW), deployed), [], "the tag was of another branch: ours has not moved");
    const next = { ...tip(NOW), commit: "c".repeat(40) };
    assert.deepEqual(await ours.ahead(next, deployed), between, "it goes on being patient");
  });

  test("comes when the branch is still for long, and then it is not asked again", async () => {
    const ours = turn({});
    const work = looks([[BRANCH, tip(NOW).commit]]);
    const started = performance.now();
    await ours.wait(work, tip(NOW), between);
    const waited = performance.now() - started;
    assert.ok(waited >= 5000 && waited < 30_000, `${waited} ms`);
    assert.ok(work.count <= 10, `${work.count} looks`);
    assert.deepEqual(await ours.ahead({ ...tip(NOW), commit: "c".repeat(40) }, deployed), []);
  });

  test("comes at once when the branch cannot be looked at", async () => {
    const started = performance.now();
    await turn({}).wait({ refs: () => Promise.reject(new Error("no answer")) }, tip(NOW), between);
    assert.ok(performance.now() - started < 4000);
  });
});
