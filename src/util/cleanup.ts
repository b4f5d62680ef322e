/** What a door does when a signal ends the process: nothing of ours stays behind. */
import { stopPrograms } from "./exec.ts";
import { removeTempDirs } from "./files.ts";

/** Stops the programs we run and removes our temporary directories, keys among them. */
export function endEverything(): void {
  stopPrograms();
  removeTempDirs();
}
