/** No secret is where it should not be: a handful of what `npm run soak -- deploy-secrets` looks at in full. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { cannotLook, leaksOf, openStage, SCENARIOS } from "./leaking.ts";

/** One of each kind: git's environment, all three keys, a server that repeats them, a broken program, a damaged key. */
const HANDFUL = [
  "http success by git",
  "ssh success",
  "http hook repeats the token",
  "ssh ssh breaks",
  "ssh deploy key cut",
];

describe("what a deploy starts, opens, writes and says", { skip: cannotLook() }, () => {
  let stage: Awaited<ReturnType<typeof openStage>>;
  before(async () => {
    stage = await openStage();
  });
  after(() => stage?.[Symbol.asyncDispose]());

  for (const scenario of SCENARIOS.filter(({ via, name }) => HANDFUL.includes(`${via} ${name}`))) {
    test(`shows no secret: ${scenario.via}, ${scenario.name}`, async () => {
      assert.deepEqual(await leaksOf(stage, scenario), []);
    });
  }

  test("is looked at closely: a secret in a file, in an argument or in the log is found", async () => {
    const script = 'echo "$UNIKERNEL_SEEN" > "$TMPDIR/seen"; echo "$UNIKERNEL_SEEN" >&2; echo git version 2.1.0';
    const found = await leaksOf(stage, {
      name: "a leak",
      via: "http",
      fails: true,
      prepare: async (setting) => {
        const { chmod, writeFile } = await import("node:fs/promises");
        await writeFile(`${setting.scratch}/git`, `#!/bin/sh\n/bin/echo "$UNIKERNEL_SEEN" >/dev/null\n${script}\n`);
        await chmod(`${setting.scratch}/git`, 0o755);
        return { env: { PATH: `${setting.scratch}:/usr/bin:/bin`, UNIKERNEL_SEEN: stage.secrets.token as string } };
      },
    });
    for (const trace of [/execve\(/, /\/seen>/, /left in .*\/seen/])
      assert.ok(
        found.some((leak) => trace.test(leak)),
        `${trace}: ${found.join("\n")}`,
      );
  });
});
