/** The Action's inputs, and what of the runner they depend on. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { DeployError } from "../../src/errors.ts";
import { readActionInputs } from "../../src/github/inputs.ts";
import { tempDir } from "../support/temp.ts";

const read = (given: Readonly<Record<string, string>>, env: NodeJS.ProcessEnv = {}) =>
  readActionInputs((name) => given[name] ?? "", env);

const problemsOf = (given: Readonly<Record<string, string>>, env: NodeJS.ProcessEnv = {}): readonly string[] => {
  try {
    read(given, env);
  } catch (error) {
    if (error instanceof DeployError) return error.problems;
    throw error;
  }
  return [];
};

describe("the Action's inputs", () => {
  test("take a page to wait for that can be asked, and say so before anything is done", () => {
    for (const page of [
      "garbage",
      "http://[",
      "ftp://mirage.io/",
      "https://u:secret@mirage.io/",
      "https://mirage.io:99999/",
    ]) {
      const [problem = "", ...more] = problemsOf({ "wait-for": page });
      assert.match(problem, /^input "wait-for": expected an http or https URL/, page);
      assert.doesNotMatch(problem, /secret/);
      assert.deepEqual(more, []);
    }
    assert.equal(read({ "wait-for": "https://mirage.io/" }).waitFor, "https://mirage.io/");
  });

  test("take a server that is one, and list what is wrong at once", () => {
    const problems = problemsOf({ mode: "all", "wait-for": "x", force: "maybe" }, { GITHUB_SERVER_URL: "garbage" });
    assert.equal(problems.length, 4, problems.join("\n"));
    assert.match(problems.join("\n"), /GITHUB_SERVER_URL: expected an address/);
  });

  test("mask what stands before the @ of an address, however that is written", () => {
    const token = `ghp_${"a".repeat(36)}`;
    for (const address of [
      `https://${token}@github.com/o/r`,
      `https://x-access-token:${token}@github.com/o/r`,
      `x-access-token:${token}@github.com/o/r`,
      `https:/x:${token}@github.com/o/r`,
      `https//x:${token}@github.com/o/r`,
      `https://u:12/${token}@localhost/x`,
      `oci://u:12/${token}@localhost/x`,
      `${token}@github.com/o/r`,
    ]) {
      assert.ok(read({ "deployment-repository": address }).secrets.includes(token), address);
    }
    for (const address of ["git@github.com:o/r", "o/r", "https://ghe.example/@me/repo", "/srv/a@b"]) {
      assert.deepEqual(read({ "deployment-repository": address }).secrets, [], address);
    }
  });

  test("take an event of any shape", async () => {
    await using directory = await tempDir("event");
    const file = directory.join("event.json");
    for (const payload of ["null", "[]", "5", '"text"', '{"pull_request": null, "repository": 5}']) {
      await writeFile(file, payload);
      assert.equal(read({}, { GITHUB_EVENT_PATH: file }).pullRequest, undefined, payload);
    }
  });
});
