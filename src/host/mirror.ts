/** The host's copy of the deployment repository: the newest commit with its files, and nothing older. */
import { existsSync, mkdirSync } from "node:fs";
import type { Access } from "../destination/access.ts";
import { explainGitFailure } from "../destination/git-errors.ts";
import { DeployError } from "../errors.ts";
import { type Git, gitIn } from "../util/git.ts";

/** A file at the tip. */
export interface TipFile {
  readonly mode: string;
  readonly id: string;
  readonly size: number;
}

export interface Mirror {
  readonly git: Git;
  readonly commit: string;
  /** Every file below the release's directory, by path relative to it. */
  readonly files: ReadonlyMap<string, TipFile>;
}

export interface MirrorOptions {
  readonly access: Access;
  readonly directory: string;
  readonly branch: string;
  readonly path: string;
}

/** Fetches what is new. Throws RELEASE_MISSING where the branch does not exist yet. */
export async function fetchMirror({ access, directory, branch, path }: MirrorOptions): Promise<Mirror> {
  const git = gitIn(directory, access.env, access.secrets);
  if (!existsSync(`${directory}/HEAD`)) {
    mkdirSync(directory, { recursive: true });
    await git.run(["init", "--quiet", "--bare", "--template=", directory]);
    // Parts of images pass through without being held in memory whole.
    await git.run(["config", "core.bigFileThreshold", "8m"]);
  }
  const tip = "refs/heads/tip";
  const argv = ["fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head", access.url];
  const result = await git.try([...argv, `+refs/heads/${branch}:${tip}`]);
  if (result.code !== 0) {
    if (/couldn't find remote ref/.test(result.stderr)) {
      throw new DeployError("RELEASE_MISSING", `${access.url} has no branch ${branch} yet`, {
        hint: "deploy a release first, or correct branch in host.yml",
      });
    }
    throw explainGitFailure("cannot fetch from", access.url, result.stderr);
  }
  const commit = await git.run(["rev-parse", "--verify", tip]);
  return { git, commit, files: await tipFiles(git, commit, path) };
}

async function tipFiles(git: Git, commit: string, path: string): Promise<ReadonlyMap<string, TipFile>> {
  const prefix = path === "" ? "" : `${path.replace(/\/+$/, "")}/`;
  const result = await git.try(["ls-tree", "-r", "-l", "-z", "--full-tree", commit, ...(prefix ? ["--", prefix] : [])]);
  if (result.code !== 0) throw new DeployError("PROGRAM_FAILED", `git ls-tree: ${result.stderr.trim()}`);
  const files = new Map<string, TipFile>();
  for (const line of result.stdout.toString("utf8").split("\0")) {
    const match = /^(\d+) \w+ ([0-9a-f]+) +(\d+|-)\t(.*)$/s.exec(line);
    if (!match) continue;
    const [, mode, id, size, name] = match as unknown as [string, string, string, string, string];
    files.set(name.slice(prefix.length), { mode, id, size: size === "-" ? 0 : Number(size) });
  }
  return files;
}

/** Drops what older releases left in the mirror, so that it does not grow with history. */
export async function tidyMirror(git: Git): Promise<void> {
  await git.try(["-c", "gc.pruneExpire=now", "gc", "--quiet", "--auto", "--prune=now"]);
}
