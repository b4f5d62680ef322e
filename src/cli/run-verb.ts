/** What a verb takes beside its own module: its arguments, a way to answer, and how failures end. */
import { fileURLToPath } from "node:url";
import { DeployError } from "../errors.ts";
import { silentLog } from "../util/log.ts";
import { printable } from "../util/printable.ts";
import { type Command, type Io, parseCommand, renderHelp } from "./command.ts";
import { terminalLog, writeAll } from "./terminal.ts";
import { findVerb, nearestVerb, renderGroup } from "./verbs.ts";

/** The program that runs. */
export interface Program {
  readonly version: string;
  /** Where its dist/ and its examples/ stand. */
  readonly root: URL;
}

/** Runs the verb that the words begin with; gives the exit code. Nothing is thrown: what went wrong is printed. */
export async function runVerb(argv: readonly string[], program: Program): Promise<number> {
  try {
    return await run(argv, program);
  } catch (error) {
    return await reportError(error, argv.includes("--json"), program);
  }
}

async function run(argv: readonly string[], program: Program): Promise<number> {
  const found = findVerb(argv);
  const [first = "", second = "--help"] = argv;
  const group = renderGroup(first);
  if (group !== undefined && (second === "--help" || second === "-h")) {
    process.stdout.write(group);
    return argv.length === 1 ? 2 : 0;
  }
  if (!found) throw await noVerb(argv, group);
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
  const args = await parseCommand(command, rest);
  return command.run(args, openIo(argv, program));
}

async function noVerb(argv: readonly string[], group: string | undefined): Promise<DeployError> {
  const words = argv.slice(0, 2).filter((word) => !word.startsWith("-"));
  const nearest = await nearestVerb(words);
  const list = group === undefined ? "--help lists the verbs" : `${argv[0]} --help lists its verbs`;
  return new DeployError("USAGE", `there is no verb ${JSON.stringify(words.join(" ") || argv[0])}`, {
    hint: `${nearest === undefined ? "" : `did you mean ${nearest}? `}unikernel-deploy ${list}`,
  });
}

function openIo(argv: readonly string[], { version, root }: Program): Io {
  const json = argv.includes("--json");
  return {
    directory: process.cwd(),
    root: fileURLToPath(root),
    env: process.env,
    version,
    log: argv.includes("--quiet") ? silentLog : terminalLog(process.stderr),
    answer: (document, text) => {
      process.stdout.write(json ? `${JSON.stringify(document, null, 2)}\n` : `${printable(text)}\n`);
    },
    bytes: (chunk) => writeAll(process.stdout, chunk),
  };
}

async function reportError(thrown: unknown, json: boolean, { version }: Program): Promise<number> {
  const { toldError } = await import("../util/files.ts");
  const error = toldError(thrown);
  if (!error) {
    const stack = thrown instanceof Error ? thrown.stack : String(thrown);
    process.stderr.write(
      `${stack}\nThis is a fault of unikernel-deploy ${version}; please report it with the lines above.\n`,
    );
    return 3;
  }
  const { renderError } = await import("../report/error-text.ts");
  process.stderr.write(`${renderError(error)}\n`);
  if (json) {
    const { code, message, problems, hint } = error;
    process.stdout.write(`${JSON.stringify({ error: { code, message, problems, hint: hint ?? null } }, null, 2)}\n`);
  }
  return error.exitCode;
}
