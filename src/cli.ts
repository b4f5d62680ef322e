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
  try {
    const { runVerb } = await import("./cli/run-verb.ts");
    // dist/ stands beside examples/ wherever the program was put.
    return await runVerb(argv, { version: __VERSION__, root: new URL("..", import.meta.url) });
  } catch (error) {
    // What failed was to be told by what did not load: a part of dist/ is missing.
    process.stderr.write(
      `${error instanceof Error ? error.stack : String(error)}\nIs dist/ all there? Copy it again.\n`,
    );
    return 3;
  }
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

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // A reader that has seen enough (head, a pager) is no fault of ours.
  if (error.code === "EPIPE") process.exit(0);
  process.stderr.write(`error[IO_FAILED]: cannot write to standard output: ${error.message}\n`);
  process.exit(3);
});

process.exitCode = await main(process.argv.slice(2));
