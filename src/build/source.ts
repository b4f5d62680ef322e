/** Source: which commit of which repository is being released. Read once, from git or from the runner. */
import { realpathSync } from "node:fs";
import { DeployError } from "../errors.ts";
import { isHex } from "../util/bytes.ts";
import { exec } from "../util/exec.ts";

export interface Source {
  /** Where the source lives, without credentials; absent where there is no remote. */
  readonly repository?: string;
  /** Full commit id, 40 or 64 hex digits. */
  readonly commit: string;
  /** The full ref being built, e.g. refs/heads/main. */
  readonly ref?: string;
  /** Committer time, RFC 3339 in UTC; the only time that a release carries. */
  readonly committedAt?: string;
  /** URL of the workflow run. */
  readonly run?: string;
}

/**
 * Reads the source from the git checkout at `directory`; what git does not know comes from the runner's variables
 * (GITHUB_SHA and friends). Throws SOURCE_UNKNOWN where neither names a commit.
 */
export async function readSource(directory: string, env: NodeJS.ProcessEnv): Promise<Source> {
  const head = await gitOutput(directory, env, ["log", "-1", "--format=%H %ct"]);
  const [commit, seconds] = head?.split(" ") ?? [env.GITHUB_SHA];
  if (commit === undefined || !isHex(commit, 40, 64)) {
    const told = commit === undefined ? "" : `, and GITHUB_SHA is no commit: ${JSON.stringify(commit)}`;
    throw new DeployError("SOURCE_UNKNOWN", `${directory} is not in a git checkout with a commit${told}`, {
      hint: "a release belongs to a source commit: run inside the checkout (git init, git commit), or set GITHUB_SHA",
    });
  }
  const remote =
    repositoryFromRunner(env) ?? publicUrl(await gitOutput(directory, env, ["remote", "get-url", "origin"]));
  const ref = env.GITHUB_REF || (await gitOutput(directory, env, ["symbolic-ref", "-q", "HEAD"]));
  return {
    ...(remote ? { repository: remote } : {}),
    commit,
    ...(ref ? { ref } : {}),
    ...(seconds === undefined ? {} : { committedAt: committerTime(commit, Number(seconds)) }),
    ...runUrl(env),
  };
}

/** Tracked files that differ from the commit: a release built now is not what the commit says. */
export async function uncommittedFiles(directory: string, env: NodeJS.ProcessEnv): Promise<readonly string[]> {
  // Without optional locks git leaves its index as it is: a build changes nothing in the user's checkout.
  const quiet = { ...env, GIT_OPTIONAL_LOCKS: "0" };
  const changed = await gitOutput(directory, quiet, ["status", "--porcelain", "--untracked-files=no"]);
  return changed ? changed.split("\n").map((line) => line.replace(/^\s*\S+\s+/, "")) : [];
}

/** What a commit subject calls a repository's URL: `owner/repo`, or `fallback` where there is no remote. */
export function repositoryLabel(repository: string | undefined, fallback: string): string {
  if (repository === undefined) return fallback;
  return repository.replace(/^[a-z+]+:\/\/[^/]+\//, "");
}

/** A remote's URL as https without credentials; undefined for a path, which means nothing elsewhere. */
export function publicUrl(remote: string | undefined): string | undefined {
  if (!remote) return undefined;
  const scp = /^(?:[^@/]+@)?([^:/]+):(?!\/\/)(.+)$/.exec(remote);
  const url = scp ? `https://${scp[1]}/${scp[2]}` : remote.replace(/^(?:ssh|git\+ssh):\/\//, "https://");
  const parts = /^(https?):\/\/(?:[^@/]*@)?([^/]+)\/+(.+?)(?:\.git)?\/*$/.exec(url);
  if (!parts) return undefined;
  const host = remote.startsWith("http") ? parts[2] : parts[2]?.replace(/:\d+$/, "");
  return `${parts[1]}://${host}/${parts[3]}`;
}

function repositoryFromRunner(env: NodeJS.ProcessEnv): string | undefined {
  if (!env.GITHUB_REPOSITORY) return undefined;
  return `${env.GITHUB_SERVER_URL || "https://github.com"}/${env.GITHUB_REPOSITORY}`;
}

function runUrl(env: NodeJS.ProcessEnv): { run?: string } {
  const repository = repositoryFromRunner(env);
  if (!repository || !env.GITHUB_RUN_ID) return {};
  return { run: `${repository}/actions/runs/${env.GITHUB_RUN_ID}` };
}

/** The first second of the year 0 and the last of 9999; RFC 3339 has no others. */
const [FIRST_SECOND, LAST_SECOND] = [-62_167_219_200, 253_402_300_799];

function committerTime(commit: string, seconds: number): string {
  if (Number.isSafeInteger(seconds) && seconds >= FIRST_SECOND && seconds <= LAST_SECOND)
    return new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
  throw new DeployError("SOURCE_UNKNOWN", `commit ${commit.slice(0, 12)} has no date that can be told`, {
    hint: "make the commit again with the clock set right (git commit --amend --no-edit), and build that",
  });
}

async function gitOutput(directory: string, env: NodeJS.ProcessEnv, args: string[]): Promise<string | undefined> {
  // A checkout made by another user (a container's root) is still the one being built: reading it runs nothing.
  const safe = ["-c", `safe.directory=${realpathSync(directory)}`, "-c", "safe.directory=*"];
  const result = await exec(["git", ...safe, "-C", directory, ...args], { env: { ...env, LC_ALL: "C" } });
  return result.code === 0 ? result.stdout.toString("utf8").trim() : undefined;
}
