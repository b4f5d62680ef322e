/** What a door does when a signal ends the process: nothing of ours stays behind. */
import { stopPrograms } from "./exec.ts";
import { removeTemporaries } from "./files.ts";

const endings = new Set<() => void>();

/** Has `ending` called when a signal ends the process; it must not wait for anything. Returns how to take it back. */
export function atEnd(ending: () => void): () => void {
  endings.add(ending);
  return () => endings.delete(ending);
}

/** Stops guests and programs that we run and removes our temporary files and directories, keys among them. */
export function endEverything(): void {
  for (const ending of endings) ending();
  stopPrograms();
  removeTemporaries();
}
