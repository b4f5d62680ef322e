/** Brings the tags of a repository to rest: does what `judge` says until it says that there is nothing left to do. */
import { setTimeout as sleep } from "node:timers/promises";
import { DeployError } from "../../errors.ts";
import type { Registry } from "../../registry/registry.ts";
import type { Log } from "../../util/log.ts";
import type { PublishOptions } from "../destination.ts";
import { judge, type Relation, type Verdict } from "./order.ts";
import { announce, type FollowingTag, moveNewest, type Posted, readPosted, takeBack } from "./shelf.ts";
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
const MAX_ROUNDS = 200;
/** Announcements that are looked at in a round: those without a newest release to compare with may be many. */
const MAX_READ = 64;

export async function settle(announced: Candidate, options: SettleOptions): Promise<Settled> {
  const { registry, names, log, random, publishing } = options;
  const relations = relationsTo(announced.posted, publishing);
  let mine: Candidate | undefined = announced;
  let wasNewest = false;
  for (let round = 1; round <= MAX_ROUNDS; round++) {
    const tags = await registry.tags();
    const latest = await readPosted(registry, names.newest);
    mine = mine && (await ownNow(mine, names.announcements(tags), options));
    wasNewest ||= latest?.commit === announced.posted.commit;
    const settled: boolean = wasNewest || (!publishing.force && names.sources(tags).has(announced.posted.commit));
    const verdict: Verdict<Posted> = judge({
      mine: mine?.posted,
      mode: settled ? "settled" : publishing.force ? "forced" : "ordinary",
      others: await readOthers({ tags, latest, commit: announced.posted.commit, relations }, options),
      latest,
    });
    if (verdict.kind === "done") return { mine, latest };
    if (verdict.kind === "step back") {
      log.info(`${verdict.after.commit.slice(0, 12)} is newer and came first`);
      if (mine) await takeBack(registry, names, mine.posted);
      mine = undefined;
    } else if (verdict.kind === "renumber") {
      log.info(`others deploy as well; taking number ${verdict.sequence}`);
      mine = await mine?.renumbered(verdict.sequence);
      if (mine) await announce(registry, names, mine.posted);
      await sleep(random() * Math.min(2000, 50 * round));
    } else {
      await moveNewest(registry, names, verdict.to, options.following);
      wasNewest ||= verdict.to.commit === announced.posted.commit;
    }
  }
  throw new DeployError("PUSH_REJECTED", `${registry.address}: its tags did not come to rest in ${MAX_ROUNDS} rounds`, {
    hint: "is something else deploying there all the time? Run again when it has stopped",
  });
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

/** Of every other commit the highest announcement that is not below the newest release, and the newest release itself. */
async function readOthers({ tags, latest, commit, relations }: Looking, { registry, names }: SettleOptions) {
  const highest = new Map<string, Announcement>();
  for (const announcement of names.announcements(tags)) highest.set(announcement.commit, announcement);
  const wanted = [...highest.values()]
    .filter((announcement) => announcement.commit !== commit && announcement.sequence >= (latest?.sequence ?? 0))
    .sort((a, b) => a.sequence - b.sequence)
    .slice(-MAX_READ);
  const read = await Promise.all(wanted.map(({ tag }) => readPosted(registry, tag)));
  const others = read.filter((other) => other !== undefined && !other.superseded) as Posted[];
  if (latest && latest.commit !== commit && !others.some((other) => other.commit === latest.commit))
    others.push(latest);
  return Promise.all(others.map(async (other) => ({ ...other, relation: await relations(other) })));
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
