/**
 * Whose turn it is where several releases are deployed at once: that of the earliest source commit. A later one would land
 * first as often, and those before it never.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ReleaseManifest } from "../manifest/schema.ts";
import type { Log } from "../util/log.ts";
import type { PublishOptions } from "./destination.ts";
import type { Tip, Workbench } from "./work-repository.ts";

export interface Turn {
  /** Source commits between the deployed one and ours, newest first, whose deploys may be under way. */
  ahead(tip: Tip, current: ReleaseManifest): Promise<readonly string[]>;
  /** Until the newest of them has landed, or the branch has stayed on `tip` for so long that none will. */
  wait(work: Pick<Workbench, "refs">, tip: Tip, ahead: readonly string[]): Promise<void>;
}

/** A release that somebody began to deploy so shortly before ours says that there may be more of them (seconds). */
const RECENT = 10;
/** Commits further ahead are not looked for. */
const MAX_AHEAD = 20;
/**
 * Between two looks, for each that goes first, and as much again by chance (milliseconds): who is last in a long line has
 * time, and the server has more to do than to tell him so.
 */
const LOOK = 300;
/** The branch has not moved for so long: nobody deploys the commits between (milliseconds). */
const STILL = 4000;
/** So much longer for each that goes first, so that those who give up do so one after the other (milliseconds). */
const STILL_FOR_EACH = 1000;
const MOST_STILL = 8000;
/** In all, from the beginning of the deploy, however the branch moves (milliseconds). */
const PATIENCE = 30_000;

export interface TurnOptions {
  /** Our source commit, and the ref by which one is known to be deployed. */
  readonly commit: string;
  readonly tagOf: (commit: string) => string;
  /** As a ref. */
  readonly branch: string;
  /** Whether nobody but this site deploys to the branch. */
  readonly alone: boolean;
  readonly publishing: Pick<PublishOptions, "now" | "force" | "dryRun" | "commitsBetween">;
  readonly log: Log;
  /** A number from 0 to 1. */
  readonly random: () => number;
}

export function openTurn({ commit, tagOf, branch, alone, publishing, log, random }: TurnOptions): Turn {
  const began = performance.now();
  let patient = alone && !publishing.force && !publishing.dryRun;
  /** The tip that was waited on last: a tag may be that of a deploy to another branch, and ours not move for it. */
  let waitedOn: string | undefined;
  return {
    async ahead(tip, current) {
      if (!patient || tip.commit === waitedOn || Math.abs(publishing.now - tip.time) > RECENT) return [];
      const between = await publishing.commitsBetween(current.source.commit, commit);
      return (between ?? []).slice(0, MAX_AHEAD);
    },
    async wait(work, tip, ahead) {
      if (waitedOn === undefined) log.info("commits before this one are being deployed; they go first");
      waitedOn = tip.commit;
      const wanted = [branch, ...ahead.map(tagOf)];
      let moved = { at: performance.now(), to: tip.commit };
      for (let left = ahead.length; left > 0 && patient; ) {
        await sleep(Math.min(STILL, LOOK * left * (1 + random())));
        const refs = await work.refs(wanted).catch(() => undefined);
        const landed = ahead.findIndex((earlier) => refs?.has(tagOf(earlier)));
        if (landed >= 0) left = landed;
        const now = performance.now();
        const to = refs?.get(branch) ?? moved.to;
        if (to !== moved.to) moved = { at: now, to };
        const still = Math.min(MOST_STILL, STILL + STILL_FOR_EACH * (left - 1));
        // Who cannot look has nothing to wait for: what is wrong shows when the release is pushed.
        patient = refs !== undefined && now - moved.at < still && now - began < PATIENCE;
      }
    },
  };
}
