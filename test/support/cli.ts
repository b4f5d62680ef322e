/** The built command line, run as a user runs it: its own process, the oldest Node it promises to work with. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { gitEnvironment, type Ran, run } from "./process.ts";

/** `dist/cli.js` of this checkout; `node scripts/bundle.mjs` makes it. */
export const CLI = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));

/** A Node of major version 20 where the machine has one, else the one that runs the tests. */
export const NODE = isNode20("/usr/bin/node") ? "/usr/bin/node" : process.execPath;

function isNode20(program: string): boolean {
  try {
    return execFileSync(program, ["--version"], { encoding: "utf8" }).startsWith("v20.");
  } catch {
    return false;
  }
}

export interface CliOptions {
  readonly cwd: string;
  /** Added to an environment without any configuration of the developer's. */
  readonly env?: Readonly<Record<string, string>>;
  /** A program and its arguments that start Node: `["setpriv", "--reuid=65534"]`. */
  readonly under?: readonly string[];
}

/** Run the command line to its end. */
export function cli(args: readonly string[], options: CliOptions): Promise<Ran> {
  const [program, ...rest] = [...(options.under ?? []), NODE, CLI, ...args] as [string, ...string[]];
  return run(program, rest, { cwd: options.cwd, env: gitEnvironment(options.env) });
}

/** Run the command line with `--json`; it has to succeed. Returns the document. */
export async function cliJson(args: readonly string[], options: CliOptions): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await cli([...args, "--json"], options);
  assert.equal(code, 0, `${args.join(" ")}: exit code ${code}\n${stderr}`);
  return JSON.parse(stdout) as Record<string, unknown>;
}
