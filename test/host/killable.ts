/**
 * A host up that kills itself: `killable.ts HOST_YML PHASE MILLISECONDS` ends by SIGKILL that long after it enters PHASE, and
 * prints the phase it was in by then. With PHASE "never" it is like any other.
 */
import { readFileSync, writeSync } from "node:fs";
import path from "node:path";
import type { Phase } from "../../src/host/context.ts";
import { hostUp } from "../../src/host/up.ts";
import { readHostConfig } from "../../src/inputs/config.ts";
import { terminalLog } from "../../src/cli/terminal.ts";

const [file, wanted, wait] = process.argv.slice(2) as [string, string, string];
const directory = path.dirname(file);
let phase: Phase = "idle";
const die = () => {
  writeSync(1, `${phase}\n`);
  process.kill(process.pid, "SIGKILL");
};
// An earlier kill may have come after its phase was over already.
if (wanted !== "never") setTimeout(die, 8000);
const stop = new AbortController();
process.on("SIGTERM", () => stop.abort());
await hostUp(
  {
    config: readHostConfig({ name: file, text: readFileSync(file, "utf8") }),
    directory,
    env: process.env,
    log: terminalLog(process.stderr),
    sshKey: undefined,
    knownHosts: undefined,
    now: () => new Date(),
    onPhase(entered) {
      // The look at the repository goes on beside everything else, which may be done meanwhile.
      if (entered === "idle" && ["fetch", "verify", "assemble"].includes(wanted)) return;
      phase = entered;
      if (entered !== wanted) return;
      if (Number(wait) === 0) die();
      else setTimeout(die, Number(wait));
    },
  },
  { signal: stop.signal, allowDowngrade: false },
);
