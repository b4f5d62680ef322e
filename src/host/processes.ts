/** Processes of this machine, told apart for longer than a process id lasts, and found again by a mark that they bear. */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** A process id is used again; with the time of its start (clock ticks since the machine's) it is not. */
export interface ProcessId {
  readonly pid: number;
  readonly start: string;
}

/** The process with this id now; undefined where there is none, or none that still does anything. */
export function processOf(pid: number): ProcessId | undefined {
  try {
    // Everything up to the last parenthesis is the program's name, which may contain any character (proc(5)).
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z" || fields[0] === "X") return undefined;
    return { pid, start: fields[19] as string };
  } catch {
    return undefined;
  }
}

export const isRunning = ({ pid, start }: ProcessId): boolean => processOf(pid)?.start === start;

/** A process whose environment has a variable that we gave it, with the variable's value. */
export interface Marked extends ProcessId {
  readonly value: string;
}

/** All processes but ourselves with `name` in their environment, in a value that begins with `prefix`. */
export function findMarked(name: string, prefix: string): Marked[] {
  const wanted = `${name}=${prefix}`;
  return readdirSync("/proc").flatMap((entry) => {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) return [];
    const variable = environmentOf(pid).find((text) => text.startsWith(wanted));
    const found = variable === undefined ? undefined : processOf(pid);
    return found ? [{ ...found, value: (variable as string).slice(name.length + 1) }] : [];
  });
}

function environmentOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  } catch {
    // Another user's, or gone.
    return [];
  }
}

/** Sends a signal to a process, and to its group where it leads one; false where it is no more. */
export function signal(id: ProcessId, name: NodeJS.Signals): boolean {
  if (!isRunning(id)) return false;
  for (const target of [-id.pid, id.pid]) {
    try {
      process.kill(target, name);
    } catch {
      // It leads no group, or has just ended.
    }
  }
  return true;
}

/** Between SIGTERM and SIGKILL (milliseconds). */
const GRACE = 3000;

/** Ends what `find` finds, by SIGTERM and then by force, and returns when it finds nothing any more. */
export async function endAll(find: () => readonly ProcessId[]): Promise<void> {
  const deadline = performance.now() + GRACE;
  const asked = new Set<number>();
  for (let found = find(); found.length > 0; found = find()) {
    const late = performance.now() > deadline;
    for (const id of found) {
      if (late || !asked.has(id.pid)) signal(id, late ? "SIGKILL" : "SIGTERM");
      asked.add(id.pid);
    }
    await delay(10);
  }
}
