/** Programs run from an argv array, never from a shell string. Secrets go in the environment, not in argv. */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { constants } from "node:os";
import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { isatty } from "node:tty";
import { DeployError, messageOf } from "../errors.ts";

export interface ExecOptions {
  readonly cwd?: string | undefined;
  /** The whole environment of the program; ours if absent. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly input?: Uint8Array | string | AsyncIterable<Uint8Array> | Iterable<Uint8Array | string> | undefined;
  /** Standard output in chunks instead of in the result; a returned promise holds the program back. */
  readonly onStdout?: ((chunk: Buffer) => void | Promise<void>) | undefined;
  /** Standard error as it comes, besides the kept end of it. */
  readonly onStderr?: ((chunk: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ExecResult {
  /** The exit code; 128 + the signal's number when a signal ended it. */
  readonly code: number;
  readonly stdout: Buffer;
  /** The last 64 KiB of standard error. */
  readonly stderr: string;
}

const STDERR_KEPT = 64 * 1024;
/** Standard output is kept whole, so it is bounded: 33,000 tree entries are 3 MB. */
const STDOUT_LIMIT = 256 * 1024 * 1024;

/** Runs a program to its end. Throws PROGRAM_MISSING when there is none of that name. */
export async function exec(argv: readonly [string, ...string[]], options: ExecOptions = {}): Promise<ExecResult> {
  const [command, ...args] = argv;
  if (ending) return never();
  const spawnOptions: SpawnOptions = { stdio: ["pipe", "pipe", "pipe"], detached: OWN_GROUP };
  if (options.cwd !== undefined) spawnOptions.cwd = options.cwd;
  if (options.env !== undefined) spawnOptions.env = options.env;
  if (options.signal !== undefined) spawnOptions.signal = options.signal;
  const child = spawn(command, args, spawnOptions);
  running.add(child);
  const stdout: Buffer[] = [];
  let kept = 0;
  let stderr = "";
  const ended = new Promise<number>((resolve, reject) => {
    child.on("error", (error) => reject(startError(command, error)));
    child.on("close", (code, signal) => resolve(code ?? 128 + constants.signals[signal ?? "SIGKILL"]));
  });
  const output = pipeline(
    child.stdout as NodeJS.ReadableStream,
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        if (options.onStdout) {
          // What the reader throws ends the program and reaches our caller; thrown from here it would end the process.
          takeChunk(options.onStdout, chunk).then(() => done(), done);
          return;
        }
        kept += chunk.length;
        if (kept > STDOUT_LIMIT)
          return done(new DeployError("PROGRAM_FAILED", `${command} wrote more than ${STDOUT_LIMIT} bytes`));
        stdout.push(chunk);
        done();
      },
    }),
  ).catch((error: unknown) => {
    child.kill();
    throw error;
  });
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    options.onStderr?.(chunk);
    stderr = (stderr + chunk).slice(-STDERR_KEPT);
  });
  try {
    // A program that has ended wants no more input, though whoever has it may still be waiting for a reason to give it.
    const fed = Promise.race([feed(child.stdin as Writable, options.input), ended]);
    const [code] = await Promise.all([ended, output, fed]);
    // Half of what was asked for is no result, and the process is about to end.
    return ending ? await never() : { code, stdout: Buffer.concat(stdout), stderr };
  } catch (error) {
    throw ending ? await never() : error;
  } finally {
    running.delete(child);
  }
}

async function takeChunk(take: NonNullable<ExecOptions["onStdout"]>, chunk: Buffer): Promise<void> {
  await take(chunk);
}

const running = new Set<ChildProcess>();
let ending = false;

/**
 * git leaves the network to programs of its own, which outlive it when it alone is ended; a group ends as one. On a
 * terminal ssh may have to ask, for which it must stay in the group that the terminal talks to.
 */
export const OWN_GROUP = !isatty(0);

const never = () => new Promise<never>(() => {});

/** A program that was started elsewhere, with `detached: OWN_GROUP`, is ended with those that run here. */
export function endWithUs(child: ChildProcess): void {
  running.add(child);
  child.once("close", () => running.delete(child));
}

/** Ends every program that still runs. */
export function stopPrograms(signal: NodeJS.Signals = "SIGTERM"): void {
  for (const child of running) {
    try {
      if (OWN_GROUP && child.pid !== undefined) process.kill(-child.pid, signal);
      else child.kill(signal);
    } catch {
      // It has ended by itself.
    }
  }
}

/** For git to remove its lock files, and for ssh to say goodbye (milliseconds). */
const GRACE = 2000;

/** Ends every program, by force if need be, and lets nothing that waited for one go on; for the doors, before the end. */
export async function endPrograms(): Promise<void> {
  ending = true;
  const children = [...running];
  stopPrograms();
  const ended = Promise.all(children.map((child) => closed(child)));
  const late = await Promise.race([ended.then(() => false), sleep(GRACE, true)]);
  // Also where the leader has gone: what it started may not have.
  for (const child of children) running.add(child);
  stopPrograms("SIGKILL");
  if (late) await Promise.race([ended, sleep(GRACE)]);
}

function closed(child: ChildProcess): Promise<unknown> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once("close", resolve));
}

/** Gives a program its input. A program that ends without reading it all says why with its exit code. */
async function feed(stdin: Writable, input: ExecOptions["input"]): Promise<void> {
  try {
    if (input === undefined || typeof input === "string" || input instanceof Uint8Array) {
      await new Promise<void>((resolve, reject) => {
        stdin.on("error", reject);
        stdin.end(input, resolve);
      });
    } else {
      await pipeline(input, stdin);
    }
  } catch (error) {
    if (!/EPIPE|ERR_STREAM_DESTROYED|ERR_STREAM_PREMATURE_CLOSE|ECONNRESET/.test(errorCode(error))) throw error;
  }
}

const errorCode = (error: unknown): string => (error instanceof Error && "code" in error ? String(error.code) : "");

function startError(command: string, error: unknown): DeployError {
  if (errorCode(error) === "ENOENT") {
    return new DeployError("PROGRAM_MISSING", `${command} is not installed or not in PATH`, {
      hint: PACKAGES[command] ?? `install ${command}`,
      cause: error,
    });
  }
  if (error instanceof Error && error.name === "AbortError") return new DeployError("CANCELLED", "cancelled");
  return new DeployError("PROGRAM_FAILED", `${command} could not be started: ${messageOf(error)}`, { cause: error });
}

const PACKAGES: Readonly<Record<string, string>> = {
  git: "install git 2.32 or newer (Debian: apt-get install git)",
  ssh: "install an OpenSSH client (Debian: apt-get install openssh-client)",
  "ssh-keygen": "install an OpenSSH client (Debian: apt-get install openssh-client)",
  "qemu-system-x86_64": "install qemu (Debian: apt-get install --no-install-recommends qemu-system-x86)",
};

/** Programs that are not git, judged by their exit code alone: standard output, or PROGRAM_FAILED with the last line. */
export async function run(argv: readonly [string, ...string[]], options: ExecOptions = {}): Promise<string> {
  const result = await exec(argv, options);
  if (result.code === 0) return result.stdout.toString("utf8");
  const last = result.stderr.trim().split("\n").at(-1) ?? "";
  throw new DeployError("PROGRAM_FAILED", `${argv[0]} ended with exit code ${result.code}: ${last}`);
}
