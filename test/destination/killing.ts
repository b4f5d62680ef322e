/**
 * Kills deploys in each phase, which the server tells from what it has been asked for, and lets the next run go on. As a soak
 * test:
 *
 *     npm run soak -- deploy-kill [KILLS]        300 by default, and a fifth of that where git goes
 */
import { chmod, mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { setImmediate, setTimeout as delay } from "node:timers/promises";
import { type Case, type Deploying, deploying, generator } from "./deploying.ts";

/** In the order of a deploy. */
export const PHASES = ["hashing", "reading refs", "packing", "sending", "waiting for the answer", "tidying"] as const;
export type Phase = (typeof PHASES)[number] | "over";

export interface Kill {
  readonly phase: Phase;
  readonly of: string;
  /** What the branch had when all had come to rest. */
  readonly tip: string;
  readonly problems: readonly string[];
}

/** How long a calm deploy of a case takes until its first request, and how many requests it reads with. */
interface Calm {
  readonly hashing: number;
  readonly reads: number;
}

/** A run may be over before its phase could be met; then it is tried again, so many times. */
const TRIES = 12;

/** Kills so many runs, as many in each phase; those that met another phase than they were for count there. */
export async function killRuns(
  kills: number,
  { byGit, onKill }: { readonly byGit: boolean; readonly onKill?: (kill: Kill) => void },
): Promise<Kill[]> {
  await using world = await deploying({ byGit });
  const calm = new Map<Case, Calm>();
  for (const of of world.cases) calm.set(of, await calmDeploy(world, of));
  const random = generator(20_263);
  const all: Kill[] = [];
  for (let n = 0; n < kills; n++) {
    const wanted = PHASES[n % PHASES.length] as (typeof PHASES)[number];
    const of = world.cases[Math.floor(n / PHASES.length) % world.cases.length] as Case;
    for (let tries = 1; ; tries++) {
      const kill = await killOnce(world, of, wanted, calm.get(of) as Calm, random);
      if (kill.phase === "over" && tries < TRIES) continue;
      all.push(kill);
      onKill?.(kill);
      break;
    }
  }
  return all;
}

async function calmDeploy(world: Deploying, of: Case): Promise<Calm> {
  await world.reset(of);
  const started = performance.now();
  let hashing = 0;
  world.server.fault = () => {
    hashing ||= performance.now() - started;
    return undefined;
  };
  await world.deploy(of);
  world.server.fault = undefined;
  return { hashing, reads: world.server.requests.length - 1 };
}

async function killOnce(
  world: Deploying,
  of: Case,
  wanted: (typeof PHASES)[number],
  calm: Calm,
  random: () => number,
): Promise<Kill> {
  await world.reset(of);
  await slowHook(world.repository);
  const { server } = world;
  // What would be over at once is made to take its time.
  const slowRead = Math.floor(random() * calm.reads);
  server.fault = (request) => {
    const at = server.requests.indexOf(request);
    if (wanted === "reading refs" && at === slowRead) return { bytesPerSecond: 600, direction: "response" };
    if (wanted === "sending" && isPush(request)) return { bytesPerSecond: 300_000, direction: "request" };
    return undefined;
  };
  const { child, ended } = world.start(of);
  let isOver = false;
  const over = ended.then(({ code }) => {
    isOver = true;
    return code;
  });
  const phaseNow = () => (isOver ? "over" : phaseOf(server.requests, calm.reads));
  if (wanted === "hashing") await delay(random() * calm.hashing);
  else {
    while (PHASES.indexOf(phaseNow() as never) < PHASES.indexOf(wanted) && !isOver) await setImmediate();
    const longest = { "reading refs": 200, packing: 15, sending: 300, "waiting for the answer": 250, tidying: 8 }[
      wanted
    ];
    await delay(random() * longest);
  }
  const phase = phaseNow();
  child.kill("SIGKILL");
  const code = await over;
  server.fault = undefined;
  await world.settled();
  const { tip, problems } = await world.look(of);
  return { phase: code === null ? phase : "over", of: of.name, tip, problems: await goOn(world, of, problems) };
}

/** The next run has to bring the release, and to take away what the killed one could not. */
async function goOn(world: Deploying, of: Case, found: readonly string[]): Promise<string[]> {
  const problems = found.filter((problem) => !problem.startsWith("left behind"));
  const again = await world.deploy(of);
  if (again.code !== 0) problems.push(`the next run ended with ${again.code}: ${again.stderr}`);
  await world.settled();
  const after = await world.look(of);
  if (after.tip !== "new") problems.push("the next run did not bring the new release");
  return [...problems, ...after.problems.map((problem) => `after the next run: ${problem}`)];
}

type Seen = Deploying["server"]["requests"];

const isPush = ({ service, method }: Seen[number]) => service === "git-receive-pack" && method === "POST";

function phaseOf(requests: Seen, reads: number): (typeof PHASES)[number] {
  if (requests.length === 0) return "hashing";
  const push = requests.findLast(isPush);
  if (push) return push.done ? "tidying" : push.received ? "waiting for the answer" : "sending";
  return requests.length >= reads && requests.every(({ done }) => done) ? "packing" : "reading refs";
}

/** A server with hooks thinks for a while before it takes a push. */
async function slowHook(repository: string): Promise<void> {
  const hook = path.join(repository, "hooks", "pre-receive");
  await mkdir(path.dirname(hook), { recursive: true });
  await writeFile(hook, "#!/bin/sh\ncat > /dev/null\nsleep 0.2\n");
  await chmod(hook, 0o755);
}

/** How many kills in each phase, after how many of them the branch had the new release, and how many left something wrong. */
export function killTable(kills: readonly Kill[]): string {
  const rows = [...PHASES, "over"].flatMap((phase) => {
    const those = kills.filter((kill) => kill.phase === phase);
    const landed = those.filter(({ tip }) => tip === "new").length;
    const wrong = those.filter(({ problems }) => problems.length > 0).length;
    if (those.length === 0 && phase === "over") return [];
    return [`${phase.padEnd(24)}${[those.length, landed, wrong].map((n) => String(n).padStart(8)).join("")}`];
  });
  return [`${"killed while".padEnd(24)}   kills  landed   wrong`, ...rows].join("\n");
}

export async function soak(kills: number): Promise<boolean> {
  let isGood = true;
  for (const [byGit, times] of [
    [false, kills],
    [true, Math.max(PHASES.length, Math.ceil(kills / 5))],
  ] as const) {
    const all = await killRuns(times, {
      byGit,
      onKill({ phase, of, tip, problems }) {
        process.stdout.write(`${phase}, ${of}: ${problems.length > 0 ? problems.join("; ") : `${tip} release`}\n`);
      },
    });
    process.stdout.write(`${byGit ? "by git" : "by ourselves"}\n${killTable(all)}\n`);
    const least = Math.floor(times / 15);
    const enough = PHASES.every((phase) => all.filter((kill) => kill.phase === phase).length >= least);
    if (!enough) process.stdout.write(`a phase was met fewer than ${least} times\n`);
    isGood &&= enough && all.every(({ problems }) => problems.length === 0);
  }
  return isGood;
}
