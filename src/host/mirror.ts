/** The host's copy of the deployment repository: the newest commit with its files, and little that is older. */
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import type { Access } from "../destination/access.ts";
import { explainGitFailure } from "../destination/git-errors.ts";
import { DeployError } from "../errors.ts";
import { ioError, makeDirectories } from "../util/files.ts";
import { type Git, gitIn, listFiles } from "../util/git.ts";
import { readBlobs } from "../util/git-blobs.ts";
import { endAll, findMarked } from "./processes.ts";
import type { Tip, TipFile } from "./source.ts";

export interface MirrorOptions {
  readonly access: Access;
  readonly directory: string;
  readonly branch: string;
  readonly path: string;
  readonly signal?: AbortSignal | undefined;
}

/** Every git that works on a mirror has this variable, so that one that outlived its parent is found. */
const MARK = "UNIKERNEL_DEPLOY_MIRROR";
/** A first fetch of a large site over a slow line takes a while; what takes longer hangs (milliseconds). */
const FETCH_TIMEOUT = 6 * 3_600_000;

/**
 * Fetches what is new. Only one process may do so at a time. What a fetch left that was killed is put right first; a
 * mirror that is damaged is made anew, once. Throws RELEASE_MISSING where the branch does not exist yet.
 */
export async function fetchMirror(options: MirrorOptions): Promise<Tip> {
  const { directory } = options;
  await endAll(() => findMarked(MARK, directory));
  removeLocks(directory);
  try {
    return await fetchOnce(options);
  } catch (error) {
    if (!(error instanceof MirrorDamaged)) throw error;
    rmSync(directory, { recursive: true, force: true });
    return fetchOnce(options);
  }
}

/** The objects on disk are not what git wrote: a power cut, a failing disk. */
class MirrorDamaged extends DeployError {}

const DAMAGE =
  /loose object .* is corrupt|is corrupt$|object file .* is empty|inflate: |packfile .* (?:does not match|is far too|cannot be|claims)|bad (?:object|tree|pack)|unable to (?:read|parse) (?:object|tree|sha1)|missing (?:blob|tree|commit)|not a git repository: |did not receive expected object|invalid sha1 pointer|could not parse|bad config|shallow file|Could not read [0-9a-f]{40}|reference broken|not a valid object/im;

const SETTINGS = {
  // Parts of images pass through without being held in memory whole.
  "core.bigFileThreshold": "8m",
  // Of a pack of gigabytes this much is mapped at once; it would be as much of it as was ever read.
  "core.packedGitWindowSize": "16m",
  "core.packedGitLimit": "64m",
};

async function fetchOnce({ access, directory, branch, path: prefix, signal }: MirrorOptions): Promise<Tip> {
  const git = gitIn(directory, { ...access.env, [MARK]: directory }, access.secrets);
  if (!existsSync(path.join(directory, "HEAD"))) {
    try {
      makeDirectories(directory);
    } catch (error) {
      throw ioError(`cannot make ${directory}`, error);
    }
    await git.run(["init", "--quiet", "--bare", "--template=", directory]);
    for (const [key, value] of Object.entries(SETTINGS)) await git.run(["config", key, value]);
  }
  const tip = "refs/heads/tip";
  // A server that packs gigabytes says no more for minutes than that it is alive: five bytes in five seconds.
  const argv = ["-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=600", "-c", "pack.windowMemory=32m"];
  argv.push("fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head", access.url);
  const late = AbortSignal.timeout(FETCH_TIMEOUT);
  const result = await git.try([...argv, `+refs/heads/${branch}:${tip}`], {
    signal: signal ? AbortSignal.any([signal, late]) : late,
  });
  if (result.code !== 0) throw fetchFailure(access.url, branch, result.stderr);
  const described = await git.try(["log", "-1", "--format=%H %ct", tip]);
  const [commit, seconds] = described.stdout.toString("utf8").trim().split(" ");
  if (described.code !== 0 || commit === undefined) throw new MirrorDamaged("PROGRAM_FAILED", described.stderr);
  return {
    revision: commit,
    committedAt: Number(seconds) * 1000,
    files: await tipFiles(git, commit, prefix),
    read: (files, reader) => readBlobs(git, idsOf(files), reader),
    tidy: () => tidyMirror(git),
  };
}

function* idsOf(files: readonly TipFile[]): Iterable<string> {
  for (const { id } of files) yield id;
}

function fetchFailure(url: string, branch: string, stderr: string): DeployError {
  if (/couldn't find remote ref/.test(stderr)) {
    return new DeployError("RELEASE_MISSING", `${url} has no branch ${branch} yet`, {
      hint: "deploy a release first, or correct branch in host.yml",
    });
  }
  if (/No space left on device|Disk quota exceeded/.test(stderr)) {
    return new DeployError("IO_FAILED", `cannot fetch from ${url}: the disk of this host is full`, {
      hint: "free some space; the running release is untouched",
    });
  }
  if (DAMAGE.test(stderr)) return new MirrorDamaged("PROGRAM_FAILED", `cannot fetch from ${url}: ${stderr.trim()}`);
  return explainGitFailure("cannot fetch from", url, stderr);
}

async function tipFiles(git: Git, commit: string, directory: string): Promise<ReadonlyMap<string, TipFile>> {
  const prefix = directory === "" ? "" : `${directory.replace(/\/+$/, "")}/`;
  const files = new Map<string, TipFile>();
  const tooMany = (count: number) =>
    new DeployError("RELEASE_UNTRUSTED", `the repository lists more files than any site has, ${count} so far`, {
      hint: "the running release is untouched; find out who changed the repository, then deploy again",
    });
  try {
    await listFiles(git, commit, { prefix, sizes: true, tooMany }, (line) => addFile(files, line, prefix));
  } catch (error) {
    if (error instanceof DeployError && error.code === "PROGRAM_FAILED")
      throw new MirrorDamaged("PROGRAM_FAILED", error.message);
    throw error;
  }
  return files;
}

/** `<mode> SP <type> SP <id> SP+ <size> TAB <path>` (git-ls-tree, -l -z). */
function addFile(files: Map<string, TipFile>, line: string, prefix: string): void {
  const match = /^(\d+) \w+ ([0-9a-f]+) +(\d+|-)\t(.*)$/s.exec(line);
  if (!match) return;
  const [, mode, id, size, name] = match as unknown as [string, string, string, string, string];
  files.set(name.slice(prefix.length), { mode, id, size: size === "-" ? 0 : Number(size) });
}

/** Locks of a git that was killed. Nothing else works on the mirror, so nobody holds them. */
function removeLocks(directory: string): void {
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return rmSync(directory, { force: true });
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && entry.name.endsWith(".lock")) rmSync(path.join(entry.parentPath, entry.name));
  }
}

/** More packs than this, or loose objects, or this many times the size of the tip, is worth tidying. */
const MAX_PACKS = 20;
const MAX_LOOSE = 1000;
const MAX_GROWTH = 1.5;
/** Growth by less than this is not (KiB). */
const MIN_GROWTH = 1024;

/** Drops what older releases left in the mirror once that is worth it, so that it does not grow with history. */
async function tidyMirror(git: Git): Promise<void> {
  const size = await countObjects(git);
  const tidied = Number((await git.try(["config", "unikernel-deploy.tidied"])).stdout.toString("utf8")) || 0;
  // What the first fetch brought is all of use.
  const grown = tidied > 0 && size.total > tidied * MAX_GROWTH + MIN_GROWTH;
  if (size.packs > MAX_PACKS || size.loose > MAX_LOOSE || size.garbage > 0 || grown) {
    await git.try(["-c", "pack.windowMemory=32m", "repack", "-a", "-d", "-q", "--threads=1"]);
    await git.try(["prune", "--expire=now"]);
  } else if (tidied > 0) return;
  await git.try(["config", "unikernel-deploy.tidied", String((await countObjects(git)).total || 1)]);
}

async function countObjects(git: Git): Promise<{ loose: number; packs: number; garbage: number; total: number }> {
  const { stdout } = await git.try(["count-objects", "-v"]);
  const value = (name: string) => Number(new RegExp(`^${name}: (\\d+)$`, "m").exec(stdout.toString("utf8"))?.[1] ?? 0);
  const total = value("size") + value("size-pack") + value("size-garbage");
  return { loose: value("count"), packs: value("packs"), garbage: value("garbage"), total };
}
