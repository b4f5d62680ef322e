#!/usr/bin/env node
/**
 * The command line's door: finds the verb, reads its arguments, runs it, and turns what happened into an exit code. What
 * it takes for that is loaded where it is used: half of what `--version` would cost otherwise.
 */
import type { Command, Io } from "./cli/command.ts";

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
  const json = argv.includes("--json");
  try {
    return await runVerb(argv, json, argv.includes("--quiet"));
  } catch (error) {
    return await reportError(error, json);
  }
}

async function runVerb(argv: readonly string[], json: boolean, quiet: boolean): Promise<number> {
  const { findVerb, renderGroup } = await import("./cli/verbs.ts");
  const { DeployError } = await import("./errors.ts");
  const found = findVerb(argv);
  const [first = "", second = "--help"] = argv;
  const group = renderGroup(first);
  if (group !== undefined && (second === "--help" || second === "-h")) {
    process.stdout.write(group);
    return argv.length === 1 ? 2 : 0;
  }
  if (!found) {
    const words = argv.slice(0, 2).filter((word) => !word.startsWith("-"));
    throw new DeployError("USAGE", `there is no verb ${JSON.stringify(words.join(" ") || argv[0])}`, {
      hint:
        group === undefined
          ? "unikernel-deploy --help lists the verbs"
          : `unikernel-deploy ${first} --help lists its verbs`,
    });
  }
  const { parseCommand, renderHelp } = await import("./cli/command.ts");
  const command: Command = await found.verb.load();
  const rest = found.rest.map((word) => (word === "-h" ? "--help" : word));
  if (rest.includes("--help")) {
    process.stdout.write(renderHelp(found.name, command));
    return 0;
  }
  if (process.platform === "win32") {
    throw new DeployError(
      "UNSUPPORTED_PLATFORM",
      "unikernel-deploy runs on Linux; parts of it on macOS, nothing on Windows",
      {
        hint: "use a Linux runner, or WSL",
      },
    );
  }
  const args = parseCommand(command, rest);
  return command.run(args, await openIo(json, quiet));
}

async function openIo(json: boolean, quiet: boolean): Promise<Io> {
  const { terminalLog, writeAll } = await import("./cli/terminal.ts");
  const { fileURLToPath } = await import("node:url");
  const { silentLog } = await import("./util/log.ts");
  return {
    directory: process.cwd(),
    // dist/ stands beside examples/ wherever the program was put.
    root: fileURLToPath(new URL("..", import.meta.url)),
    env: process.env,
    version: __VERSION__,
    log: quiet ? silentLog : terminalLog(process.stderr),
    answer: (document, text) => {
      process.stdout.write(json ? `${JSON.stringify(document, null, 2)}\n` : `${text}\n`);
    },
    bytes: (chunk) => writeAll(process.stdout, chunk),
  };
}

async function reportError(error: unknown, json: boolean): Promise<number> {
  const { DeployError } = await import("./errors.ts");
  if (!(error instanceof DeployError)) {
    const stack = error instanceof Error ? error.stack : String(error);
    process.stderr.write(
      `${stack}\nThis is a fault of unikernel-deploy ${__VERSION__}; please report it with the lines above.\n`,
    );
    return 3;
  }
  const { renderError } = await import("./report/error-text.ts");
  process.stderr.write(`${renderError(error)}\n`);
  if (json) {
    const { code, message, problems, hint } = error;
    process.stdout.write(`${JSON.stringify({ error: { code, message, problems, hint: hint ?? null } }, null, 2)}\n`);
  }
  return error.exitCode;
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
