/** One program at a time in a state directory. */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DeployError } from "../errors.ts";
import { ioError, isSystemError } from "../util/files.ts";
import { isRunning, type ProcessId, processOf } from "./processes.ts";

export type HostLock = Disposable;

/** Takes the lock, or takes it over from a process that is gone. Throws IO_FAILED naming the one that holds it. */
export function lockState(directory: string): HostLock {
  const lock = path.join(directory, "lock");
  for (let attempt = 0; attempt < 3; attempt++) {
    if (take(lock)) return { [Symbol.dispose]: () => rmSync(lock, { force: true }) };
    const text = read(lock);
    if (text === undefined) continue;
    const holder = holderOf(text);
    if (holder !== undefined && isRunning(holder)) {
      throw new DeployError("IO_FAILED", `${directory} is in use by process ${holder.pid}`, {
        hint: "another host sync or host up is running; wait for it, or stop it",
      });
    }
    removeStale(lock, text);
  }
  throw new DeployError("IO_FAILED", `cannot lock ${directory}`, { hint: "another program is starting; run again" });
}

/** Who holds the lock; undefined where nobody does. */
export function lockHolder(directory: string): number | undefined {
  const text = read(path.join(directory, "lock"));
  const holder = text === undefined ? undefined : holderOf(text);
  return holder !== undefined && isRunning(holder) ? holder.pid : undefined;
}

/** A link appears with its content, at once: nobody ever sees a lock that does not say whose it is. */
function take(lock: string): boolean {
  const mine = `${lock}.${process.pid}`;
  try {
    writeFileSync(mine, `${process.pid} ${processOf(process.pid)?.start ?? ""}\n`);
    linkSync(mine, lock);
    return true;
  } catch (error) {
    if (isSystemError(error, "EEXIST")) return false;
    throw ioError(`cannot lock ${path.dirname(lock)}`, error);
  } finally {
    rmSync(mine, { force: true });
  }
}

function read(lock: string): string | undefined {
  try {
    return readFileSync(lock, "utf8");
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return undefined;
    throw ioError(`cannot read ${lock}`, error);
  }
}

function holderOf(text: string): ProcessId | undefined {
  const match = /^(\d+) (\d+)\n$/.exec(text);
  return match ? { pid: Number(match[1]), start: match[2] as string } : undefined;
}

/** Two may find the same stale lock: what is taken away must be that one, and not the new one of the quicker. */
function removeStale(lock: string, text: string): void {
  const aside = `${lock}.${process.pid}.stale`;
  try {
    renameSync(lock, aside);
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return;
    throw ioError(`cannot take over ${lock}`, error);
  }
  if (read(aside) !== text) renameSync(aside, lock);
  rmSync(aside, { force: true });
}
