/**
 * A bare repository of ours, gone when done, through which a deployment repository is read and written: trees are
 * fetched, files only when asked for, and nothing is ever checked out.
 */
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DeployError } from "../errors.ts";
import type { ExecResult } from "../util/exec.ts";
import { tempDir } from "../util/files.ts";
import { type Git, gitIn, listTree, type TreeEntry } from "../util/git.ts";
import type { Access } from "./access.ts";
import { blobStream } from "./blob-stream.ts";
import type { RepositoryFile } from "./contents.ts";
import { explainGitFailure, isRace, isTransient } from "./git-errors.ts";
import type { PackObject } from "./wire/pack.ts";

/** The branch as it is now. */
export interface Tip {
  readonly commit: string;
  /** The later of author and committer time, seconds since the epoch. */
  readonly time: number;
  /** Every file, by full path. */
  readonly tree: ReadonlyMap<string, TreeEntry>;
}

/** Object ids by full ref name, of those refs that exist. A tag's id is that of its tag object. */
export type Refs = ReadonlyMap<string, string>;

/** What publishing needs of a repository, whichever way it is reached. */
export interface Workbench extends Disposable {
  /** Bytes of whole files up to which it is the better way. */
  readonly wholeFiles: number;
  /** Which of these full ref names exist, and where they point; of a name that ends in a slash: all that begin with it. */
  refs(names: readonly string[]): Promise<Refs>;
  fetchTip(commit: string): Promise<Tip>;
  /** Fetches what one of these refs points at, without files; the commit's id. */
  fetchCommit(ref: string): Promise<string>;
  /** A file's content, or undefined where the commit has none at that path. */
  readFile(commit: string, file: string): Promise<Buffer | undefined>;
  /** The id of a tree: the tip's with these changes. */
  writeTree(tip: Tip | undefined, removed: readonly string[], added: readonly RepositoryFile[]): Promise<string>;
  commit(tree: string, parent: string | undefined, message: string, time: number): Promise<string>;
  tag(name: string, commit: string, message: string, time: number): Promise<string>;
  /** Moves all these refs or none. */
  push(updates: readonly RefUpdate[], parcel: Parcel): Promise<PushResult>;
}

/** The files of a push; commits, trees and tags were made before. */
export interface Parcel {
  /** Those that the server does not have. */
  readonly blobs: readonly RepositoryFile[];
  /** Those of them that can go as deltas, by id. */
  readonly deltas: ReadonlyMap<string, PackObject>;
  /** Whether the server has an older self of them, which a search for deltas finds. */
  readonly resembling: boolean;
  readonly onProgress: (line: string) => void;
}

export interface WorkRepository extends Workbench {
  /** Fetches the last `count` commits of a branch, without files; their ids, newest first. */
  fetchLine(tip: string, count: number): Promise<readonly string[]>;
  /**
   * Every commit of a branch, newest first. It makes this repository's history whole, after which git would send more than
   * it has to: not for a repository that pushes.
   */
  fetchWholeLine(tip: string): Promise<readonly string[]>;
  /** Fetches tag objects, and of what they point at no more than the commit. */
  fetchTags(names: readonly string[]): Promise<void>;
  /** The text of a commit or an annotated tag that was fetched. */
  readObject(id: string): Promise<string>;
  writeObject(type: "commit" | "tag", text: string): Promise<string>;
}

export interface RefUpdate {
  /** Full ref name. */
  readonly name: string;
  /** Where it goes; undefined: it is removed. */
  readonly id: string | undefined;
  /** What must still be there for the push to happen; undefined: nothing. */
  readonly expected: string | undefined;
}

export type PushResult = { readonly kind: "pushed"; readonly sent: string | undefined } | Raced;

/** The server would not move the refs from where they were when we looked. */
export interface Raced {
  readonly kind: "raced";
  /** What it said. Servers have the same words for a ref that cannot be written at all: then nobody has moved it. */
  readonly why: Error;
}

/**
 * Files above this are stored without a delta search against their neighbours, so that memory stays bounded. Parts of images are
 * above it: among parts of one image there is nothing to be found, and looking for it takes longer than all the rest.
 */
const BIG_FILE = "3m";
/** Milliseconds before the same is asked again of a server that broke off or was too busy. */
const PAUSES = [1000, 4000];
const IDENTITY = "unikernel-deploy <unikernel-deploy@deploy.invalid>";
const ORIGIN = "origin";

export async function openWorkRepository(access: Access): Promise<WorkRepository> {
  const directory = tempDir("unikernel-deploy-git");
  try {
    const git = gitIn(directory.path, access.env, access.secrets);
    await git.run(["init", "--quiet", "--bare", "--template=", directory.path]);
    await configure(git, access.url);
    return new GitWork(git, access.url, () => directory[Symbol.dispose]());
  } catch (error) {
    directory[Symbol.dispose]();
    throw error;
  }
}

async function configure(git: Git, url: string): Promise<void> {
  const settings = {
    [`remote.${ORIGIN}.url`]: url,
    [`remote.${ORIGIN}.promisor`]: "true",
    [`remote.${ORIGIN}.partialclonefilter`]: "blob:none",
    // Two cores at a forge's runner; window memory keeps the largest delta search bounded.
    "pack.windowMemory": "100m",
    "core.deltaBaseCacheLimit": "32m",
    // What is packed once is pushed as it is; loose, each file would be packed three times, and large ones are few.
    "fastimport.unpackLimit": "1",
    // Of a pack of gigabytes this much is mapped at once.
    "core.packedGitWindowSize": "16m",
    "core.packedGitLimit": "64m",
  };
  for (const [key, value] of Object.entries(settings)) await git.run(["config", key, value]);
}

/** Every commit of a branch, newest first, by a repository of its own. */
export async function wholeLine(access: Access, tip: string): Promise<readonly string[]> {
  using work = await openWorkRepository(access);
  // Awaited here: the repository is gone when this returns.
  return await work.fetchWholeLine(tip);
}

class GitWork implements WorkRepository {
  readonly wholeFiles = Number.POSITIVE_INFINITY;
  readonly #git: Git;
  readonly #url: string;
  readonly #remove: () => void;

  constructor(git: Git, url: string, remove: () => void) {
    this.#git = git;
    this.#url = url;
    this.#remove = remove;
  }

  [Symbol.dispose](): void {
    this.#remove();
  }

  /** Asks again where the server or the way to it was not up to it. */
  async #ask(args: readonly string[]): Promise<ExecResult> {
    for (let tries = 0; ; tries++) {
      const result = await this.#git.try(args);
      const pause = PAUSES[tries];
      if (result.code === 0 || pause === undefined || !isTransient(result.stderr)) return result;
      await sleep(pause);
    }
  }

  async refs(names: readonly string[]): Promise<Refs> {
    const patterns = names.map((name) => (name.endsWith("/") ? `${name}*` : name));
    const result = await this.#ask(["ls-remote", "--quiet", ORIGIN, ...patterns]);
    if (result.code !== 0) throw explainGitFailure("cannot read", this.#url, result.stderr);
    const refs = new Map<string, string>();
    for (const line of result.stdout.toString("utf8").split("\n")) {
      const [id, name] = line.split("\t");
      // The server lists what a tag points at as NAME^{}.
      if (id && name && !name.endsWith("^{}")) refs.set(name, id);
    }
    return refs;
  }

  async fetchTip(commit: string): Promise<Tip> {
    await this.#fetch([commit]);
    const times = await this.#git.run(["show", "-s", "--format=%at %ct", commit]);
    return {
      commit,
      time: Math.max(...times.split(" ").map(Number)),
      tree: await listTree(this.#git, commit),
    };
  }

  async fetchCommit(ref: string): Promise<string> {
    await this.#fetch([ref]);
    return this.#git.run(["rev-parse", "--verify", "FETCH_HEAD^{commit}"]);
  }

  async fetchLine(tip: string, count: number): Promise<readonly string[]> {
    await this.#fetch([tip], count);
    const line = await this.#git.run(["rev-list", "--first-parent", `--max-count=${count}`, tip]);
    return line.split("\n");
  }

  async fetchWholeLine(tip: string): Promise<readonly string[]> {
    const result = await this.#ask(["fetch", "--quiet", "--filter=tree:0", "--no-tags", ORIGIN, tip]);
    if (result.code !== 0) throw explainGitFailure("cannot fetch from", this.#url, result.stderr);
    return (await this.#git.run(["rev-list", "--first-parent", tip])).split("\n");
  }

  async fetchTags(names: readonly string[]): Promise<void> {
    if (names.length > 0) await this.#fetch(names.map((name) => `${name}:${name}`));
  }

  readObject(id: string): Promise<string> {
    // The last line end belongs to the object, and a run drops it.
    return this.#git.run(["cat-file", "-p", id]).then((text) => `${text}\n`);
  }

  async writeObject(type: "commit" | "tag", text: string): Promise<string> {
    return this.#git.run(["hash-object", "-t", type, "-w", "--stdin"], { input: text });
  }

  async #fetch(what: readonly string[], depth = 1): Promise<void> {
    const options = ["--quiet", `--depth=${depth}`, "--filter=blob:none", "--no-tags"];
    const result = await this.#ask(["fetch", ...options, ORIGIN, ...what]);
    if (result.code !== 0) throw explainGitFailure("cannot fetch from", this.#url, result.stderr);
  }

  async readFile(commit: string, file: string): Promise<Buffer | undefined> {
    const entry = await this.#git.run(["ls-tree", "--full-tree", commit, "--", file]);
    const id = /^100(?:644|755) blob ([0-9a-f]+)\t/.exec(entry)?.[1];
    if (id === undefined) return undefined;
    const result = await this.#ask(["cat-file", "blob", id]);
    if (result.code !== 0) throw explainGitFailure(`cannot read ${file} from`, this.#url, result.stderr);
    return result.stdout;
  }

  async #writeBlobs(files: readonly RepositoryFile[]): Promise<void> {
    if (files.length === 0) return;
    const argv = ["fast-import", "--quiet", "--done", `--big-file-threshold=${BIG_FILE}`];
    const result = await this.#git.try(argv, { input: blobStream(files) });
    if (result.code === 0) return;
    throw new DeployError("PROGRAM_FAILED", `git fast-import: ${result.stderr.trim().split("\n")[0] ?? ""}`);
  }

  async writeTree(tip: Tip | undefined, removed: readonly string[], added: readonly RepositoryFile[]): Promise<string> {
    const env = { GIT_INDEX_FILE: path.join(this.#git.directory, "deploy-index") };
    await this.#git.run(tip ? ["read-tree", tip.commit] : ["read-tree", "--empty"], { env });
    // Removals first: a path may turn from a file into a directory.
    const lines = [
      ...removed.map((name) => `0 ${"0".repeat(40)}\t${name}\0`),
      ...added.map(({ path: name, id }) => `100644 ${id}\t${name}\0`),
    ];
    const updated = await this.#git.try(["update-index", "-z", "--index-info"], { env, input: lines });
    // A path that git does not like it passes over, and says so without an exit code.
    if (updated.code !== 0 || updated.stderr.trim() !== "") {
      throw new DeployError("PROGRAM_FAILED", `git update-index: ${updated.stderr.trim().split("\n")[0] ?? ""}`);
    }
    return this.#git.run(["write-tree", "--missing-ok"], { env });
  }

  /** A partial clone would fetch the old files that new ones resemble, only to send less. */
  async #forgetPromise(): Promise<void> {
    for (const key of [`remote.${ORIGIN}.promisor`, `remote.${ORIGIN}.partialclonefilter`, "extensions.partialclone"]) {
      // One that is not set is an exit code, and as good.
      await this.#git.try(["config", "--unset-all", key]);
    }
  }

  async commit(tree: string, parent: string | undefined, message: string, time: number): Promise<string> {
    return this.writeObject("commit", commitText({ tree, parent, message, time }));
  }

  async tag(name: string, commit: string, message: string, time: number): Promise<string> {
    return this.writeObject("tag", tagText({ name, commit, message, time }));
  }

  async push(updates: readonly RefUpdate[], { blobs, resembling, onProgress }: Parcel): Promise<PushResult> {
    await this.#writeBlobs(blobs);
    if (blobs.length > 0) await this.#forgetPromise();
    const leases = updates.map(({ name, expected }) => `--force-with-lease=${name}:${expected ?? ""}`);
    const refspecs = updates.map(({ name, id }) => `${id ?? ""}:${name}`);
    // A search among unrelated parts of an image costs minutes and finds nothing; its neighbour is its own older self.
    const packing = ["-c", resembling ? "pack.window=1" : `core.bigFileThreshold=${BIG_FILE}`];
    const verb = ["push", "--porcelain", "--progress", "--atomic"];
    for (let tries = 0; ; tries++) {
      const argv = [...packing, ...verb, ...leases, ORIGIN, ...refspecs];
      const result = await this.#git.try(argv, { onStderr: onProgress });
      if (result.code === 0) return { kind: "pushed", sent: sentBytes(result.stderr) };
      const output = result.stdout.toString("utf8") + result.stderr;
      const why = explainGitFailure("cannot push to", this.#url, output);
      if (isRace(output)) return { kind: "raced", why };
      const pause = PAUSES[tries];
      if (pause === undefined || !isTransient(output)) throw why;
      await sleep(pause);
    }
  }
}

/** An annotated tag of ours, as git stores it. */
export function tagText(tag: { name: string; commit: string; message: string; time: number }): string {
  const tagger = `${IDENTITY} ${tag.time} +0000`;
  return `object ${tag.commit}\ntype commit\ntag ${tag.name}\ntagger ${tagger}\n\n${tag.message}`;
}

/** A commit of ours, as git stores it. */
export function commitText(commit: {
  tree: string;
  parent: string | undefined;
  message: string;
  time: number;
}): string {
  const who = `${IDENTITY} ${commit.time} +0000`;
  const parent = commit.parent === undefined ? "" : `parent ${commit.parent}\n`;
  return `tree ${commit.tree}\n${parent}author ${who}\ncommitter ${who}\n\n${commit.message}`;
}

/** "5.21 KiB" out of git's "Writing objects: 100% (8/8), 5.21 KiB | 5.21 MiB/s, done." */
function sentBytes(stderr: string): string | undefined {
  return /Writing objects: 100% .*?, ([0-9.]+ (?:bytes|[KMG]iB))/.exec(stderr)?.[1];
}
