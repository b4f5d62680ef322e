/** Git, run in a repository of ours with an environment of ours. One argv a verb; secrets only in the environment. */
import { StringDecoder } from "node:string_decoder";
import { DeployError } from "../errors.ts";
import { type ExecOptions, type ExecResult, exec } from "./exec.ts";

export interface GitOptions extends Pick<ExecOptions, "input" | "onStdout" | "onStderr" | "signal"> {
  /** Added to the repository's environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A repository git runs in. */
export interface Git {
  readonly directory: string;
  /** Runs a verb and returns how it ended. Secrets are gone from its standard error. */
  try(args: readonly string[], options?: GitOptions): Promise<ExecResult>;
  /** Runs a verb that must work; standard output as text without the last line end. Throws PROGRAM_FAILED. */
  run(args: readonly string[], options?: GitOptions): Promise<string>;
}

/** `directory` is the git directory itself; `env` is complete; every text in `secrets` is removed from messages. */
export function gitIn(directory: string, env: NodeJS.ProcessEnv, secrets: readonly string[] = []): Git {
  const redact = (text: string) => secrets.reduce((so, secret) => so.replaceAll(secret, "***"), text);
  const attempt: Git["try"] = async (args, options = {}) => {
    const { env: more, onStderr, ...rest } = options;
    const result = await exec(["git", ...args], {
      ...rest,
      ...(onStderr ? { onStderr: (chunk: string) => onStderr(redact(chunk)) } : {}),
      env: { ...env, ...more, GIT_DIR: directory },
    });
    return { ...result, stderr: redact(result.stderr) };
  };
  return {
    directory,
    try: attempt,
    async run(args, options) {
      const result = await attempt(args, options);
      if (result.code === 0) return result.stdout.toString("utf8").replace(/\n$/, "");
      throw new DeployError(
        "PROGRAM_FAILED",
        `git ${args[0]} ended with exit code ${result.code}: ${lastLine(result.stderr)}`,
      );
    },
  };
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}

/**
 * Variables of the caller's that would point git at another repository, index or helper, make it print headers (all of
 * GIT_TRACE), or are secrets for others.
 */
const UNWANTED = /^(?:GIT_(?!SSL_|HTTP_|PROXY_)|INPUT_|SSH_ASKPASS|ACTIONS_|UNIKERNEL_DEPLOY_TOKEN$)/;

/** The caller's environment without what would change which repository git works on, and without prompts. */
export function gitEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.fromEntries(Object.entries(env).filter(([name]) => !UNWANTED.test(name)));
  return {
    ...kept,
    LC_ALL: "C",
    GIT_TERMINAL_PROMPT: "0",
    GIT_ALLOW_PROTOCOL: "file:git:http:https:ssh",
    GIT_OPTIONAL_LOCKS: "0",
  };
}

/** Configuration passed by environment: it is in no file and in no argv (git-config, GIT_CONFIG_COUNT). */
export function gitConfigEnvironment(
  entries: readonly (readonly [key: string, value: string])[],
): Record<string, string> {
  const env: Record<string, string> = { GIT_CONFIG_COUNT: String(entries.length) };
  entries.forEach(([key, value], i) => {
    env[`GIT_CONFIG_KEY_${i}`] = key;
    env[`GIT_CONFIG_VALUE_${i}`] = value;
  });
  return env;
}

/** An entry of a git tree. */
export interface TreeEntry {
  readonly mode: string;
  readonly id: string;
}

/** A few objects can make a tree without end; no site has so many files and directories, nor so much text in their names (bytes). */
const MAX_ENTRIES = 1_000_000;
const MAX_LISTING = 128 * 1024 * 1024;

/**
 * Every file below `prefix` of a commit's tree, as a line of git-ls-tree, with -l if `sizes`. Reads trees only. Throws
 * PROGRAM_FAILED where git cannot, and what `tooMany` makes of a number of entries that no site has.
 */
export async function listFiles(
  git: Git,
  commit: string,
  { prefix, sizes, tooMany }: { prefix: string; sizes?: boolean; tooMany: (entries: number) => DeployError },
  take: (line: string) => void,
): Promise<void> {
  let entries = 0;
  let bytes = 0;
  let rest = "";
  const decoder = new StringDecoder("utf8");
  // With directories, so that those of them that hold nothing are counted, too.
  const argv = ["ls-tree", "-r", "-t", ...(sizes ? ["-l"] : []), "-z", "--full-tree", commit];
  const { code, stderr } = await git.try(prefix === "" ? argv : [...argv, "--", prefix], {
    // What is thrown here ends git.
    onStdout(chunk) {
      const lines = (rest + decoder.write(chunk)).split("\0");
      rest = lines.pop() as string;
      bytes += chunk.length;
      entries += lines.length;
      for (const line of lines) if (!line.startsWith("040000 tree ")) take(line);
      if (entries > MAX_ENTRIES || bytes > MAX_LISTING) throw tooMany(entries);
    },
  });
  if (code !== 0) throw new DeployError("PROGRAM_FAILED", `git ls-tree: ${lastLine(stderr)}`);
}

/** Every blob below `prefix` of a commit's tree, by full path. Reads trees only. */
export async function listTree(git: Git, commit: string, prefix = ""): Promise<Map<string, TreeEntry>> {
  const entries = new Map<string, TreeEntry>();
  const tooMany = (count: number) =>
    new DeployError("REPOSITORY_FOREIGN", `the branch lists more files than any site has, ${count} so far`, {
      hint: "find out who changed the deployment repository",
    });
  await listFiles(git, commit, { prefix, tooMany }, (line) => {
    const tab = line.indexOf("\t");
    const [mode, , id] = line.slice(0, tab).split(" ") as [string, string, string];
    entries.set(line.slice(tab + 1), { mode, id });
  });
  return entries;
}
