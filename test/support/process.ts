/** Programs that a test runs, in an environment that owes nothing to the developer's own settings. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";

/** How a program ended and what it said. */
export interface Ran {
  /** The exit code; null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where and with what a program runs. */
export interface RunOptions {
  readonly cwd?: string;
  /** The whole environment; that of `gitEnvironment()` if absent. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Given on stdin, which is otherwise empty. */
  readonly input?: string | Uint8Array;
  /** When to kill it and all that it started; 60 seconds if absent. */
  readonly timeoutMs?: number;
}

/**
 * An environment in which git reads no configuration but the repository's, asks nobody, and makes the same commit ids
 * from the same content.
 */
export function gitEnvironment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    PATH: process.env["PATH"] ?? "/usr/bin:/bin",
    HOME: "/nonexistent",
    LC_ALL: "C",
    TZ: "UTC",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_TERMINAL_PROMPT: "0",
    GIT_AUTHOR_NAME: "Author",
    GIT_AUTHOR_EMAIL: "author@example.org",
    GIT_AUTHOR_DATE: "2026-01-01T00:00:00Z",
    GIT_COMMITTER_NAME: "Committer",
    GIT_COMMITTER_EMAIL: "committer@example.org",
    GIT_COMMITTER_DATE: "2026-01-01T00:00:00Z",
    ...extra,
  };
}

/**
 * Run a program to its end. A code other than 0 is a result; a program that cannot start, or that has to be killed, is
 * an exception.
 */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { cwd, env = gitEnvironment(), input = "", timeoutMs = 60_000 } = options;
  // In a process group of its own: git leaves the network to children, which outlive it when it alone is killed.
  const child = spawn(program, args, { ...(cwd === undefined ? {} : { cwd }), env, stdio: "pipe", detached: true });
  // A program that ends before it has read its input is no fault of the caller.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  let killed = false;
  const timer = globalThis.setTimeout(() => {
    killed = true;
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  }, timeoutMs);
  try {
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
    if (killed) throw new Error(`${program} ${args.join(" ")}: killed after ${timeoutMs} ms\n${stderr}`);
    return { code: code as number | null, stdout, stderr };
  } finally {
    clearTimeout(timer);
  }
}

/** Run a program that has to succeed, and return what it printed without the final line break. */
export async function output(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(program, args, options);
  if (code !== 0) throw new Error(`${program} ${args.join(" ")}: exit code ${code}\n${stderr}`);
  return stdout.replace(/\n$/, "");
}

/** Run git in `cwd`; it has to succeed. */
export function git(cwd: string, ...args: string[]): Promise<string> {
  return output("git", args, { cwd });
}

/** How a process came to its end. */
export interface Ending {
  readonly code: number | null;
  readonly ending: "finished" | "overdue" | "cancelled";
}

/** When to end a process that does not end by itself. */
export interface Limits {
  /** 60 seconds if absent. */
  readonly timeoutMs?: number | undefined;
  /** Between one means and the next, stronger one; 7.5 seconds if absent. */
  readonly graceMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Wait for the end of a process, and bring it about when time is up or the user cancels. */
export async function endOf(child: ChildProcess, limits: Limits = {}): Promise<Ending> {
  const { timeoutMs = 60_000, graceMs = 7500, signal } = limits;
  const exited = once(child, "exit");
  let ending: Ending["ending"] = "finished";
  const interrupt = (reason: Ending["ending"]) => {
    ending = reason;
    void terminate(child, exited, graceMs);
  };
  const onCancel = () => interrupt("cancelled");
  const timer = globalThis.setTimeout(() => interrupt("overdue"), timeoutMs);
  signal?.addEventListener("abort", onCancel);
  try {
    const [code] = (await exited) as [number | null];
    return { code, ending };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onCancel);
  }
}

/** SIGINT, then SIGTERM, then SIGKILL, as the runner of GitHub Actions does. */
async function terminate(child: ChildProcess, exited: Promise<unknown>, graceMs: number): Promise<void> {
  for (const means of ["SIGINT", "SIGTERM", "SIGKILL"] as const) {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill(means);
    await Promise.race([exited, setTimeout(graceMs, undefined, { ref: false })]);
  }
}
