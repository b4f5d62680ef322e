/** The comment on a pull request, against a stand-in whose every request and answer is as GitHub describes them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { upsertComment } from "../../src/github/comment.ts";
import { silentLog } from "../../src/util/log.ts";
import { githubRest, type GithubRestOptions } from "../support/github-rest.ts";

const REPOSITORY = "mirage/www";
const BOT = "ghs_token-of-the-job";

const rest = (options: Partial<GithubRestOptions> = {}) =>
  githubRest({ token: BOT, repositories: { [REPOSITORY]: {} }, ...options });

async function write(api: Awaited<ReturnType<typeof rest>>, text: string, more: object = {}): Promise<string[]> {
  const said: string[] = [];
  const log = { ...silentLog, info: (line: string) => said.push(line), warning: (line: string) => said.push(line) };
  const inputs = { pullRequest: 7, finishedRun: undefined, repository: REPOSITORY, token: BOT, ...more };
  await upsertComment(inputs, { site: "www", text }, { log, env: { GITHUB_API_URL: api.url } });
  return said;
}

const addOthers = (api: Awaited<ReturnType<typeof rest>>, count: number) => {
  for (let i = 0; i < count; i++)
    api.addComment({ repository: REPOSITORY, issue: 7, body: `Comment ${i}`, user: "somebody" });
};

describe("upsertComment", () => {
  test("finds its comment among 250, on the last page, and changes only that", async () => {
    await using api = await rest();
    addOthers(api, 249);
    await write(api, "first");
    await write(api, "second");
    await write(api, "third");
    assert.equal(api.comments.length, 250);
    assert.deepEqual(
      api.comments.filter(({ edits }) => edits > 0).map(({ body, edits }) => ({ body, edits })),
      [{ body: "<!-- unikernel-deploy: www -->\nthird", edits: 2 }],
    );
    const pages = api.requests.filter(({ operation }) => operation === "issues/list-comments");
    assert.equal(pages.length, 9, "three pages each time");
    assert.deepEqual(api.problems, []);
  });

  test("stops looking once it is found", async () => {
    await using api = await rest();
    await write(api, "first");
    addOthers(api, 249);
    await write(api, "second");
    assert.equal(api.requests.filter(({ operation }) => operation === "issues/list-comments").length, 2);
  });

  test("keeps one for each site", async () => {
    await using api = await rest();
    await write(api, "ours");
    api.addComment({ repository: REPOSITORY, issue: 7, body: "<!-- unikernel-deploy: blog -->\ntheirs" });
    await write(api, "ours again");
    assert.deepEqual(
      api.comments.map(({ body }) => body.split("\n")[1]),
      ["ours again", "theirs"],
    );
  });

  test("does not write into a person's comment that begins like ours", async () => {
    await using api = await rest();
    const body = "<!-- unikernel-deploy: www -->\nnot the truth";
    api.addComment({ repository: REPOSITORY, issue: 7, body, user: "somebody" });
    await write(api, "the truth");
    assert.deepEqual(
      api.comments.map(({ user, edits }) => [user, edits]),
      [
        ["somebody", 0],
        ["github-actions[bot]", 0],
      ],
    );
  });

  test("says what permission is missing, and fails nothing", async () => {
    await using api = await rest({ token: "another", grants: () => ({ "pull-requests": "read" }) });
    assert.match((await write(api, "text")).join(), /Resource not accessible by integration.*pull-requests: write/);
    assert.deepEqual(api.comments, []);
  });

  test("survives a server that is gone", async () => {
    await using api = await rest({ fault: () => ({ status: 404, body: { message: "Not Found" } }) });
    assert.match((await write(api, "text")).join(), /could not be written/);
  });

  test("finds the pull request that a finished run was of, by asking", async () => {
    const sha = "a".repeat(40);
    const pulls = [
      { number: 3, state: "open", head: "somebody:other", sha },
      { number: 4, state: "open", head: "somebody:proposal", sha: "b".repeat(40) },
      { number: 5, state: "open", head: "somebody:proposal", sha },
    ] as const;
    await using api = await rest({ repositories: { [REPOSITORY]: { pulls } } });
    const run = { pullRequest: undefined, finishedRun: { headSha: sha, head: "somebody:proposal" } };
    await write(api, "text", run);
    assert.deepEqual(
      api.comments.map(({ issue }) => issue),
      [5],
    );
    const gone = { pullRequest: undefined, finishedRun: { headSha: "c".repeat(40), head: "somebody:proposal" } };
    assert.match((await write(api, "text", gone)).join(), /no open pull request/);
    assert.deepEqual(api.problems, []);
  });
});

test("the stand-in itself notices what GitHub would not take", async () => {
  await using api = await rest();
  const headers = { authorization: `Bearer ${BOT}`, "content-type": "application/json" };
  await fetch(`${api.url}/repos/${REPOSITORY}/issues/7/comments`, { method: "POST", headers, body: '{"text":"x"}' });
  await fetch(`${api.url}/repos/${REPOSITORY}/issues/7/comments?pages=2`, { headers });
  assert.match(api.problems.join("\n"), /issues\/create-comment request: .*required property 'body'/);
  assert.match(api.problems.join("\n"), /issues\/list-comments: no such parameter: pages/);
});
