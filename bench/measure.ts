/** Runs commands against each other: interleaved, so that what else the machine does meets all of them alike. */
import { spawnSync } from "node:child_process";

export interface Subject {
  readonly name: string;
  /** A command line for bash; pipelines count with all their parts. */
  readonly command: string;
}

export interface Measured {
  readonly name: string;
  /** How often it was measured. */
  readonly runs: number;
  /** Whether it was stopped for taking too long: its times are less than it takes. */
  readonly stopped: boolean;
  /** Medians, in seconds. */
  readonly wall: number;
  readonly cpu: number;
  /** The fastest run, in seconds. */
  readonly best: number;
  /** Peak of the resident memory of the largest process, in MB; absent where nobody could tell. */
  readonly memory?: number;
}

export interface MeasureOptions {
  readonly runs: number;
  readonly cwd: string;
  /** Seconds that a run may take. What takes longer is stopped, counts as that long, and is not run again. */
  readonly limit: number;
  /** Before each run, outside of its time. */
  readonly prepare: () => void;
  readonly onRun: (round: number, name: string) => void;
}

interface Taken {
  readonly wall: number[];
  readonly cpu: number[];
  stopped: boolean;
}

/** Every subject `runs` times in turns, after one run each that does not count: caches are warm for all. */
export function measure(subjects: readonly Subject[], options: MeasureOptions): Measured[] {
  const { runs, onRun } = options;
  const taken = new Map(subjects.map(({ name }): [string, Taken] => [name, { wall: [], cpu: [], stopped: false }]));
  for (let round = 0; round <= runs; round++) {
    for (const { name, command } of subjects) {
      const those = taken.get(name) as Taken;
      if (those.stopped) continue;
      onRun(round, name);
      const { wall, cpu, stopped } = timed(command, options);
      if (round === 0 && !stopped) continue;
      those.stopped = stopped;
      those.wall.push(wall);
      those.cpu.push(cpu);
    }
  }
  return subjects.map(({ name, command }) => {
    const { wall, cpu, stopped } = taken.get(name) as Taken;
    const memory = stopped ? {} : peakMemory(command, options);
    return {
      name,
      runs: wall.length,
      stopped,
      wall: median(wall),
      cpu: median(cpu),
      best: Math.min(...wall),
      ...memory,
    };
  });
}

function timed(
  command: string,
  { cwd, limit, prepare }: MeasureOptions,
): { readonly wall: number; readonly cpu: number; readonly stopped: boolean } {
  prepare();
  const script = `set -o pipefail; TIMEFORMAT='%R %U %S'; time { timeout ${limit} bash -o pipefail -c "$1"; } >/dev/null 2>&1`;
  const options = { cwd, encoding: "utf8", env: environment() } as const;
  const { status, stderr, error } = spawnSync("bash", ["-c", script, "bash", command], options);
  if (error) throw error;
  const stopped = status === STOPPED;
  if (status !== 0 && !stopped) throw new Error(`${command}: exit code ${status}`);
  const [wall, user, system] = (stderr.trim().split("\n").at(-1) as string).split(" ").map(Number);
  return { wall: wall as number, cpu: (user as number) + (system as number), stopped };
}

/** The exit code of `timeout`. */
const STOPPED = 124;

/** One run more, under GNU time where that is installed; of a pipeline the first program. */
function peakMemory(command: string, { cwd, prepare }: MeasureOptions): { memory?: number } {
  prepare();
  const options = { cwd, encoding: "utf8", env: environment() } as const;
  const { status, stderr } = spawnSync("bash", ["-c", `/usr/bin/time -f 'peak %M' ${command}`], options);
  const peak = /^peak (\d+)$/m.exec(stderr)?.[1];
  return status === 0 && peak !== undefined ? { memory: Number(peak) / 1000 } : {};
}

const environment = () => ({ ...process.env, LC_ALL: "C" });

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
