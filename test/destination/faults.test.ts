/** A deploy on a bad day: the branch has the old release or the new one; `npm run soak -- deploy-faults` has 400 such days. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Case, deploying } from "./deploying.ts";
import { faultRuns, faultsMissing, faultTable } from "./faulting.ts";

test("a deploy disturbed at any point leaves one release, whole, and the next run brings the new one", async (t) => {
  const missing = faultsMissing();
  if (missing !== undefined) t.diagnostic(missing);
  const runs = await faultRuns(1, { byGit: false });
  t.diagnostic(faultTable(runs));
  assert.deepEqual(
    runs.filter(({ problems }) => problems.length > 0),
    [],
  );
});

test("a server that asks for patience is asked again when it says", async () => {
  await using world = await deploying();
  const of = world.cases[0] as Case;
  await world.reset(of);
  const refused: number[] = [];
  world.server.fault = ({ service, method }) => {
    if (service !== "git-receive-pack" || method !== "POST" || refused.length === 2) return undefined;
    refused.push(performance.now());
    return { status: refused.length === 1 ? 429 : 503, headers: { "retry-after": "1" } };
  };
  const { code, stderr } = await world.deploy(of);
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stderr, /git pushes it instead/);
  const [first = 0, second = 0] = refused;
  assert.ok(second - first > 900, `asked again after ${second - first} ms`);
  assert.equal((await world.look(of)).tip, "new");
});

for (const [what, fault] of [
  ["whose answer is lost", { cutAfterBytes: 0, direction: "response" }],
  ["that is broken off", { cutAfterBytes: 2000, direction: "request" }],
  ["that a busy server refuses", { status: 503 }],
] as const) {
  test(`a push by git ${what} is tried again`, async () => {
    await using world = await deploying({ byGit: true });
    const of = world.cases[0] as Case;
    await world.reset(of);
    let faults = 0;
    world.server.fault = ({ service, method, authorized }) =>
      service === "git-receive-pack" && method === "POST" && authorized && faults++ === 0 ? fault : undefined;
    const { code, stdout, stderr } = await world.deploy(of);
    assert.equal(code, 0, stderr);
    assert.ok(faults > 0);
    assert.equal(JSON.parse(stdout).deployed.outcome, "deployed");
    await world.settled();
    const { tip, problems } = await world.look(of);
    assert.deepEqual([tip, problems], ["new", []]);
  });
}
