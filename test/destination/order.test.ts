/** Which of two source commits is the newer: history here, else the forge, else commit times; never the order of runs. */
import assert from "node:assert/strict";
import { cp } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { runAction } from "../support/action-runner.ts";
import { type GithubRest, githubRest, type RestAnswer } from "../support/github-rest.ts";
import { gitServer } from "../support/git-server.ts";
import { git, gitEnvironment, output, type Ran } from "../support/process.ts";
import { newProject, type Project, ROOT, runCli } from "../support/project.ts";
import { createBareRepository } from "../support/repository.ts";

const TOKEN = "ghs_token-of-the-job";
const REPOSITORY = "example/www";

let project: Project;
/** Releases of commits: a, b and d one after the other, c on another branch from a, and one whose date is before a's. */
const releases: Record<"a" | "b" | "c" | "d" | "early", string> = { a: "", b: "", c: "", d: "", early: "" };
const commits: Record<string, string> = {};

before(async () => {
  project = await newProject();
  const commitAt = async (time: string, name: keyof typeof releases) => {
    const env = gitEnvironment({ GIT_COMMITTER_DATE: time });
    await output("git", ["commit", "--quiet", "--allow-empty", `--message=${name}`], { cwd: project.source, env });
    commits[name] = await git(project.source, "rev-parse", "HEAD");
    releases[name] = project.directory.join(name);
    // As in a job, where the source's repository is known.
    const build = ["build", "--kernel", "www.hvt", "--data", "site", "--out", releases[name]];
    const ran = await runCli(project.source, build, {
      GITHUB_REPOSITORY: REPOSITORY,
      GITHUB_SERVER_URL: "https://forge.example",
    });
    assert.equal(ran.code, 0, ran.stderr);
  };
  await commitAt("2026-02-01T00:00:00Z", "a");
  await git(project.source, "branch", "other");
  await commitAt("2026-02-02T00:00:00Z", "b");
  await commitAt("2026-02-04T00:00:00Z", "d");
  await git(project.source, "checkout", "--quiet", "other");
  await commitAt("2026-02-03T00:00:00Z", "c");
  await git(project.source, "checkout", "--quiet", "--orphan", "early");
  await commitAt("2026-01-15T00:00:00Z", "early");
});
after(() => project[Symbol.asyncDispose]());

interface Answer {
  readonly outcome: string;
  readonly stderr: string;
}
const answerOf = ({ code, stdout, stderr }: Ran): Answer => {
  assert.equal(code, 0, stderr);
  return { outcome: JSON.parse(stdout).deployed.outcome, stderr };
};

describe("on the command line", () => {
  /** Deploys `first`, then what `then` says, from `directory`; how that went. */
  async function after(
    first: keyof typeof releases,
    then: keyof typeof releases,
    directory: string,
    ...more: string[]
  ): Promise<Answer> {
    const root = path.join(project.directory.path, `${first}-${then}-${path.basename(directory)}-${more.join("")}`);
    const repository = await createBareRepository(root, "deployment");
    const deploy = (name: keyof typeof releases, ...options: string[]) =>
      runCli(directory, ["deploy", "--release", releases[name], "--repository", repository, "--json", ...options]);
    assert.equal(answerOf(await deploy(first)).outcome, "deployed");
    return answerOf(await deploy(then, ...more));
  }

  test("history decides, whatever the dates are", async () => {
    assert.equal((await after("b", "a", project.source)).outcome, "superseded");
    assert.equal((await after("a", "b", project.source)).outcome, "deployed");
    for (const [first, then] of [
      ["c", "b"],
      ["a", "early"],
    ] as const) {
      const beside = await after(first, then, project.source);
      assert.equal(beside.outcome, "deployed");
      assert.doesNotMatch(beside.stderr, /commit times/);
    }
  });

  test("a later one that comes first lets the one before it go first, and both are deployed", async () => {
    const repository = await createBareRepository(project.directory.join("turns"), "deployment");
    const deploy = async (name: keyof typeof releases) =>
      answerOf(
        await runCli(project.source, ["deploy", "--release", releases[name], "--repository", repository, "--json"]),
      );
    assert.equal((await deploy("a")).outcome, "deployed");
    const late = deploy("d");
    await setTimeout(500);
    const [first, second] = await Promise.all([deploy("b"), late]);
    assert.equal(first.outcome, "deployed");
    assert.equal(second.outcome, "deployed");
    assert.match(second.stderr, /commits before this one are being deployed; they go first/);
    const sources = await git(repository, "log", "--format=%(trailers:key=Source-Commit,valueonly,separator=)", "main");
    assert.deepEqual(sources.split("\n"), [commits.d, commits.b, commits.a]);
  });

  test("force goes back", async () => {
    assert.equal((await after("b", "a", project.source, "--force")).outcome, "deployed");
  });

  test("a stray GIT_DIR changes nothing", async () => {
    const repository = await createBareRepository(project.directory.join("stray"), "deployment");
    const deploy = (name: "a" | "b") =>
      runCli(project.source, ["deploy", "--release", releases[name], "--repository", repository, "--json"], {
        GIT_DIR: repository,
        GIT_INDEX_FILE: "/nowhere",
      });
    assert.equal(answerOf(await deploy("b")).outcome, "deployed");
    assert.equal(answerOf(await deploy("a")).outcome, "superseded");
  });

  test("without history the commit times decide, and that is said", async () => {
    const nowhere = project.directory.join("nowhere");
    await cp(project.source, nowhere, { recursive: true, filter: (from) => !from.includes(".git") });
    const old = await after("b", "a", nowhere);
    assert.equal(old.outcome, "superseded");
    assert.match(old.stderr, /warning: .* going by their commit times .*fetch-depth: 0/);
    assert.equal((await after("a", "b", nowhere)).outcome, "deployed");
  });

  test("a shallow clone knows what it has, and says nothing of the rest", async () => {
    const shallow = project.directory.join("shallow");
    await git(project.source, "checkout", "--quiet", "main");
    await git(project.directory.path, "clone", "--quiet", "--depth=1", `file://${project.source}`, shallow);
    // Both commits are here, and what is between them is not.
    await git(shallow, "fetch", "--quiet", "--depth=1", "origin", commits.a as string, commits.c as string);
    const unknown = await after("c", "a", shallow);
    assert.match(unknown.stderr, /going by their commit times/);
    assert.equal(unknown.outcome, "superseded");
    await git(shallow, "fetch", "--quiet", "--depth=3", "origin", "main");
    const known = await after("b", "a", shallow);
    assert.doesNotMatch(known.stderr, /commit times/);
    assert.equal(known.outcome, "superseded");
    // That ours follows the deployed one is certain however little is known of what was before.
    const later = await after("a", "b", shallow);
    assert.doesNotMatch(later.stderr, /commit times/);
    assert.equal(later.outcome, "deployed");
  });
});

describe("in the Action", () => {
  /** Deploys `first`, then `then` from a job without a checkout, with an API that `fault` may break. */
  async function after(
    first: keyof typeof releases,
    then: keyof typeof releases,
    fault?: () => RestAnswer | undefined,
    repository = REPOSITORY,
    token = TOKEN,
  ) {
    await using server = await gitServer({ token });
    await server.createRepository("deployment");
    await using api: GithubRest = await githubRest({
      token: TOKEN,
      repositories: { [REPOSITORY]: { git: path.join(project.source, ".git") } },
      ...(fault ? { fault } : {}),
    });
    const deploy = (name: keyof typeof releases) =>
      runAction({
        directory: ROOT,
        inputs: {
          mode: "deploy",
          release: releases[name],
          // The job's own token is not sent elsewhere: the address has one then.
          "deployment-repository": server.repositoryUrl("deployment", token === TOKEN ? "git" : undefined),
          token,
        },
        context: {
          eventName: "push",
          ref: "refs/heads/main",
          sha: commits[name] as string,
          repository,
          serverUrl: "https://forge.example",
        },
        env: { GITHUB_API_URL: api.url },
      });
    const before = await deploy(first);
    assert.equal(before.conclusion, "success", before.log);
    const ran = await deploy(then);
    assert.equal(ran.conclusion, "success", ran.log);
    assert.deepEqual(api.problems, []);
    const asked = api.requests.filter(({ operation }) => operation === "repos/compare-commits-with-basehead");
    return { changed: ran.outputs.changed, log: ran.log, summary: ran.summary, asked: asked.length };
  }

  test("GitHub is asked where there is no history, and believed", async () => {
    const old = await after("b", "a");
    assert.deepEqual([old.changed, old.asked], ["false", 1]);
    assert.match(old.log + old.summary, /newer|superseded|later/i);
    assert.doesNotMatch(old.log, /commit times/);
    // Diverged, and the older by its date.
    const beside = await after("c", "b");
    assert.deepEqual([beside.changed, beside.asked], ["true", 1]);
  });

  test("GitHub that does not know leaves it to the commit times, with a warning", async () => {
    const old = await after("b", "a", () => ({ status: 404, body: { message: "Not Found" } }));
    assert.deepEqual([old.changed, old.asked], ["false", 1]);
    assert.match(old.log, /going by their commit times/);
    const broken = await after("b", "a", () => ({ status: 403, body: { message: "rate limit" } }));
    assert.equal(broken.changed, "false");
  });

  test("GitHub is not asked with a token for another server", async () => {
    const other = await after("b", "a", undefined, REPOSITORY, "a-token-for-the-server-of-deployments");
    assert.deepEqual([other.changed, other.asked], ["false", 0]);
    assert.match(other.log, /going by their commit times/);
  });

  test("only the job's own repository is asked about", async () => {
    const other = await after("b", "a", undefined, "somebody/else");
    assert.equal(other.asked, 0);
    assert.match(other.log, /going by their commit times/);
  });
});
