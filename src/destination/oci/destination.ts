/** An OCI registry as the place where releases live: the counterpart of the deployment repository in git. */
import { DeployError, messageOf } from "../../errors.ts";
import { isDataVolume, type ReleaseManifest } from "../../manifest/schema.ts";
import type { Registry } from "../../registry/registry.ts";
import type { Release } from "../../release/release.ts";
import { sha256 } from "../../util/digest.ts";
import type { Log } from "../../util/log.ts";
import { formatSize } from "../../util/size.ts";
import { arrange, type Contents, renumber } from "../contents.ts";
import { refuseOtherBytes, warnOfSignature } from "../deployed.ts";
import type { Destination, Published, PublishOptions } from "../destination.ts";
import { encodeArtifact, type Layer } from "./artifact.ts";
import { parcelsOf, sendParcels } from "./parcels.ts";
import { shorten } from "./retention.ts";
import { type Candidate, settle } from "./settle.ts";
import { announce, type FollowingTag, posted, type Posted, readManifestOf, readPosted, readSigned } from "./shelf.ts";
import { tagNames, type TagNames } from "./tags.ts";

/** What goes along with a release: runnable images, signatures. */
export interface Companion {
  /** Called when the release's files are there and before any tag is; again where it takes another number. Bytes sent. */
  push(arrived: Arrived): Promise<number>;
  /** Moved with the tag of the newest. */
  readonly tags: readonly FollowingTag[];
}

export interface Arrived {
  readonly registry: Registry;
  readonly release: Release;
  /** As deployed. */
  readonly manifest: ReleaseManifest;
  /** The artifact manifest's digest and bytes. */
  readonly artifact: { readonly digest: string; readonly bytes: Buffer };
}

export interface OciDestinationOptions {
  readonly registry: Registry;
  readonly branch: string;
  /** Keep only this many releases; all where absent. */
  readonly history?: number | undefined;
  readonly companions?: readonly Companion[];
  readonly log: Log;
  /** A number from 0 to 1, for waiting times that two losers of a race do not share. */
  readonly random: () => number;
}

/** Throws CONFIG_INVALID for a branch that cannot be a tag. */
export function ociDestination(options: OciDestinationOptions): Destination {
  const { registry } = options;
  const names = tagNames(options.branch);
  return {
    async deployed() {
      const newest = await readPosted(registry, names.newest);
      return newest && readManifestOf(registry, newest);
    },
    async publish(release, publishing) {
      refuseUnfit(release, publishing);
      return publish({ release, publishing, names, options, sent: 0 });
    },
  };
}

/** Throws CONFIG_INVALID for what a registry cannot hold. */
function refuseUnfit({ volumes }: Release, { layout }: PublishOptions): void {
  if (layout !== "image") {
    throw new DeployError("CONFIG_INVALID", "layout: a registry holds images, not the files of a site", {
      hint: "use layout: image, or deploy to a git repository",
    });
  }
  const git = volumes.find(({ format }) => format.name === "git");
  if (!git) return;
  throw new DeployError(
    "CONFIG_INVALID",
    `volume ${git.name}: format git is for git repositories, not for registries`,
    {
      hint: "use another format, or deploy to a git repository",
    },
  );
}

/** What is there, and what it says about a release that comes. */
interface Current {
  readonly newest: Posted | undefined;
  readonly manifest: ReleaseManifest | undefined;
  /** One more than any number ever taken. */
  readonly next: number;
}

/** One release on its way into a registry. */
interface Publication {
  readonly release: Release;
  readonly publishing: PublishOptions;
  readonly names: TagNames;
  readonly options: OciDestinationOptions;
  /** Bytes so far. */
  sent: number;
}

async function publish(publication: Publication): Promise<Published> {
  const { release, publishing, names, options } = publication;
  const { registry, log, random, companions = [] } = options;
  const tags = await registry.tags();
  const current = await readCurrent(publication, tags);
  const earlier = await earlierOf(publication, tags, current);
  if (earlier && "outcome" in earlier) return earlier;

  const contents = earlier ? undefined : await arrangeAfter(publication, current, current.next);
  const changes = contents ? changesOf(parcelsOf(contents), current.newest?.layers ?? []) : NOTHING;
  if (publishing.dryRun) {
    const { manifest } = contents ?? (earlier as Found);
    return published(publication, { outcome: "planned", manifest, revision: undefined, changes });
  }
  const candidate = contents ? await send(publication, contents) : found(publication, earlier as Found, current);
  if (contents) await announce(registry, names, candidate.posted);
  const following = companions.flatMap((companion) => companion.tags);
  const { mine, latest } = await settle(candidate, { registry, names, following, publishing, log, random });
  if (!mine) {
    const manifest = latest ? await readManifestOf(registry, latest) : release.manifest;
    return published(publication, { outcome: "superseded", manifest, revision: undefined });
  }
  const manifest = await readManifestOf(registry, mine.posted);
  if (options.history !== undefined) await shorten(options, names, options.history);
  return published(publication, { outcome: "deployed", manifest, revision: mine.posted.digest, changes });
}

/** Throws REPOSITORY_FOREIGN where something else has our tags, or another site. */
async function readCurrent(
  { release, publishing, names, options }: Publication,
  tags: readonly string[],
): Promise<Current> {
  const { registry, log } = options;
  const { name } = release.manifest;
  const newest = await readPosted(registry, names.newest);
  const taken = names.announcements(tags).at(-1)?.sequence ?? 0;
  if (!newest) return { newest, manifest: undefined, next: taken + 1 };
  if (newest.name !== name) {
    throw new DeployError(
      "REPOSITORY_FOREIGN",
      `${registry.address} holds the releases of "${newest.name}", not of "${name}"`,
      {
        hint: "give each site a repository of its own in the registry: oci://REGISTRY/…/NAME",
      },
    );
  }
  const manifest = await readManifestOf(registry, newest).catch((error: unknown) => {
    // A damaged release must not be in the way of the one that is to replace it.
    if (!publishing.force) throw error;
    log.warning(`the newest release cannot be read: ${messageOf(error)}`);
    return undefined;
  });
  return { newest, manifest, next: Math.max(taken, newest.sequence) + 1 };
}

/** What became of this source commit before: an end, or an announcement that a run left when it broke off. */
async function earlierOf(
  publication: Publication,
  tags: readonly string[],
  { newest, manifest }: Current,
): Promise<Published | Found | undefined> {
  const { release, publishing, names, options } = publication;
  if (publishing.force) return undefined;
  const { source } = release.manifest;
  const earlier = await readEarlier(publication, tags, newest);
  if (earlier) {
    const theirs = earlier === newest && manifest ? manifest : await readManifestOf(options.registry, earlier);
    refuseOtherBytes(release.manifest, theirs);
    const isPending = earlier !== newest && earlier.sequence > (newest?.sequence ?? 0);
    if (isPending) return { posted: earlier, manifest: theirs };
    // An announcement that others have overtaken before it came to anything is as good as none.
    const hasDecided = names.sources(tags).has(source.commit) && !(await isLost(earlier, newest, publishing));
    if (earlier === newest || hasDecided) {
      const { log, registry } = options;
      await warnOfSignature(log, theirs, () => readSigned(registry, earlier), publishing);
      return published(publication, { outcome: "unchanged", manifest: theirs, revision: earlier.digest });
    }
  }
  if (!newest || !manifest || !(await publishing.isOlder(source, newest))) return undefined;
  return published(publication, { outcome: "superseded", manifest, revision: undefined });
}

/**
 * Whether an older release got the better of one that broke off before it could see to that: nobody forced it, and it has
 * the higher number.
 */
async function isLost(ours: Posted, newest: Posted | undefined, { isOlder }: PublishOptions): Promise<boolean> {
  return newest !== undefined && !newest.forced && newest.sequence > ours.sequence && (await isOlder(newest, ours));
}

/** The release of this source commit that is there, if only announced. */
async function readEarlier(
  { release, names, options }: Publication,
  tags: readonly string[],
  newest: Posted | undefined,
): Promise<Posted | undefined> {
  const { commit } = release.manifest.source;
  if (newest?.commit === commit) return newest;
  const announcement = names.announcements(tags).findLast((one) => one.commit === commit);
  const tag = names.sources(tags).has(commit) ? names.source(commit) : announcement?.tag;
  const earlier = tag === undefined ? undefined : await readPosted(options.registry, tag);
  return earlier?.commit === commit && !earlier.superseded ? earlier : undefined;
}

function arrangeAfter(
  { release, publishing }: Publication,
  { manifest }: Current,
  sequence: number,
): Promise<Contents> {
  const volumes = manifest?.volumes.filter(isDataVolume) ?? [];
  const cut = new Set(volumes.flatMap(({ name, parts }) => (parts ? [name] : [])));
  const { sign, layout } = publishing;
  return arrange(release, { layout, sequence, inParts: (volume) => cut.has(volume), branches: new Map(), sign });
}

/** Everything but the tags. */
async function send(publication: Publication, contents: Contents): Promise<Candidate> {
  const { release, publishing, options } = publication;
  const { registry, branch, companions = [], log } = options;
  const parcels = parcelsOf(contents);
  publication.sent += await sendParcels(registry, parcels, log);
  const bytes = encodeArtifact(contents.manifest, parcels, branch, publishing.force);
  const artifact = { digest: `sha256:${sha256(bytes)}`, bytes };
  publication.sent += bytes.length;
  for (const companion of companions) {
    publication.sent += await companion.push({ registry, release, manifest: contents.manifest, artifact });
  }
  return {
    posted: posted(bytes, artifact.digest, registry.address),
    renumbered: async (sequence) => send(publication, await renumber(contents, sequence, publishing.sign)),
    refuseOther: (other) => refuseOther(publication, other),
  };
}

/** What an earlier run announced, as if it were this one's. */
function found(publication: Publication, { posted: earlier }: Found, current: Current): Candidate {
  return {
    posted: earlier,
    renumbered: async (sequence) => send(publication, await arrangeAfter(publication, current, sequence)),
    refuseOther: (other) => refuseOther(publication, other),
  };
}

async function refuseOther({ release, publishing, options }: Publication, other: Posted): Promise<void> {
  if (!publishing.force) refuseOtherBytes(release.manifest, await readManifestOf(options.registry, other));
}

interface Outcome extends Pick<Published, "outcome" | "manifest" | "revision"> {
  readonly changes?: Changes;
}

function published({ release, names, sent }: Publication, { changes = NOTHING, ...outcome }: Outcome): Published {
  const tag = names.source(release.manifest.source.commit);
  return { ...outcome, tag, ...changes, sent: outcome.outcome === "deployed" ? formatSize(sent) : undefined };
}

interface Found {
  readonly posted: Posted;
  readonly manifest: ReleaseManifest;
}

type Changes = Pick<Published, "changed" | "removed" | "bytes">;

const NOTHING: Changes = { changed: 0, removed: 0, bytes: 0 };

/** What is other than in the newest release, by path; bytes count once, and not where another file there has them. */
function changesOf(files: readonly Layer[], before: readonly Layer[]): Changes {
  const old = new Map(before.map(({ path, digest }) => [path, digest]));
  const known = new Set(old.values());
  const fresh = new Map(files.filter(({ digest }) => !known.has(digest)).map(({ digest, size }) => [digest, size]));
  const paths = new Set(files.map(({ path }) => path));
  return {
    changed: files.filter(({ path, digest }) => old.get(path) !== digest).length,
    removed: before.filter(({ path }) => !paths.has(path)).length,
    bytes: [...fresh.values()].reduce((sum, size) => sum + size, 0),
  };
}
