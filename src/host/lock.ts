/** One program at a time in a state directory. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DeployError } from "../errors.ts";
import { ioError, isSystemError } from "../util/files.ts";

export type HostLock = Disposable;

/** Takes the lock, or takes it over from a process that is gone. Throws IO_FAILED naming the one that holds it. */
export function lockState(directory: string): HostLock {
  const lock = path.join(directory, "lock");
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      mkdirSync(lock);
      writeFileSync(path.join(lock, "pid"), `${process.pid}\n`);
      return { [Symbol.dispose]: () => rmSync(lock, { recursive: true, force: true }) };
    } catch (error) {
      if (!isSystemError(error, "EEXIST")) throw ioError(`cannot lock ${directory}`, error);
    }
    const holder = holderOf(lock);
    if (holder !== undefined && isAlive(holder)) {
      throw new DeployError("IO_FAILED", `${directory} is in use by process ${holder}`, {
        hint: "another host sync is running; wait for it, or stop it",
      });
    }
    rmSync(lock, { recursive: true, force: true });
  }
  throw new DeployError("IO_FAILED", `cannot lock ${directory}`, { hint: "another host sync is starting; run again" });
}

function holderOf(lock: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(path.join(lock, "pid"), "utf8"), 10) || undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return isSystemError(error, "EPERM");
  }
}
