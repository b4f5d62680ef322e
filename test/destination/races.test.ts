/** Deploys from several clones at once; `npm run soak -- deploy-race` has 32 of them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { sshServerMissing } from "../support/ssh-server.ts";
import { raceOverHttp, raceOverSsh } from "./racing.ts";

describe("deploys that race", () => {
  test("over HTTP land in the order of their commits, or say that a later one has", async (t) => {
    const { deployed, superseded, problems } = await raceOverHttp(8);
    t.diagnostic(`${deployed} deployed, ${superseded} superseded`);
    assert.deepEqual(problems, []);
  });

  test("over SSH as well", { skip: sshServerMissing() }, async () => {
    const { problems } = await raceOverSsh(3);
    assert.deepEqual(problems, []);
  });
});
