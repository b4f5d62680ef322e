/**
 * Deploys against a server and a network on which something goes wrong at a random point. As a soak test:
 *
 *     npm run soak -- deploy-faults [RUNS]        50 of each kind by default, and a fifth of that where git goes
 */
import { spawnSync } from "node:child_process";
import { rmSync, statfsSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Direction, Fault } from "../support/faults.ts";
import type { FaultHook, GitRequest } from "../support/git-server.ts";
import { tamper } from "../support/site.ts";
import { type Case, type Deploying, deploying, generator, NOTES } from "./deploying.ts";

type Random = () => number;

/** What went over the wire in a deploy of the same release that nobody disturbed. */
type Calm = readonly Pick<GitRequest, "service" | "method" | "bytesIn" | "bytesOut">[];

interface Kind {
  readonly name: string;
  /** Whether it needs a branch that is there. */
  readonly needsBranch?: boolean;
  /** Whether the deploy has to succeed all the same. */
  readonly harmless?: boolean;
  /** Called before each run. */
  disturb(this: void, calm: Calm, random: Random, world: World): FaultHook | undefined;
}

interface World extends Deploying {
  /** Fills the server's disk but for so many bytes; nothing where it has none of its own. */
  fill(room: number): void;
}

const KINDS: readonly Kind[] = [
  { name: "cut, from the client", disturb: (calm, random) => cut(calm, random, "request") },
  { name: "cut, to the client", disturb: (calm, random) => cut(calm, random, "response") },
  {
    name: "500, 502 or 503",
    disturb(calm, random) {
      const status = [500, 502, 503][Math.floor(random() * 3)] as number;
      return atRequest(Math.floor(random() * calm.length), () => ({ status }));
    },
  },
  {
    name: "429 with Retry-After",
    disturb(calm, random) {
      const answer = { status: 429, headers: { "retry-after": "1" } };
      return atRequest(Math.floor(random() * calm.length), () => answer);
    },
  },
  {
    name: "slow drip",
    harmless: true,
    disturb(calm, random) {
      const [at, direction] = [anyRequest(calm, random), random() < 0.5 ? "request" : "response"] as const;
      const bytes = direction === "request" ? calm[at]?.bytesIn : calm[at]?.bytesOut;
      const bytesPerSecond = Math.max(100, (bytes ?? 0) / (0.2 + 1.8 * random()));
      return atRequest(at, () => ({ bytesPerSecond, direction }));
    },
  },
  {
    name: "truncated pack",
    disturb(calm, random) {
      const push = calm.length - 1;
      const truncateAfterBytes = Math.floor(random() * (calm[push]?.bytesIn ?? 0));
      return atRequest(push, () => ({ truncateAfterBytes, direction: "request" }));
    },
  },
  {
    name: "tip moved in between",
    needsBranch: true,
    harmless: true,
    disturb: (calm, random, { repository }) =>
      atRequest(1 + Math.floor(random() * (calm.length - 1)), async () => {
        await tamper(repository, [{ path: NOTES, content: `${random()}\n` }]);
        return undefined;
      }),
  },
  {
    name: "disk full",
    disturb(calm, random, { fill }) {
      const pack = calm.at(-1)?.bytesIn ?? 0;
      fill(Math.floor(random() * pack * 1.5));
      return undefined;
    },
  },
];

/** The push has most of what can go wrong: half of the time it is that. */
const anyRequest = (calm: Calm, random: Random) =>
  random() < 0.5 ? calm.length - 1 : Math.floor(random() * calm.length);

function cut(calm: Calm, random: Random, direction: Direction): FaultHook {
  const at = anyRequest(calm, random);
  const bytes = (direction === "request" ? calm[at]?.bytesIn : calm[at]?.bytesOut) ?? 0;
  const cutAfterBytes = Math.floor(random() * bytes);
  return atRequest(at, () => ({ cutAfterBytes, direction }));
}

/** The fault of one request, counted from the start; those before it and after it pass. */
function atRequest(at: number, fault: () => Fault | undefined | Promise<Fault | undefined>): FaultHook {
  let seen = 0;
  return () => (seen++ === at ? fault() : undefined);
}

export interface FaultRun {
  readonly kind: string;
  readonly of: string;
  /** Whether the disturbed deploy succeeded. */
  readonly done: boolean;
  readonly problems: readonly string[];
}

/** Disturbs deploys, so many by each kind. */
export async function faultRuns(
  runs: number,
  { byGit, onRun }: { readonly byGit: boolean; readonly onRun?: (run: FaultRun) => void },
): Promise<FaultRun[]> {
  using disk = smallDisk();
  const root = disk.root === undefined ? {} : { root: disk.root };
  await using world = { ...(await deploying({ ...root, byGit })), fill: disk.fill };
  const calm = new Map<Case, Calm>();
  for (const of of world.cases) {
    await world.reset(of);
    await world.deploy(of);
    await world.settled();
    calm.set(of, [...world.server.requests]);
  }
  const random = generator(20_262);
  const all: FaultRun[] = [];
  for (const kind of KINDS) {
    if (kind.name === "disk full" && disk.root === undefined) continue;
    const cases = world.cases.filter(({ old }) => old !== undefined || kind.needsBranch !== true);
    for (let n = 0; n < runs; n++) {
      // Kinds begin with another case each, for those who have few runs.
      const of = cases[(n + KINDS.indexOf(kind)) % cases.length] as Case;
      const run = await faultRun(world, kind, of, calm.get(of) as Calm, random, () => disk.empty());
      all.push(run);
      onRun?.(run);
    }
  }
  return all;
}

async function faultRun(
  world: World,
  kind: Kind,
  of: Case,
  calm: Calm,
  random: Random,
  calmDown: () => void,
): Promise<FaultRun> {
  await world.reset(of);
  world.server.fault = kind.disturb(calm, random, world);
  const { code, stderr } = await world.deploy(of);
  world.server.fault = undefined;
  calmDown();
  await world.settled();
  const { tip, problems: found } = await world.look(of);
  const problems = [...found];
  const done = code === 0;
  if (done && tip !== "new") problems.push("exit code 0, and the branch has the old release");
  if (!done && code !== 3) problems.push(`exit code ${code}: ${stderr}`);
  if (!done && kind.harmless === true) problems.push(`it failed: ${stderr}`);
  if (/^\s+at /m.test(stderr)) problems.push(`a stack trace: ${stderr}`);
  const again = await world.deploy(of);
  if (again.code !== 0) problems.push(`the next run ended with ${again.code}: ${again.stderr}`);
  await world.settled();
  const after = await world.look(of);
  if (after.tip !== "new") problems.push("the next run did not bring the new release");
  problems.push(...after.problems.map((problem) => `after the next run: ${problem}`));
  return { kind: kind.name, of: of.name, done, problems };
}

interface SmallDisk extends Disposable {
  /** Where it is mounted; undefined where that cannot be. */
  readonly root: string | undefined;
  fill(this: void, room: number): void;
  empty(this: void): void;
}

const DISK = "24m";

/** A file system in memory, which only root may have. */
function smallDisk(): SmallDisk {
  const root = spawnSync("mktemp", ["-d"], { encoding: "utf8" }).stdout.trim();
  const isMounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${DISK}`, "none", root]).status === 0;
  const ballast = path.join(root, "ballast");
  const block = 4096;
  return {
    root: isMounted ? root : undefined,
    fill(room) {
      if (!isMounted) return;
      const { bavail, bsize } = statfsSync(root);
      writeFileSync(ballast, Buffer.alloc(Math.max(0, Math.floor((bavail * bsize - room) / block) * block)));
    },
    empty: () => rmSync(ballast, { force: true }),
    [Symbol.dispose]() {
      if (isMounted) spawnSync("umount", ["--lazy", root]);
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** Why some kind cannot be had here; undefined where all can. */
export function faultsMissing(): string | undefined {
  using disk = smallDisk();
  return disk.root === undefined ? "no full disk: a file system cannot be mounted here" : undefined;
}

/** How many of each kind, how many of them succeeded at once, and how many were not as they should be. */
export function faultTable(runs: readonly FaultRun[]): string {
  const rows = [...new Set(runs.map(({ kind }) => kind))].map((kind) => {
    const those = runs.filter((run) => run.kind === kind);
    const done = those.filter((run) => run.done).length;
    const wrong = those.filter(({ problems }) => problems.length > 0).length;
    return `${kind.padEnd(24)} ${[those.length, done, those.length - done, wrong].map((n) => String(n).padStart(8)).join("")}`;
  });
  return [`${"fault".padEnd(24)}     runs    done  failed   wrong`, ...rows].join("\n");
}

export async function soak(runs: number): Promise<boolean> {
  const missing = faultsMissing();
  if (missing !== undefined) process.stdout.write(`${missing}\n`);
  let isGood = missing === undefined;
  for (const [byGit, times] of [
    [false, runs],
    [true, Math.ceil(runs / 5)],
  ] as const) {
    const all = await faultRuns(times, {
      byGit,
      onRun({ kind, of, done, problems }) {
        const ending = problems.length > 0 ? problems.join("; ") : done ? "done" : "failed, and done by the next run";
        process.stdout.write(`${kind}, ${of}: ${ending}\n`);
      },
    });
    process.stdout.write(`${byGit ? "by git" : "by ourselves"}\n${faultTable(all)}\n`);
    isGood &&= all.every(({ problems }) => problems.length === 0);
  }
  return isGood;
}
