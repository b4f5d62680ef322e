/** What a door does when a signal ends the process: nothing of ours stays behind. And what the next one does if it did. */
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { endPrograms } from "./exec.ts";
import { ownerOf, removeTemporaries, removeTree } from "./files.ts";

const endings = new Set<() => void>();

/** Has `ending` called when a signal ends the process; it must not wait for anything. Returns how to take it back. */
export function atEnd(ending: () => void): () => void {
  endings.add(ending);
  return () => endings.delete(ending);
}

/** Stops guests and programs that we run and removes our temporary files and directories, keys among them. */
export async function endEverything(): Promise<void> {
  for (const ending of endings) ending();
  // Keys first: nothing that still runs needs to read one again.
  removeTemporaries();
  await endPrograms();
  removeTemporaries();
}

let swept = false;

/** Removes what a run that was killed left in the temporary directory, keys among it. Once a process. */
export function sweepTemporaries(): void {
  if (swept) return;
  swept = true;
  const directory = tmpdir();
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch {
    return;
  }
  for (const name of names) {
    const owner = ownerOf(name);
    if (owner !== undefined && !isRunning(owner)) removeTree(path.join(directory, name));
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}
