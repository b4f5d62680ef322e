/** The deployment repository: one commit and one annotated tag per source commit, pushed together or not at all. */
import { setTimeout as sleep } from "node:timers/promises";
import { repositoryLabel } from "../build/source.ts";
import { DeployError, messageOf } from "../errors.ts";
import type { ReleaseManifest } from "../manifest/schema.ts";
import type { Release } from "../release/release.ts";
import type { Log } from "../util/log.ts";
import type { Access } from "./access.ts";
import { releaseChanges } from "./changes.ts";
import { arrange, contentSize } from "./contents.ts";
import {
  type Earlier,
  isSuperseded,
  ownDeployed,
  type Place,
  prefixOf,
  readDeployed,
  readTagged,
  refuseInTheWay,
  refuseOtherBytes,
  refuseOtherSite,
  refuseSource,
  signedIn,
  warnOfSignature,
} from "./deployed.ts";
import type { Destination, Published, PublishOptions } from "./destination.ts";
import { type Loss, lossOf } from "./loss.ts";
import { openMemory } from "./memory.ts";
import { parcelPrefix, parcelsAmong, refuseTooLarge, removeParcels } from "./parcels.ts";
import { cut } from "./prune.ts";
import { openSession, type Session } from "./session.ts";
import { refuseTooMuch, ship } from "./shipment.ts";
import { type Survey, surveyBy } from "./survey.ts";
import { openTurn, type Turn } from "./turn.ts";
import { commitVolumes, volumeRef } from "./volume-branches.ts";
import { commitText, type Refs, type RefUpdate, type Tip, wholeLine, type Workbench } from "./work-repository.ts";

export interface GitDestinationOptions {
  readonly access: Access;
  readonly branch: string;
  /** Directory of the release in the repository, or "" for its root. */
  readonly path: string;
  /** Keep only this many deployments of the branch; all where absent. */
  readonly history?: number | undefined;
  /** A directory for what the next deploy need not ask for again; nothing is kept where absent. */
  readonly cache?: string | undefined;
  readonly log: Log;
  /** A number from 0 to 1, for waiting times that two losers of a race do not share. */
  readonly random: () => number;
}

/** Somebody else's push landing first is nothing unusual; this many in a row is. */
const MAX_ATTEMPTS = 20;
/** A ref that another push holds for the moment is free again before so many tries; one that cannot be written is not. */
const MAX_UNMOVED = 3;
/** Milliseconds. */
const LEAST_PAUSE = 300;

export interface GitDestination extends Destination {
  /** What is there before a deploy, read so that the deploy need not read it again; earlier releases as far as they are remembered. */
  survey(): Promise<Survey | undefined>;
}

export function gitDestination(options: GitDestinationOptions): GitDestination {
  const { access, branch, path } = options;
  const place = { url: access.url, path };
  const session = openSession(access, openMemory(options.cache, { ...place, branch }));
  return {
    deployed: () =>
      session.work("read", async (work) => {
        const name = `refs/heads/${branch}`;
        const commit = (await work.refs([name])).get(name);
        return commit === undefined ? undefined : readDeployed(work, await work.fetchTip(commit), place);
      }),
    survey: () =>
      session.work("read", (work) =>
        surveyBy(work, { branch, place }, async (tip) => session.line(tip.commit, prefixOf(place)).slice(1)),
      ),
    async publish(release, publishing) {
      // The same for git where the wire is refused: nobody waits twice.
      const turn = turnOf(release, options, publishing);
      const published = await session.work("push", (work) =>
        publishUntilFirst({ work, session, release, place, options, publishing, turn }),
      );
      return published.outcome === "deployed" ? shorten(published, session, options) : published;
    },
  };
}

/** Tries until no other push lands first. */
async function publishUntilFirst(attempt: Attempt): Promise<Published> {
  const { work, turn, options } = attempt;
  const { log, random } = options;
  let unmoved = 0;
  for (let tries = 1; ; tries++) {
    let result = await attemptPublish(attempt);
    for (; "ahead" in result; result = await attemptPublish(attempt)) {
      await turn.wait(work, result.tip, result.ahead);
    }
    if (!("why" in result)) return result;
    unmoved = result.moved ? 0 : unmoved + 1;
    if (unmoved === MAX_UNMOVED) return abandon(attempt, result.why);
    if (tries === MAX_ATTEMPTS) {
      const error = new DeployError("PUSH_REJECTED", `${MAX_ATTEMPTS} pushes in a row came second to another one`, {
        hint: "is something else pushing to this branch all the time? Run again when it has stopped",
      });
      return abandon(attempt, error);
    }
    const what = result.moved ? "another push landed first" : "the server would not move a ref that nobody has moved";
    log.info(`${what}; trying again (${tries})`);
    await sleep((unmoved > 0 ? LEAST_PAUSE : 0) + random() * Math.min(5000, 100 * 2 ** tries));
  }
}

/** Takes away what was sent ahead, and says why. */
async function abandon({ work, options }: Attempt, why: Error): Promise<never> {
  const prefix = parcelPrefix(options.branch, options.path);
  await removeParcels(work, parcelsAmong(await work.refs([prefix]), prefix));
  throw why;
}

/** Cuts the history where that is wanted; a release that is deployed stays so whatever comes of it. */
async function shorten(published: Published, session: Session, options: GitDestinationOptions): Promise<Published> {
  const { access, branch, history, log } = options;
  if (history === undefined) return published;
  try {
    const { pruned, written } = await cut({ access, branch, history, dryRun: false, log });
    if (pruned.changed) session.shortened(written, pruned.tip, prefixOf(options));
    return { ...published, revision: pruned.tip };
  } catch (error) {
    log.warning(`the history was not cut to ${history} deployments: ${messageOf(error)}; the next deploy tries again`);
    return published;
  }
}

interface Attempt {
  readonly work: Workbench;
  readonly session: Session;
  readonly release: Release;
  readonly place: Place;
  readonly options: GitDestinationOptions;
  readonly publishing: PublishOptions;
  readonly turn: Turn;
}

/** It is the turn of other source commits. */
interface Early {
  readonly tip: Tip;
  readonly ahead: readonly string[];
}

/** One try at the branch as it is now. */
async function attemptPublish(attempt: Attempt): Promise<Published | Loss | Early> {
  const { work, session, release, place, options, publishing, turn } = attempt;
  const names = refNames(release, options);
  const refs = await work.refs([names.branch, names.tag, ...names.volumes, names.parcels]);
  const tip = await fetchTip(work, refs.get(names.branch));
  const current = tip && (await readDeployed(work, tip, place));
  if (!current) refuseTooMuch(work, releaseSize(release));
  refuseOtherSite(release.manifest.name, current, place);
  if (!current) await refuseSource(release.manifest, tip, place, publishing);
  const tag = names.tag.slice("refs/tags/".length);
  const earlier = await earlierOutcome(attempt, names.tag, refs, current);
  if (earlier && tip) session.remember([tip.commit], prefixOf(place));
  if (earlier) return { ...earlier, tag, changed: 0, removed: 0, bytes: 0, sent: undefined };
  const ahead = tip && current ? await turn.ahead(tip, current) : [];
  if (tip && ahead.length > 0) return { tip, ahead };

  const prefix = prefixOf(place);
  const volumes = await commitVolumes(work, release, refs, Math.max(publishing.now, tip?.time ?? 0));
  const { manifest, files } = await arrange(release, {
    layout: publishing.layout,
    sequence: (current?.sequence ?? 0) + 1,
    inParts: (volume) => tip?.tree.has(`${prefix}volumes/${volume}.img.parts/0000`) === true,
    branches: volumes.commits,
    sign: publishing.sign,
    deployed:
      tip && current && !publishing.force ? await ownDeployed(work, tip, current, { place, ...publishing }) : undefined,
  });
  const change = releaseChanges(files, manifest.name, { prefix, tree: tip?.tree ?? new Map(), current });
  refuseInTheWay(change.inTheWay, place);
  const blobs = [...change.newBlobs, ...volumes.newBlobs];
  refuseTooLarge(blobs);
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
  const push = await ship(work, {
    log: options.log,
    release,
    prefix,
    parcelPrefix: names.parcels,
    parcels: parcelsAmong(refs, names.parcels),
    tip,
    current,
    manifest,
    updates,
    blobs,
  });
  const loss = await lossOf(work, updates, push);
  if (loss) return loss;
  session.deployed({
    tip,
    tree,
    commit,
    text: commitText({ tree, parent: tip?.commit, message, time: volumes.time }),
    ...change,
    volumes: [...volumes.commits.values()].map((volume) => volume.commit),
    prefix,
  });
  return { ...planned, outcome: "deployed", revision: commit, sent: push.kind === "pushed" ? push.sent : undefined };
}

function turnOf(release: Release, options: GitDestinationOptions, publishing: PublishOptions): Turn {
  const { branch } = refNames(release, options);
  const { name, source } = release.manifest;
  const tagOf = (commit: string) => tagRef(name, commit);
  // Where sites share a branch, what lands there is mostly not ours.
  return openTurn({ ...options, publishing, commit: source.commit, branch, tagOf, alone: options.path === "" });
}

const tagRef = (name: string, commit: string) => `refs/tags/source/${name}/${commit}`;

function refNames({ manifest, volumes }: Release, { branch, path }: GitDestinationOptions) {
  return {
    parcels: parcelPrefix(branch, path),
    branch: `refs/heads/${branch}`,
    tag: tagRef(manifest.name, manifest.source.commit),
    volumes: volumes.filter(({ format }) => format.name === "git").map(({ name }) => volumeRef(manifest.name, name)),
  };
}

const releaseSize = ({ kernels, volumes }: Release) =>
  [...kernels, ...volumes].reduce((sum, { size }) => sum + size, 0);

const fetchTip = async (work: Workbench, commit: string | undefined): Promise<Tip | undefined> =>
  commit === undefined ? undefined : work.fetchTip(commit);

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
    if (isHere && current && current.sequence !== tagged.manifest.sequence) {
      const now = `release ${current.sequence} (of source commit ${current.source.commit.slice(0, 12)})`;
      options.log.info(
        `hosts get ${now}, and release ${tagged.manifest.sequence} was before it; force deploys it again`,
      );
    }
    if (isHere) {
      const signed = () => signedIn(work, tagged.commit, place);
      await warnOfSignature(options.log, tagged.manifest, signed, publishing);
      return { outcome: "unchanged", manifest: tagged.manifest, revision: tagged.commit };
    }
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
