/** The source commit of a release. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readSource } from "../../src/build/source.ts";
import { gitEnvironment, output } from "../support/process.ts";
import { tempDir } from "../support/temp.ts";

test("a commit has a time that can be told, or is refused", async () => {
  await using directory = await tempDir("source");
  const env = gitEnvironment();
  const commit = async (date: string) => {
    await output("git", ["-C", directory.path, "commit", "--quiet", "--allow-empty", "--message=x"], {
      env: { ...env, GIT_COMMITTER_DATE: date, GIT_AUTHOR_DATE: date },
    });
    return (await readSource(directory.path, env)).committedAt;
  };
  await output("git", ["init", "--quiet", directory.path], { env });
  assert.equal(await commit("@1700000000 +0000"), "2023-11-14T22:13:20Z");
  // A zone that no place has moves nothing.
  assert.equal(await commit("@1700000000 +9999"), "2023-11-14T22:13:20Z");
  assert.equal(await commit("@253402300799 +0000"), "9999-12-31T23:59:59Z");
  await assert.rejects(commit("@253402300800 +0000"), { code: "SOURCE_UNKNOWN" });
});
