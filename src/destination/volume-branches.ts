/**
 * Volumes of format `git`: the site as the plain tree of a branch of its own, which git-kv, irmin-git and unipi read as
 * it is. A guest that follows the branch needs no restart when only content changes.
 *
 * Such readers ask for history "since" the author time of what they have, and stop pulling when a tip is older than
 * that: a commit is never dated before the tip it follows.
 */
import type { Release } from "../release/release.ts";
import { wholeTreeChanges } from "./changes.ts";
import { contentSize, type RepositoryFile, siteFiles } from "./contents.ts";
import type { RefUpdate, Refs, Tip, Workbench } from "./work-repository.ts";

export interface VolumeCommit {
  readonly commit: string;
  readonly tree: string;
}

export interface VolumeBranches {
  /** By volume name. */
  readonly commits: ReadonlyMap<string, VolumeCommit>;
  readonly updates: readonly RefUpdate[];
  /** The date for every commit of this deploy: no tip is later (seconds since the epoch). */
  readonly time: number;
  readonly changed: number;
  readonly removed: number;
  /** Bytes of the files that are new. */
  readonly bytes: number;
  /** Files that the server does not have. */
  readonly newBlobs: readonly RepositoryFile[];
}

export const volumeRef = (site: string, volume: string) => `refs/heads/volume/${site}/${volume}`;

/** Makes a commit for each volume of format git whose files changed; an unchanged one keeps its commit. */
export async function commitVolumes(
  work: Workbench,
  release: Release,
  refs: Refs,
  now: number,
): Promise<VolumeBranches> {
  const site = release.manifest.name;
  const volumes = release.volumes.filter(({ format }) => format.name === "git");
  const tips = new Map<string, Tip>();
  for (const { name } of volumes) {
    const commit = refs.get(volumeRef(site, name));
    if (commit !== undefined) tips.set(name, await work.fetchTip(commit));
  }
  const time = Math.max(now, ...[...tips.values()].map((tip) => tip.time));
  const commits = new Map<string, VolumeCommit>();
  const updates: RefUpdate[] = [];
  const blobs: RepositoryFile[] = [];
  const sum = { changed: 0, removed: 0, bytes: 0 };
  for (const volume of volumes) {
    const tip = tips.get(volume.name);
    const { added, removed, newBlobs } = wholeTreeChanges(siteFiles(volume), tip?.tree ?? new Map());
    blobs.push(...newBlobs);
    const tree = await work.writeTree(tip, removed, added);
    const changed = added.length + removed.length > 0 || tip === undefined;
    const message = `Publish ${volume.name} of ${site}\n\nSource-Commit: ${release.manifest.source.commit}\n`;
    const commit = changed ? await work.commit(tree, tip?.commit, message, time) : tip.commit;
    commits.set(volume.name, { commit, tree });
    if (changed) updates.push({ name: volumeRef(site, volume.name), id: commit, expected: tip?.commit });
    sum.changed += added.length;
    sum.removed += removed.length;
    sum.bytes += added.reduce((bytes, { content }) => bytes + contentSize(content), 0);
  }
  return { commits, updates, time, ...sum, newBlobs: blobs };
}
