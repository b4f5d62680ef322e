/** A site's repository on a forge, with a deployment repository beside it, and workflows run on it. */
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { type GithubRest, githubRest } from "../support/github-rest.ts";
import { type GitServer, gitServer } from "../support/git-server.ts";
import type { Permissions } from "../support/known-actions.ts";
import { git } from "../support/process.ts";
import { newProject, type Project, ROOT } from "../support/project.ts";
import { type Forge, runWorkflow, type WorkflowEvent, type WorkflowRun } from "../support/workflow-runner.ts";

export const REPOSITORY = "mirage/www";
export const DEPLOYMENT = "mirage/www-deployment";
export const REUSABLE = path.join(ROOT, ".github", "workflows", "unikernel.yml");
/** Nothing but the deploy job may ever see these. */
export const SECRETS = { DEPLOY_TOKEN: "ghp_the-token-that-deploys", UNRELATED: "ghp_a-secret-of-other-workflows" };

/** What a site's own workflow looks like. */
export const CALLER = `
name: site
on: [push, pull_request]
permissions: {contents: read, pull-requests: write, id-token: write, attestations: write}
jobs:
  site:
    uses: unikernel-deploy/unikernel-deploy/.github/workflows/unikernel.yml@v1
    with:
      build: cp site/index.html site/copy.html && echo the build ran
      kernel: www.hvt
      data: site
      deployment-repository: ${DEPLOYMENT}
    secrets:
      DEPLOY_TOKEN: \${{ secrets.DEPLOY_TOKEN }}
`;

export interface Site extends AsyncDisposable {
  readonly project: Project;
  readonly server: GitServer;
  readonly api: GithubRest;
  /** The deployment repository's git directory. */
  readonly deployment: string;
  readonly forge: Forge;
  run(event: WorkflowEvent, options?: RunOptions): Promise<WorkflowRun>;
  /** Commits everything, and makes the event of its push to the default branch. */
  push(message?: string): Promise<WorkflowEvent>;
  /** Commits on a branch, and makes the event of a pull request for it. */
  pullRequest(from?: string): Promise<WorkflowEvent>;
  /** What lies at the tip of the deployment repository; undefined where nothing does. */
  deployed(): Promise<
    { readonly commit: string; readonly sequence: number; readonly digests: readonly string[] } | undefined
  >;
}

export interface RunOptions {
  readonly workflow?: string;
  /** Changes our reusable workflow: a planted fault. */
  readonly reusable?: (text: string) => string;
  readonly beforeJob?: NonNullable<Parameters<typeof runWorkflow>[0]["beforeJob"]>;
  readonly programs?: Readonly<Record<string, string>>;
}

export interface SiteOptions {
  /** Where releases are pushed. */
  readonly repository?: string;
  readonly pulls?: { number: number; state: "open" | "closed"; head: string; sha: string }[];
}

export async function newSite({ pulls = [], repository = DEPLOYMENT }: SiteOptions = {}): Promise<Site> {
  const project = await newProject();
  const server = await gitServer({ token: SECRETS.DEPLOY_TOKEN, anonymousRead: true });
  const deployment = await server.createRepository(repository);
  const granted = new Map<string, Permissions>();
  const repositories = { [REPOSITORY]: { git: path.join(project.source, ".git"), pulls } };
  const api = await githubRest({ token: "ghp_admin", grants: (token) => granted.get(token), repositories });
  const forge: Forge = {
    repository: REPOSITORY,
    repositories: { [REPOSITORY]: { git: project.source } },
    secrets: SECRETS,
    serverUrl: server.url,
    apiUrl: api.url,
    onToken: (token, permissions) => void granted.set(token, permissions),
    groups: new Map(),
  };
  await git(project.source, "config", "uploadpack.allowAnySHA1InWant", "true");
  await git(project.source, "config", "uploadpack.allowFilter", "true");
  let runs = 0;
  const site: Site = {
    project,
    server,
    api,
    deployment,
    forge,
    async run(event, { workflow = CALLER, reusable, beforeJob, programs } = {}) {
      const scratch = project.directory.join(`run-${runs++}`);
      await mkdir(scratch, { recursive: true });
      const text = reusable?.(await readFile(REUSABLE, "utf8"));
      return runWorkflow({
        workflow,
        event,
        scratch,
        forge: programs ? { ...forge, programs } : forge,
        ...(text === undefined ? {} : { reusable: text }),
        ...(beforeJob ? { beforeJob } : {}),
      });
    },
    async push(message = "A change") {
      return { name: "push", ref: "refs/heads/main", sha: await project.commit(message) };
    },
    async pullRequest(from = REPOSITORY) {
      await git(project.source, "switch", "--quiet", "--force-create", "proposal");
      await writeFile(path.join(project.source, "site", "new.html"), "<!doctype html><title>New</title>\n");
      const sha = await project.commit("A proposal");
      await git(project.source, "switch", "--quiet", "main");
      const head = { ref: "proposal", sha, repo: { full_name: from } };
      const payload = { pull_request: { number: 7, head, base: { ref: "main", repo: { full_name: REPOSITORY } } } };
      return { name: "pull_request", ref: "refs/pull/7/merge", sha, payload };
    },
    async deployed() {
      if ((await git(deployment, "for-each-ref", "refs/heads/main")) === "") return undefined;
      const manifest = JSON.parse(await git(deployment, "show", "main:manifest.json"));
      const items = [...manifest.kernels, ...manifest.volumes] as { sha256: string }[];
      return {
        commit: manifest.source.commit,
        sequence: manifest.sequence,
        digests: items.map(({ sha256 }) => sha256),
      };
    },
    async [Symbol.asyncDispose]() {
      await api[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      await project[Symbol.asyncDispose]();
    },
  };
  return site;
}

/** The job of that name in our workflow; fails the test where it is not there. */
export function jobOf(run: WorkflowRun, id: string) {
  const job = run.jobs.get(`site/${id}`);
  assert.ok(job, run.startupFailure ?? `no job ${id} ran`);
  return job;
}

/** What each job ended with. */
export const results = (run: WorkflowRun) => ({
  build: jobOf(run, "build").result,
  comment: jobOf(run, "comment").result,
  deploy: jobOf(run, "deploy").result,
});

/** Everything a job said, for a failed assertion. */
export const logs = (run: WorkflowRun) =>
  run.startupFailure ?? [...run.jobs].map(([id, { log, result }]) => `#### ${id}: ${result}\n${log}`).join("\n");

/** The digests of the release that the build job handed over. */
export function builtDigests(run: WorkflowRun): string[] {
  const manifest = JSON.parse(String(run.artifacts.all[0]?.files.get("manifest.json")));
  return [...manifest.kernels, ...manifest.volumes].map(({ sha256 }: { sha256: string }) => sha256);
}

/** What has to hold of every run, whatever it is for: who may do what, and who saw what. */
export function assertTrust(run: WorkflowRun): void {
  assert.equal(run.startupFailure, undefined);
  assert.deepEqual(jobOf(run, "build").permissions, { contents: "read" });
  for (const [id, { seen }] of run.jobs) {
    const all = seen.join("\n");
    assert.ok(!all.includes(SECRETS.UNRELATED), `${id} saw a secret that nobody gave it`);
    if (id !== "site/deploy") assert.ok(!all.includes(SECRETS.DEPLOY_TOKEN), `${id} saw the key`);
  }
  const { steps } = jobOf(run, "deploy");
  for (const { log } of steps) assert.doesNotMatch(log, /the build ran/, "the deploy job ran code of the site");
  for (const { log } of jobOf(run, "comment").steps) assert.doesNotMatch(log, /the build ran/);
}

/** A pull request that was built, checked and commented on, and nothing else. */
export async function assertPullRequest(site: Site, run: WorkflowRun): Promise<void> {
  assertTrust(run);
  assert.deepEqual(results(run), { build: "success", comment: "success", deploy: "skipped" }, logs(run));
  assert.deepEqual(jobOf(run, "comment").permissions, { "pull-requests": "write" });
  assert.equal(site.api.comments.length, 1);
  assert.equal(await site.deployed(), undefined);
  assert.deepEqual(site.api.problems, []);
}

/** A merge that was deployed as it was built. */
export async function assertMerge(site: Site, run: WorkflowRun, event: WorkflowEvent, sequence = 1): Promise<void> {
  assertTrust(run);
  assert.deepEqual(results(run), { build: "success", comment: "skipped", deploy: "success" }, logs(run));
  assert.deepEqual(jobOf(run, "deploy").permissions, { contents: "read", "id-token": "write", attestations: "write" });
  assert.equal(jobOf(run, "deploy").environment, "unikernel");
  assert.deepEqual(await site.deployed(), { commit: event.sha, sequence, digests: builtDigests(run) });
  assert.equal(await git(site.deployment, "tag"), `source/www/${event.sha}`);
  assert.deepEqual(site.api.requests, []);
}
