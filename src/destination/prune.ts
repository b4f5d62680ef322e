/**
 * Retention: keeps the last N deployments of a branch and lets the server forget the rest. The kept commits are written
 * anew on a shorter line, with their trees, messages and dates; branch and tags move in one push or not at all, so that
 * the newest release is there at every moment.
 */
import { DeployError } from "../errors.ts";
import type { Log } from "../util/log.ts";
import type { Access } from "./access.ts";
import { lossOf } from "./loss.ts";
import { lastLineTo } from "./shipment.ts";
import { openWorkRepository, type RefUpdate, wholeLine, type WorkRepository } from "./work-repository.ts";

export interface PruneOptions {
  readonly access: Access;
  readonly branch: string;
  /** Deployments to keep, 1 or more. */
  readonly history: number;
  readonly dryRun: boolean;
  readonly log: Log;
}

export interface Pruned {
  /** Commits of the branch that are kept, newest first, by their ids before. */
  readonly kept: readonly string[];
  /** Tags whose commits are no longer reachable. */
  readonly removedTags: readonly string[];
  /** The branch's new tip; that of before where nothing had to go. */
  readonly tip: string;
  readonly changed: boolean;
}

const TAGS = "refs/tags/source/";

/** Throws RELEASE_MISSING where the branch does not exist, PUSH_REJECTED where it moved meanwhile: run again then. */
export async function prune(options: PruneOptions): Promise<Pruned> {
  return (await cut(options)).pruned;
}

/** The same, and the texts of the commits that were written anew. */
export async function cut(
  options: PruneOptions,
): Promise<{ readonly pruned: Pruned; readonly written: readonly string[] }> {
  const { access, history, dryRun, log } = options;
  using work = await openWorkRepository(access);
  const branch = `refs/heads/${options.branch}`;
  const refs = await work.refs([branch, `${TAGS}*`]);
  const tip = refs.get(branch);
  if (tip === undefined) {
    throw new DeployError("RELEASE_MISSING", `${access.url} has no branch ${options.branch}`, {
      hint: "is --branch right?",
    });
  }
  // One more than is kept tells whether there is anything to cut.
  const line = await work.fetchLine(tip, history + 1);
  const kept = line.slice(0, history);
  const tags = [...refs].filter(([name]) => name.startsWith(TAGS));
  if (line.length <= history) return { pruned: { kept, removedTags: [], tip, changed: false }, written: [] };

  const { renamed, written } = await rewrite(work, kept);
  const cut = new Set((await wholeLine(access, tip)).slice(history));
  const moves = await moveTags(work, tags, renamed, cut);
  const removedTags = moves.filter(({ id }) => id === undefined).map(({ name }) => name.slice("refs/tags/".length));
  const newTip = renamed.get(tip) as string;
  const pruned = { kept, removedTags, tip: newTip, changed: true };
  if (dryRun) return { pruned, written };
  const updates: RefUpdate[] = [{ name: branch, id: newTip, expected: tip }, ...moves];
  const push = await work.push(updates, {
    blobs: [],
    deltas: new Map(),
    resembling: false,
    onProgress: lastLineTo(log),
  });
  const loss = await lossOf(work, updates, push);
  if (loss && !loss.moved) throw loss.why;
  if (loss) {
    throw new DeployError("PUSH_REJECTED", `${options.branch} moved while its history was cut`, {
      hint: "nothing was changed; run again",
    });
  }
  return { pruned, written };
}

interface Rewritten {
  /** New ids by old ones. */
  readonly renamed: ReadonlyMap<string, string>;
  readonly written: readonly string[];
}

/** Writes the kept commits anew, the oldest without a parent. */
async function rewrite(work: WorkRepository, kept: readonly string[]): Promise<Rewritten> {
  const renamed = new Map<string, string>();
  const written: string[] = [];
  let parent: string | undefined;
  for (const commit of kept.toReversed()) {
    const text = await work.readObject(commit);
    const parents = parent === undefined ? "" : `parent ${parent}\n`;
    const anew = text.replace(/^(tree [0-9a-f]+\n)(?:parent [0-9a-f]+\n)*/, `$1${parents}`);
    parent = await work.writeObject("commit", anew);
    written.push(anew);
    renamed.set(commit, parent);
  }
  return { renamed, written };
}

/** Tags of kept commits follow them, those of commits that are cut go; a tag of another branch is none of ours. */
async function moveTags(
  work: WorkRepository,
  tags: readonly (readonly [name: string, id: string])[],
  renamed: ReadonlyMap<string, string>,
  cut: ReadonlySet<string>,
): Promise<RefUpdate[]> {
  const moves: RefUpdate[] = [];
  await work.fetchTags(tags.map(([name]) => name));
  for (const [name, id] of tags) {
    const text = await work.readObject(id);
    const target = /^object ([0-9a-f]+)\n/.exec(text)?.[1];
    if (target === undefined || (!renamed.has(target) && !cut.has(target))) continue;
    const commit = renamed.get(target);
    const moved = commit && (await work.writeObject("tag", text.replace(/^object [0-9a-f]+/, `object ${commit}`)));
    moves.push({ name, id: moved, expected: id });
  }
  return moves;
}
