/** The deployment repository: one commit and one annotated tag per source commit, pushed together or not at all. */
import { setTimeout as sleep } from "node:timers/promises";
import { repositoryLabel } from "../build/source.ts";
import { DeployError, messageOf } from "../errors.ts";
import type { ReleaseManifest } from "../manifest/schema.ts";
import type { Release } from "../release/release.ts";
import type { Log } from "../util/log.ts";
import { count, formatSize } from "../util/size.ts";
import type { Access } from "./access.ts";
import { releaseChanges } from "./changes.ts";
import { arrange, contentSize, type RepositoryFile } from "./contents.ts";
import {
  type Earlier,
  isSuperseded,
  type Place,
  prefixOf,
  readDeployed,
  readTagged,
  refuseInTheWay,
  refuseOtherBytes,
  refuseOtherSite,
  refuseSource,
} from "./deployed.ts";
import type { Destination, Published, PublishOptions } from "./destination.ts";
import { prune } from "./prune.ts";
import { commitVolumes, volumeRef } from "./volume-branches.ts";
import { packObjects } from "./wire/objects.ts";
import { receivePack, speaksWire } from "./wire/receive-pack.ts";
import { volumeDeltas } from "./wire/volume-deltas.ts";
import {
  openWorkRepository,
  type PushResult,
  type Refs,
  type RefUpdate,
  type Tip,
  wholeLine,
  type WorkRepository,
} from "./work-repository.ts";

export interface GitDestinationOptions {
  readonly access: Access;
  readonly branch: string;
  /** Directory of the release in the repository, or "" for its root. */
  readonly path: string;
  /** Keep only this many deployments of the branch; all where absent. */
  readonly history?: number | undefined;
  readonly log: Log;
  /** A number from 0 to 1, for waiting times that two losers of a race do not share. */
  readonly random: () => number;
}

/** Somebody else's push landing first is nothing unusual; this many in a row is. */
const MAX_ATTEMPTS = 20;

export function gitDestination(options: GitDestinationOptions): Destination {
  const place = { url: options.access.url, path: options.path };
  return {
    async deployed() {
      using work = await openWorkRepository(options.access);
      const branch = `refs/heads/${options.branch}`;
      const commit = (await work.refs([branch])).get(branch);
      return commit === undefined ? undefined : readDeployed(work, await work.fetchTip(commit), place);
    },
    async publish(release, publishing) {
      using work = await openWorkRepository(options.access);
      for (let attempt = 1; ; attempt++) {
        const published = await attemptPublish({ work, release, place, options, publishing });
        if (published) return published.outcome === "deployed" ? shorten(published, options) : published;
        if (attempt === MAX_ATTEMPTS) {
          throw new DeployError("PUSH_REJECTED", `${MAX_ATTEMPTS} pushes in a row came second to another one`, {
            hint: "is something else pushing to this branch all the time? Run again when it has stopped",
          });
        }
        options.log.info(`another push landed first; trying again (${attempt})`);
        await sleep(options.random() * Math.min(5000, 100 * 2 ** attempt));
      }
    },
  };
}

/** Cuts the history where that is wanted; a release that is deployed stays so whatever comes of it. */
async function shorten(published: Published, options: GitDestinationOptions): Promise<Published> {
  const { access, branch, history, log } = options;
  if (history === undefined) return published;
  try {
    const { tip } = await prune({ access, branch, history, dryRun: false, log });
    return { ...published, revision: tip };
  } catch (error) {
    log.warning(`the history was not cut to ${history} deployments: ${messageOf(error)}; the next deploy tries again`);
    return published;
  }
}

interface Attempt {
  readonly work: WorkRepository;
  readonly release: Release;
  readonly place: Place;
  readonly options: GitDestinationOptions;
  readonly publishing: PublishOptions;
}

/** One try at the branch as it is now; undefined when it moved meanwhile. */
async function attemptPublish(attempt: Attempt): Promise<Published | undefined> {
  const { work, release, place, options, publishing } = attempt;
  const names = refNames(release, options.branch);
  const refs = await work.refs([names.branch, names.tag, ...names.volumes]);
  const tip = await fetchTip(work, refs.get(names.branch));
  const current = tip && (await readDeployed(work, tip, place));
  refuseOtherSite(release.manifest.name, current, place);
  if (!current) await refuseSource(release.manifest, tip, place, publishing);
  const tag = names.tag.slice("refs/tags/".length);
  const earlier = await earlierOutcome(attempt, names.tag, refs, current);
  if (earlier) return { ...earlier, tag, changed: 0, removed: 0, bytes: 0, sent: undefined };

  const prefix = prefixOf(place);
  const volumes = await commitVolumes(work, release, refs, Math.max(publishing.now, tip?.time ?? 0));
  const { manifest, files } = await arrange(release, {
    layout: publishing.layout,
    sequence: (current?.sequence ?? 0) + 1,
    inParts: (volume) => tip?.tree.has(`${prefix}volumes/${volume}.img.parts/0000`) === true,
    branches: volumes.commits,
    sign: publishing.sign,
  });
  const change = releaseChanges(files, manifest.name, { prefix, tree: tip?.tree ?? new Map(), current });
  refuseInTheWay(change.inTheWay, place);
  const planned: Published = {
    outcome: "planned",
    manifest,
    revision: undefined,
    tag,
    changed: change.added.length + volumes.changed,
    removed: change.removed.length + volumes.removed,
    bytes: change.added.reduce((sum, { content }) => sum + contentSize(content), volumes.bytes),
    sent: undefined,
  };
  if (publishing.dryRun) return planned;

  const tree = await work.writeTree(tip, change.removed, change.added);
  const message = commitMessage(manifest);
  const commit = await work.commit(tree, tip?.commit, message, volumes.time);
  const tagObject = await work.tag(tag, commit, message, volumes.time);
  const updates: RefUpdate[] = [
    { name: names.branch, id: commit, expected: refs.get(names.branch) },
    { name: names.tag, id: tagObject, expected: refs.get(names.tag) },
    ...volumes.updates,
  ];
  const blobs = [...change.newBlobs, ...volumes.newBlobs];
  const push = await pushAll(attempt, { refs, tip, current, manifest, updates, blobs });
  return push.kind === "raced" ? undefined : { ...planned, outcome: "deployed", revision: commit, sent: push.sent };
}

interface Parcel {
  readonly refs: Refs;
  readonly tip: Tip | undefined;
  readonly current: ReleaseManifest | undefined;
  readonly manifest: ReleaseManifest;
  readonly updates: readonly RefUpdate[];
  readonly blobs: readonly RepositoryFile[];
}

/** Over the wire ourselves where that is cheaper and the server takes it, else with git. */
async function pushAll({ work, release, place, options }: Attempt, parcel: Parcel): Promise<PushResult> {
  const { tip, current, manifest, updates, blobs, refs } = parcel;
  const { log, access } = options;
  if (tip && current && speaksWire(access)) {
    log.progress(`sending ${count(blobs.length, "new file")}`);
    const what = { volumes: release.volumes, blobs, prefix: prefixOf(place) };
    const deltas = await volumeDeltas(work, { tip, current, manifest, ...what });
    const objects = await packObjects(work, { updates, tip: tip.commit, without: [...refs.values()], blobs, deltas });
    const result = await receivePack(access.url, access.authorization, updates, objects);
    if (result.kind === "pushed") return { kind: "pushed", sent: formatSize(result.bytes) };
    if (result.kind === "raced") return result;
    log.info(`the server did not take the push as it was (${result.reason}); git pushes it instead`);
  }
  log.progress(`packing ${count(blobs.length, "new file")}`);
  await work.writeBlobs(blobs);
  return work.push(updates, { deltas: tip !== undefined, onProgress: lastLineTo(log) });
}

function refNames({ manifest, volumes }: Release, branch: string) {
  return {
    branch: `refs/heads/${branch}`,
    tag: `refs/tags/source/${manifest.name}/${manifest.source.commit}`,
    volumes: volumes.filter(({ format }) => format.name === "git").map(({ name }) => volumeRef(manifest.name, name)),
  };
}

const fetchTip = async (work: WorkRepository, commit: string | undefined): Promise<Tip | undefined> =>
  commit === undefined ? undefined : work.fetchTip(commit);

/** git rewrites its progress line in place; the last one is the news. */
const lastLineTo = (log: Log) => (text: string) =>
  log.progress(text.split(/[\r\n]/).findLast((line) => line.trim() !== "") ?? "");

/** Whether this source commit, or a later one, was deployed before. Throws RELEASE_CONFLICT for other bytes of it. */
async function earlierOutcome(
  { work, release, place, options, publishing }: Attempt,
  tagRef: string,
  refs: Refs,
  current: ReleaseManifest | undefined,
): Promise<Earlier | undefined> {
  if (publishing.force) return undefined;
  const tagged = refs.has(tagRef) ? await readTagged(work, tagRef, place) : undefined;
  if (tagged) {
    refuseOtherBytes(release.manifest, tagged.manifest);
    // The tag may be of a deploy to another branch, such as a staging one: this branch does not have it then.
    const tip = refs.get(`refs/heads/${options.branch}`);
    const isHere =
      tip !== undefined && (tip === tagged.commit || (await wholeLine(options.access, tip)).includes(tagged.commit));
    if (isHere) return { outcome: "unchanged", manifest: tagged.manifest, revision: tagged.commit };
  }
  if (!current || !(await isSuperseded(release.manifest, current, publishing))) return undefined;
  return { outcome: "superseded", manifest: current, revision: undefined };
}

function commitMessage(manifest: ReleaseManifest): string {
  const { name, source, sequence } = manifest;
  const label = repositoryLabel(source.repository, name);
  const subject = `Deploy ${name} from ${label}@${source.commit.slice(0, 12)}`;
  return `${subject}\n\nSource-Commit: ${source.commit}\nRelease-Sequence: ${sequence}\n`;
}
