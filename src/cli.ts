#!/usr/bin/env node
/**
 * The command line's door: has a verb run, and ends with its exit code. What that takes is loaded when there is a verb: half of
 * what `--version` would cost otherwise.
 */
declare const __VERSION__: string;

async function main(argv: readonly string[]): Promise<number> {
  const first = argv[0];
  if (first === "--version" || first === "-v") {
    process.stdout.write(`${__VERSION__}\n`);
    return 0;
  }
  if (first === undefined || first === "--help" || first === "-h" || first === "help") {
    const { renderOverview } = await import("./cli/verbs.ts");
    process.stdout.write(renderOverview(__VERSION__));
    return first === undefined ? 2 : 0;
  }
  const { runVerb } = await import("./cli/run-verb.ts");
  // dist/ stands beside examples/ wherever the program was put.
  return runVerb(argv, { version: __VERSION__, root: new URL("..", import.meta.url) });
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => void end(signal));
}

let isEnding = false;

/** A second signal, as `timeout` and impatient people send it, does not keep what the first one began from being done. */
async function end(signal: NodeJS.Signals): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  const { endEverything } = await import("./util/cleanup.ts");
  await endEverything();
  process.stderr.write(`error[CANCELLED]: stopped by ${signal}; nothing half done is left\n`);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

// A reader that has seen enough (head, a pager) is no fault of ours.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 3));

process.exitCode = await main(process.argv.slice(2));
