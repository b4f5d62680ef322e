/** Brings the tags of a repository to rest: does what `judge` says until it says that there is nothing left to do. */
import { setTimeout as sleep } from "node:timers/promises";
import { DeployError } from "../../errors.ts";
import type { Registry } from "../../registry/registry.ts";
import type { Log } from "../../util/log.ts";
import type { PublishOptions } from "../destination.ts";
import { judge, type Other, type Relation, type Verdict } from "./order.ts";
import { announce, decide, type FollowingTag, moveNewest, type Posted, readPosted, takeBack } from "./shelf.ts";
import type { Announcement, TagNames } from "./tags.ts";

/** Our release, announced. */
export interface Candidate {
  readonly posted: Posted;
  /** The same under another number, its files sent, not announced yet. */
  renumbered(sequence: number): Promise<Candidate>;
  /** Throws RELEASE_CONFLICT where what somebody else announced for the same commit has other bytes. */
  refuseOther(other: Posted): Promise<void>;
}

export interface SettleOptions {
  readonly registry: Registry;
  readonly names: TagNames;
  readonly following: readonly FollowingTag[];
  readonly publishing: PublishOptions;
  readonly log: Log;
  readonly random: () => number;
}

export interface Settled {
  /** Our release as it was announced in the end; undefined when it stepped back. */
  readonly mine: Candidate | undefined;
  readonly latest: Posted | undefined;
}

/** Each of many that deploy at once costs some rounds; this many mean that nobody comes to rest. */
const MAX_ROUNDS = 300;
/** Rounds in which a newer release that has announced and not decided is waited for: some ten seconds. */
const PATIENCE = 25;
/** Announcements that are looked at in a round: those without a newest release to compare with may be many. */
const MAX_READ = 64;
const LONGEST_WAIT = 1000;

export async function settle(announced: Candidate, options: SettleOptions): Promise<Settled> {
  const { registry, names, log, random, publishing, following } = options;
  const { commit } = announced.posted;
  const relations = relationsTo(announced.posted, publishing);
  let mine: Candidate | undefined = announced;
  let waited = 0;
  for (let round = 1; round <= MAX_ROUNDS; round++) {
    const tags = await registry.tags();
    const latest = await readPosted(registry, names.newest);
    mine = mine && (await ownNow(mine, names.announcements(tags), options));
    // A list may be some moments old; what was written last is read by its tag.
    const decided = mine && (await readPosted(registry, names.source(commit)));
    const verdict: Verdict<Entrant> = judge({
      mine: mine && { sequence: mine.posted.sequence, decided: decided?.sequence === mine.posted.sequence },
      forced: publishing.force,
      patient: waited < PATIENCE,
      taken: numbersTaken(names.announcements(tags), commit),
      others: await readOthers({ tags, latest, commit, relations }, options),
      latest: latest?.sequence,
    });
    if (verdict.kind === "done" || (verdict.kind !== "move" && !mine)) return { mine, latest };
    if (verdict.kind === "move") {
      const to = verdict.to === "mine" ? mine?.posted : verdict.to.release;
      if (to) await moveNewest(registry, names, to, following);
    } else if (verdict.kind === "step back") {
      log.info(`${verdict.after.release.commit.slice(0, 12)} is newer and came first`);
      await takeBack(registry, names, (mine as Candidate).posted);
      mine = undefined;
    } else if (verdict.kind === "wait") {
      if (waited++ === 0) log.info("waiting for a newer release that is being deployed");
      await sleep(random() * Math.min(LONGEST_WAIT, 100 * waited));
    } else if (verdict.kind === "decide") {
      await decide(registry, names, (mine as Candidate).posted);
      await moveNewest(registry, names, (mine as Candidate).posted, following);
    } else {
      await sleep(random() * Math.min(LONGEST_WAIT, 50 * round));
      const sequence = (names.announcements(await registry.tags()).at(-1)?.sequence ?? 0) + 1;
      log.info(`others deploy as well; taking number ${sequence}`);
      mine = await (mine as Candidate).renumbered(sequence);
      await announce(registry, names, mine.posted);
    }
  }
  throw new DeployError("PUSH_REJECTED", `${registry.address}: its tags did not come to rest in ${MAX_ROUNDS} rounds`, {
    hint: "is something else deploying there all the time? Run again when it has stopped",
  });
}

/** What decided, or announced where nothing has decided. */
interface Entrant extends Other {
  readonly release: Posted;
}

function numbersTaken(announcements: readonly Announcement[], commit: string): ReadonlySet<number> {
  return new Set(announcements.filter((one) => one.commit !== commit).map(({ sequence }) => sequence));
}

/** Another run for the same commit may have announced as well: the higher number counts, and its bytes must be ours. */
async function ownNow(
  mine: Candidate,
  announcements: readonly Announcement[],
  { registry }: SettleOptions,
): Promise<Candidate | undefined> {
  const { commit } = mine.posted;
  const own = announcements.findLast((announcement) => announcement.commit === commit);
  const now = own && (await readPosted(registry, own.tag));
  if (!now || now.digest === mine.posted.digest) return mine;
  if (now.superseded) return undefined;
  await mine.refuseOther(now);
  return { ...mine, posted: now };
}

type Relations = (other: Posted) => Promise<Relation>;

interface Looking {
  readonly tags: readonly string[];
  readonly latest: Posted | undefined;
  readonly commit: string;
  readonly relations: Relations;
}

/** Every other commit whose highest announcement is not below the newest release, and the newest release itself. */
async function readOthers(
  { tags, latest, commit, relations }: Looking,
  { registry, names }: SettleOptions,
): Promise<readonly Entrant[]> {
  const highest = new Map<string, Announcement>();
  for (const announcement of names.announcements(tags)) highest.set(announcement.commit, announcement);
  const wanted = [...highest.values()]
    .filter((one) => one.commit !== commit && one.commit !== latest?.commit && one.sequence >= (latest?.sequence ?? 0))
    .sort((a, b) => a.sequence - b.sequence)
    .slice(-MAX_READ);
  const sources = names.sources(tags);
  const read = wanted.map(async ({ tag, sequence, commit: theirs }): Promise<Entrant[]> => {
    const announced = await readPosted(registry, tag);
    const source = sources.has(theirs) ? await readPosted(registry, names.source(theirs)) : undefined;
    const release = source ?? (announced?.superseded ? undefined : announced);
    return release ? [{ release, relation: await relations(release), sequence, decided: source?.sequence }] : [];
  });
  const others = (await Promise.all(read)).flat();
  if (!latest || latest.commit === commit) return others;
  const { sequence } = latest;
  return [...others, { release: latest, relation: await relations(latest), sequence, decided: sequence }];
}

/** Asked once for each commit: history does not change. */
function relationsTo(mine: Posted, { isOlder }: PublishOptions): Relations {
  const known = new Map<string, Promise<Relation>>();
  const relate = async (other: Posted): Promise<Relation> => {
    if (await isOlder(mine, other)) return "newer";
    return (await isOlder(other, mine)) ? "older" : "unrelated";
  };
  return (other) => {
    const relation = known.get(other.commit) ?? relate(other);
    known.set(other.commit, relation);
    return relation;
  };
}
