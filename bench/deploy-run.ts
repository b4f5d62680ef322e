/** Runs deployers and hosts against a server whose repository is as it was before each run, and takes their time. */
import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { restore } from "./deploy-history.ts";
import type { Seen } from "./deploy-server.ts";
import { median } from "./measure.ts";

export const TOKEN = "bench-token";
export const REPOSITORY = "owner/www";

/** Medians; seconds, bytes, and megabytes of the largest process. */
export interface Figures {
  readonly wall: number;
  readonly best: number;
  /** Of `wall`, the deploy itself: what is left where the same process has built or read the release. Ours alone say so. */
  readonly alone: number | undefined;
  readonly cpu: number;
  readonly memory: number;
  readonly sent: number;
  readonly received: number;
  readonly requests: number;
}

export interface Row extends Figures {
  readonly name: string;
  readonly history: number;
  readonly kind: Kind;
  readonly runs: number;
}

/** Ours, a peer, or something to compare with that does less. */
export type Kind = "ours" | "peer" | "reference";

export interface Command {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The run's directory if absent. */
  readonly cwd?: string;
}

/** Something to be measured. Each run has a directory of its own, new and empty. */
export interface Subject {
  readonly name: string;
  readonly kind: Kind;
  /** How many commits the branch has before. */
  readonly history: number;
  /** The repository that the server has when it starts. */
  readonly serves: string;
  /** Before the clock starts. */
  prepare(this: void, directory: string): void;
  command(this: void, directory: string, server: string): Command;
  /** After it has stopped: throws where it has not done what it was for. */
  verify(this: void, served: string, directory: string, round: number): void;
}

export interface Measuring {
  /** Where runs have their directory. */
  readonly directory: string;
  readonly runs: number;
  /** Of peers, that take their time. */
  readonly peerRuns: number;
  readonly onRun: (what: string) => void;
}

/** In turns; the first round counts for nobody, and peers have none. */
export async function measureSubjects(
  server: Server,
  subjects: readonly Subject[],
  { directory, runs, peerRuns, onRun }: Measuring,
): Promise<Row[]> {
  const taken = new Map<Subject, Figures[]>();
  const runsOf = ({ kind }: Subject) => (kind === "peer" ? peerRuns : runs);
  for (let round = 0; round <= Math.max(runs, peerRuns); round++) {
    for (const subject of subjects) {
      if (round > runsOf(subject) || (round === 0 && subject.kind === "peer")) continue;
      onRun(`history ${subject.history}: ${round}/${runsOf(subject)} ${subject.name}`);
      const figures = await measureOne(server, subject, path.join(directory, "run"), round);
      if (round > 0) taken.set(subject, [...(taken.get(subject) ?? []), figures]);
    }
  }
  return subjects.flatMap((subject) => {
    const all = taken.get(subject);
    const { name, kind, history } = subject;
    return all ? [{ name, kind, history, runs: all.length, ...summarize(all) }] : [];
  });
}

async function measureOne(server: Server, subject: Subject, directory: string, round: number): Promise<Figures> {
  restore(subject.serves, server.repository);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory);
  try {
    subject.prepare(directory);
    const command = subject.command(directory, server.url);
    await seenBy(server);
    const cost = await measureTree(command, directory);
    const seen = await seenBy(server);
    subject.verify(server.repository, directory, round);
    return { ...cost, best: cost.wall, ...seen };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A program with all that it starts; what those do that it does not wait for is not seen. */
async function measureTree(
  { argv, env, cwd }: Command,
  directory: string,
): Promise<Pick<Figures, "wall" | "cpu" | "memory" | "alone">> {
  const started = performance.now();
  const child = spawn("/usr/bin/time", ["-f", "cost %U %S %M", ...argv], {
    cwd: cwd ?? directory,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  let answered = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (answered = (answered + text).slice(-ANSWER_KEPT)));
  const [code] = (await once(child, "close")) as [number | null];
  const wall = (performance.now() - started) / 1000;
  const cost = /^cost (\S+) (\S+) (\d+)$/m.exec(said);
  if (code !== 0 || !cost) throw new Error(`${argv.join(" ")}: exit code ${code}\n${said.slice(-2000)}`);
  const alone = /"deploy": ?(\d+)\s*\}\s*\}\s*$/.exec(answered);
  const cpu = Number(cost[1]) + Number(cost[2]);
  return { wall, cpu, memory: Number(cost[3]) / 1000, alone: alone ? Number(alone[1]) / 1000 : undefined };
}

/** The end of what was said on standard output, where our JSON has the times. */
const ANSWER_KEPT = 4096;

function summarize(all: readonly Figures[]): Figures {
  const of = (key: keyof Figures) => median(all.map((figures) => figures[key] ?? 0));
  return {
    wall: of("wall"),
    best: Math.min(...all.map(({ wall }) => wall)),
    alone: all.every(({ alone }) => alone !== undefined) ? of("alone") : undefined,
    cpu: of("cpu"),
    memory: of("memory"),
    sent: of("sent"),
    received: of("received"),
    requests: of("requests"),
  };
}

export interface Server extends Disposable {
  readonly child: ChildProcess;
  /** Without a slash at the end. */
  readonly url: string;
  /** The repository that it serves as REPOSITORY. */
  readonly repository: string;
}

/** Serves what is below `root`, which goes with it. */
export async function startServer(root: string, reading: "public" | "private"): Promise<Server> {
  const repository = path.join(root, `${REPOSITORY}.git`);
  mkdirSync(path.dirname(repository), { recursive: true });
  const child = fork(path.join(import.meta.dirname, "deploy-server.ts"), [root, TOKEN, reading]);
  const [url] = (await once(child, "message")) as [string];
  return {
    child,
    url,
    repository,
    [Symbol.dispose]() {
      child.disconnect();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

async function seenBy({ child }: Server): Promise<Seen> {
  const seen = once(child, "message") as Promise<[Seen]>;
  child.send("what have you seen?");
  return (await seen)[0];
}
