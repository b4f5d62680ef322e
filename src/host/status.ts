/** What is to be known about a host, from its files alone: it tells as much when nothing runs. */
import { lstatSync, readdirSync } from "node:fs";
import path from "node:path";
import type { HostContext } from "./context.ts";
import { lockHolder } from "./lock.ts";
import { readStatus, runtimePath, type Status } from "./runtime.ts";
import type { Bad } from "./state.ts";
import { damageOf, type HostStore } from "./store.ts";

export interface ReleaseStatus {
  /** `<sequence>-<12 hex digits of the source commit>`. */
  readonly release: string;
  readonly sequence: number;
  /** Only as much of it as the name has, where the manifest cannot be read. */
  readonly commit: string;
  readonly verified: boolean;
  /** What is wrong with what is on disk of it. */
  readonly problem: string | null;
  /** Bytes on disk that only this release takes, or shares with one listed after it. */
  readonly bytes: number;
}

export interface HostStatus {
  readonly name: string;
  readonly staged: string | null;
  readonly current: string | null;
  readonly rollback: string | null;
  /** After a rollback by hand: what was left. */
  readonly held: string | null;
  readonly bad: readonly Bad[];
  readonly releases: readonly ReleaseStatus[];
  readonly disk: { readonly releases: number; readonly mirror: number; readonly total: number };
  /** Null where no host up runs. */
  readonly supervisor: { readonly pid: number; readonly since: string; readonly phase: string } | null;
  readonly guest: {
    readonly release: string;
    readonly pid: number | null;
    readonly since: string;
    readonly uptime: number;
  } | null;
  readonly checks: {
    readonly poll: Status["poll"] | null;
    readonly probe: Status["probe"] | null;
    readonly change: Status["change"] | null;
  };
  readonly restarts: number;
}

export function hostStatus(context: HostContext): HostStatus {
  const { store, config, now } = context;
  const { staged, current, rollback, held, bad } = store.state();
  const told = readStatus(runtimePath(context));
  const holder = lockHolder(store.directory);
  const alive = told !== undefined && told.pid === holder;
  const counted = new Set<number>();
  const { verified } = store.record();
  const releases = store.releases().map((release): ReleaseStatus => {
    return {
      release,
      ...identify(store, release),
      verified: verified[release] !== undefined,
      bytes: diskUsed(store.release(release), counted),
    };
  });
  const used = releases.reduce((sum, { bytes }) => sum + bytes, 0);
  const mirror = diskUsed(store.mirror, counted) + diskUsed(store.blobs, counted);
  return {
    name: config.name,
    staged: staged ?? null,
    current: current ?? null,
    rollback: rollback ?? null,
    held: held ?? null,
    bad,
    releases,
    disk: { releases: used, mirror, total: diskUsed(store.directory, new Set()) },
    supervisor: alive ? { pid: told.pid, since: told.since, phase: told.phase } : null,
    guest:
      alive && told.guest
        ? { ...told.guest, uptime: Math.max(0, now().getTime() - new Date(told.guest.since).getTime()) }
        : null,
    checks: { poll: told?.poll ?? null, probe: told?.probe ?? null, change: told?.change ?? null },
    restarts: alive ? told.restarts : 0,
  };
}

/** One release that is damaged is told of, and keeps nobody from hearing of the others. */
function identify(store: HostStore, release: string): Pick<ReleaseStatus, "sequence" | "commit" | "problem"> {
  const problem = damageOf(store, release);
  if (problem === undefined) {
    const { sequence = 0, source } = store.manifest(release);
    return { sequence, commit: source.commit, problem: null };
  }
  const [sequence, commit = ""] = release.split("-");
  return { sequence: Number(sequence), commit, problem };
}

/** Bytes on disk below a directory; what has several names counts once. */
function diskUsed(directory: string, counted: Set<number>): number {
  let total = 0;
  let entries: string[];
  try {
    entries = readdirSync(directory, { recursive: true, encoding: "utf8" });
  } catch {
    return 0;
  }
  for (const entry of entries) {
    const stat = lstatSync(path.join(directory, entry), { throwIfNoEntry: false });
    if (!stat?.isFile() || counted.has(stat.ino)) continue;
    counted.add(stat.ino);
    total += stat.blocks * 512;
  }
  return total;
}
