/** Retention in a registry: keeps the newest N releases and deletes the tags of the others, where the registry allows that. */
import { DeployError, messageOf } from "../../errors.ts";
import type { Registry } from "../../registry/registry.ts";
import type { Log } from "../../util/log.ts";
import { type FollowingTag, readPosted } from "./shelf.ts";
import type { TagNames } from "./tags.ts";

export interface RetentionOptions {
  readonly registry: Registry;
  readonly companions?: readonly { readonly tags: readonly FollowingTag[] }[];
  readonly log: Log;
}

export interface Pruned {
  /** Source commits whose releases are kept, the newest first. */
  readonly kept: readonly string[];
  /** Tags that are gone, or would be. */
  readonly removedTags: readonly string[];
  /** Digest of the newest release, which stays. */
  readonly tip: string;
  readonly changed: boolean;
}

/** Cuts the history where that is wanted; a release that is deployed stays so whatever comes of it. */
export async function shorten(options: RetentionOptions, names: TagNames, history: number): Promise<void> {
  try {
    await pruneRegistry(options, names, { history, dryRun: false });
  } catch (error) {
    options.log.warning(`the history was not cut to ${history} releases: ${messageOf(error)}`);
  }
}

/** Throws RELEASE_MISSING where there is no release, PUSH_REJECTED where the registry deletes nothing. */
export async function pruneRegistry(
  { registry, companions = [], log }: RetentionOptions,
  names: TagNames,
  { history, dryRun }: { readonly history: number; readonly dryRun: boolean },
): Promise<Pruned> {
  const tags = await registry.tags();
  const newest = await readPosted(registry, names.newest);
  if (!newest) {
    throw new DeployError("RELEASE_MISSING", `${registry.address} has no tag ${names.newest}`, {
      hint: "is --branch right?",
    });
  }
  const following = companions.flatMap((companion) => companion.tags);
  const { kept, removed } = choose(tags, names, { history, newest, following });
  if (!dryRun) {
    for (const [done, tag] of removed.entries()) {
      await remove(registry, tag, tags);
      log.progress(`${done + 1} of ${removed.length} tags gone`);
    }
  }
  return { kept, removedTags: removed, tip: newest.digest, changed: removed.length > 0 };
}

interface Choosing {
  readonly history: number;
  readonly newest: { readonly commit: string; readonly sequence: number };
  readonly following: readonly FollowingTag[];
}

/** By the tags alone: numbers and commits stand in them. What is above the newest is somebody's work under way. Pure. */
export function choose(
  tags: readonly string[],
  names: TagNames,
  { history, newest, following }: Choosing,
): { kept: readonly string[]; removed: readonly string[] } {
  const sources = names.sources(tags);
  const announcements = names.announcements(tags);
  const numbers = new Map<string, number>();
  for (const { commit, sequence } of announcements) if (sources.has(commit)) numbers.set(commit, sequence);
  numbers.set(newest.commit, newest.sequence);
  const deployed = [...numbers].filter(([, sequence]) => sequence <= newest.sequence).sort(([, a], [, b]) => b - a);
  const kept = deployed.slice(0, history).map(([commit]) => commit);
  const lowest = deployed[Math.min(history, deployed.length) - 1]?.[1] ?? newest.sequence;
  const gone = new Set(deployed.slice(history).map(([commit]) => commit));
  const own = new Set(
    [...gone].flatMap((commit) => [names.source(commit), ...following.map((tag) => tag.source(commit))]),
  );
  const old = new Set(announcements.filter(({ sequence }) => sequence < lowest).map(({ tag }) => tag));
  return { kept, removed: tags.filter((tag) => own.has(tag) || old.has(tag)) };
}

/** By digest, which all registries that delete can do; by tag where one does only that. */
async function remove(registry: Registry, tag: string, tags: readonly string[]): Promise<void> {
  const stored = await registry.readManifest(tag);
  if (!stored) return;
  // What lists its signatures, where that is a tag (distribution-spec, "Referrers Tag Schema").
  const referrers = stored.digest.replace(":", "-");
  if (tags.includes(referrers)) await remove(registry, referrers, []);
  try {
    await registry.deleteManifest(stored.digest);
  } catch (error) {
    if (!(error instanceof DeployError) || error.code !== "PUSH_REJECTED") throw error;
    await registry.deleteManifest(tag).catch(() => {
      throw error;
    });
  }
}
