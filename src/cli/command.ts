/** What a verb of the command line is, how its arguments are read, and how its help is written. */
import { parseArgs } from "node:util";
import { DeployError } from "../errors.ts";
import type { Log } from "../util/log.ts";

export interface Option {
  /** What the value is called in help; a switch where absent. */
  readonly value?: string;
  /** May be given more than once, and take several values at once. */
  readonly multiple?: boolean;
  readonly required?: boolean;
  readonly help: string;
}

export interface Command {
  /** Shown after the verb: "--from DIR --format F --out FILE". */
  readonly usage: string;
  /** What it does, what it needs, what it leaves; a paragraph or two. */
  readonly about: string;
  readonly options: Readonly<Record<string, Option>>;
  /** Names of the positional arguments, all of them needed. */
  readonly positionals: readonly string[];
  readonly examples: readonly string[];
  run(args: Arguments, io: Io): Promise<number>;
}

export interface Arguments {
  readonly positionals: readonly string[];
  text(name: string): string | undefined;
  /** Values of a repeatable option; undefined when it was not given. */
  list(name: string): readonly string[] | undefined;
  flag(name: string): boolean;
}

/** Where a verb reads and writes. */
export interface Io {
  readonly directory: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
  readonly version: string;
  /** Where the program stands: the directory with dist/ and examples/. */
  readonly root: string;
  /** The answer: one JSON document with --json, else the text. */
  answer(document: unknown, text: string): void;
  /** Raw bytes to standard output; resolves when there is room for more. */
  bytes(chunk: Uint8Array): Promise<void>;
}

/** Options of every verb. */
export const COMMON: Readonly<Record<string, Option>> = {
  json: { help: "one JSON document on standard output; logs go to standard error" },
  quiet: { help: "no logs and no progress, only the answer and errors" },
  help: { help: "this text" },
};

/** Reads the arguments of a verb; throws USAGE with every mistake. */
export async function parseCommand(command: Command, argv: readonly string[]): Promise<Arguments> {
  const options = { ...command.options, ...COMMON };
  const problems = argv.filter((word) => word.includes("\ufffd")).map(misspelt);
  const values = new Map<string, string[]>();
  const positionals: string[] = [];
  let collecting: string | undefined;
  for (const token of tokens(argv, options)) {
    if (token.kind === "option-terminator") collecting = undefined;
    else if (token.kind === "positional") {
      if (collecting !== undefined) values.get(collecting)?.push(token.value);
      else positionals.push(token.value);
    } else {
      const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
      const problem = option ? optionProblem(token, option, values) : await noOption(token.rawName, options);
      if (problem) problems.push(problem);
      values.set(token.name, [...(values.get(token.name) ?? []), ...(token.value === undefined ? [] : [token.value])]);
      collecting = option?.multiple ? token.name : undefined;
    }
  }
  if (!values.has("help")) problems.push(...missing(command, values, positionals));
  if (problems.length > 0) {
    throw new DeployError(
      "USAGE",
      problems.length === 1 ? "a mistake in the arguments" : `${problems.length} mistakes in the arguments`,
      {
        problems,
        hint: "--help shows what this command takes",
      },
    );
  }
  return {
    positionals,
    text: (name) => values.get(name)?.at(-1),
    list: (name) => values.get(name),
    flag: (name) => values.has(name),
  };
}

/** Bytes that are no UTF-8 come here as U+FFFD: a file of that name would be another one. */
const misspelt = (word: string) => `${JSON.stringify(word)}: not UTF-8; a name like that cannot be given`;

type Token =
  | { kind: "option"; name: string; rawName: string; value?: string | undefined; inlineValue?: boolean | undefined }
  | { kind: "positional"; value: string }
  | { kind: "option-terminator" };

function tokens(argv: readonly string[], options: Readonly<Record<string, Option>>): readonly Token[] {
  const config = Object.fromEntries(
    Object.entries(options).map(([name, { value }]) => [
      name,
      { type: value === undefined ? ("boolean" as const) : ("string" as const), multiple: true },
    ]),
  );
  const parsed = parseArgs({ args: [...argv], options: config, strict: false, allowPositionals: true, tokens: true });
  return parsed.tokens as readonly Token[];
}

/** What knows slips of the pen is loaded when there is one. */
async function noOption(rawName: string, options: Readonly<Record<string, Option>>): Promise<string> {
  const { nearestOf } = await import("../util/nearest.ts");
  const nearest = nearestOf(rawName.replace(/^-+/, ""), Object.keys(options));
  return `${rawName}: there is no such option${nearest === undefined ? "" : `; did you mean --${nearest}?`}`;
}

function optionProblem(
  token: Extract<Token, { kind: "option" }>,
  option: Option,
  values: ReadonlyMap<string, readonly string[]>,
): string | undefined {
  const { rawName, value, inlineValue } = token;
  if (option.value === undefined)
    return value === undefined ? undefined : `${rawName}: takes no value, found ${JSON.stringify(value)}`;
  if (value === undefined || value === "") return `${rawName}: needs a value (${option.value})`;
  if (!inlineValue && value.startsWith("--")) return `${rawName}: needs a value (${option.value}), found ${value}`;
  if (!option.multiple && values.has(token.name)) return `${rawName}: given twice`;
  return undefined;
}

function missing(command: Command, values: ReadonlyMap<string, unknown>, positionals: readonly string[]): string[] {
  const problems = Object.entries(command.options).flatMap(([name, { required, value }]) =>
    required && !values.has(name) ? [`--${name}: missing (${value})`] : [],
  );
  for (const name of command.positionals.slice(positionals.length)) problems.push(`${name}: missing`);
  for (const extra of positionals.slice(command.positionals.length))
    problems.push(`${JSON.stringify(extra)}: one argument too many`);
  return problems;
}

/** The text of `--help` for one verb. */
export function renderHelp(verb: string, command: Command): string {
  const list = (options: Readonly<Record<string, Option>>) => {
    const rows = Object.entries(options).map(([name, { value, multiple, help }]) => [
      `--${name}${value === undefined ? "" : ` ${value}`}${multiple ? "…" : ""}`,
      help,
    ]);
    const width = Math.min(30, Math.max(...rows.map(([left]) => (left as string).length)));
    return rows.map(([left, help]) => `  ${(left as string).padEnd(width)}  ${help}`).join("\n");
  };
  const parts = [`unikernel-deploy ${verb} ${command.usage}`.trimEnd(), command.about.trim()];
  if (Object.keys(command.options).length > 0) parts.push(`Options:\n${list(command.options)}`);
  parts.push(`Always:\n${list(COMMON)}`);
  if (command.examples.length > 0)
    parts.push(`Examples:\n${command.examples.map((example) => `  ${example}`).join("\n")}`);
  return `${parts.join("\n\n")}\n`;
}
