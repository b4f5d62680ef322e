/** Runs commands against each other: interleaved, so that what else the machine does meets all of them alike. */
import { spawnSync } from "node:child_process";

export interface Subject {
  readonly name: string;
  /** A command line for bash; pipelines count with all their parts. */
  readonly command: string;
}

export interface Measured {
  readonly name: string;
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
  readonly onRun: (round: number, name: string) => void;
}

/** Every subject `runs` times in turns, after one run each that does not count: caches are warm for all. */
export function measure(subjects: readonly Subject[], { runs, cwd, onRun }: MeasureOptions): Measured[] {
  const taken = new Map(subjects.map(({ name }) => [name, { wall: [] as number[], cpu: [] as number[] }]));
  for (let round = 0; round <= runs; round++) {
    for (const { name, command } of subjects) {
      onRun(round, name);
      const { wall, cpu } = timed(command, cwd);
      if (round === 0) continue;
      taken.get(name)?.wall.push(wall);
      taken.get(name)?.cpu.push(cpu);
    }
  }
  return subjects.map(({ name, command }) => {
    const { wall, cpu } = taken.get(name) as { wall: number[]; cpu: number[] };
    return { name, wall: median(wall), cpu: median(cpu), best: Math.min(...wall), ...peakMemory(command, cwd) };
  });
}

function timed(command: string, cwd: string): { readonly wall: number; readonly cpu: number } {
  const script = `set -o pipefail; TIMEFORMAT='%R %U %S'; time { ${command}; } >/dev/null 2>&1`;
  const { status, stderr, error } = spawnSync("bash", ["-c", script], { cwd, encoding: "utf8", env: environment() });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command}: exit code ${status}`);
  const [wall, user, system] = (stderr.trim().split("\n").at(-1) as string).split(" ").map(Number);
  return { wall: wall as number, cpu: (user as number) + (system as number) };
}

/** One run more, under GNU time where that is installed; of a pipeline the first program. */
function peakMemory(command: string, cwd: string): { memory?: number } {
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
