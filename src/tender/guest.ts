/** A guest's process: its own group, its console, its end noticed at once, and a stop that leaves nothing of it. */
import { type ChildProcess, spawn } from "node:child_process";
import type { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { messageOf } from "../errors.ts";
import { atEnd } from "../util/cleanup.ts";
import { ConsoleLog } from "./console.ts";
import type { ProcessEnd } from "./ending.ts";

export interface GuestOptions {
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** A socket to the process, as its file descriptor 3. */
  readonly control?: boolean;
  /** Its standard input is held open; it is to end when that closes (milliseconds it gets for that). */
  readonly leash?: number;
}

export interface Guest extends AsyncDisposable {
  readonly console: ConsoleLog;
  /** Of `performance.now()`, before it was started. */
  readonly started: number;
  /** Set from the moment the process is gone and all it printed has been read. */
  readonly end: ProcessEnd | undefined;
  readonly ended: Promise<ProcessEnd>;
  /** Settles with the first output on the console, as opposed to what the tender says on standard error. */
  readonly spoke: Promise<void>;
  readonly control: Duplex | undefined;
  /** Why it was stopped for what it did; set by whoever stops it for that. */
  readonly offence: string | undefined;
  /** Ends the process and its group. Safe to repeat. */
  stop(): Promise<void>;
}

/** A guest that has printed more than this is stopped: a log of that kind fills a host's disk (bytes). */
export const MAX_CONSOLE = 8 * 1024 * 1024;
/** Between SIGTERM and SIGKILL; qemu takes 40 ms (milliseconds). */
const GRACE = 1000;

/** Starts the process. Never throws: what keeps it from starting is its end. */
export function startGuest(options: GuestOptions): Guest {
  const [program, ...args] = options.argv;
  const console = new ConsoleLog();
  const started = performance.now();
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: options.env,
    detached: true,
    stdio: [options.leash === undefined ? "ignore" : "pipe", "pipe", "pipe", options.control ? "pipe" : "ignore"],
  });
  let end: ProcessEnd | undefined;
  let offence: string | undefined;
  const release = atEnd(() => signalGroup(child, "SIGKILL"));
  const ended = new Promise<ProcessEnd>((resolve) => {
    const finish = (how: ProcessEnd) => {
      if (end) return;
      console.end();
      end = how;
      release();
      resolve(how);
    };
    child.once("error", (error) => finish({ code: null, signal: null, error: messageOf(error) }));
    child.once("close", (code, signal) => finish({ code, signal }));
  });
  const spoke = new Promise<void>((resolve) => child.stdout?.once("data", () => resolve()));
  const take = (chunk: Buffer) => {
    if (offence !== undefined) return;
    console.write(chunk);
    if (console.bytes <= MAX_CONSOLE) return;
    offence = `it printed more than ${MAX_CONSOLE / 1024 / 1024} MiB to its console`;
    signalGroup(child, "SIGKILL");
  };
  child.stdout?.on("data", take);
  child.stderr?.on("data", take);
  child.stdin?.on("error", () => {});
  const control = options.control ? (child.stdio[3] as Duplex) : undefined;
  control?.on("error", () => {});
  const stop = async () => {
    if (end) return;
    await endProcess(child, ended, options.leash);
    control?.destroy();
  };
  return {
    console,
    started,
    ended,
    spoke,
    control,
    stop,
    get end() {
      return end;
    },
    get offence() {
      return offence;
    },
    [Symbol.asyncDispose]: stop,
  };
}

async function endProcess(child: ChildProcess, ended: Promise<ProcessEnd>, leash: number | undefined): Promise<void> {
  if (leash !== undefined) {
    child.stdin?.end();
    if (await within(ended, leash)) return;
  }
  signalGroup(child, "SIGTERM");
  if (await within(ended, GRACE)) return signalGroup(child, "SIGKILL");
  signalGroup(child, "SIGKILL");
  // Something that left the group may hold the console open; the process itself is gone.
  if (await within(ended, GRACE)) return;
  child.stdout?.destroy();
  child.stderr?.destroy();
  await within(ended, GRACE);
}

async function within(ended: Promise<unknown>, milliseconds: number): Promise<boolean> {
  const stop = new AbortController();
  const late = delay(milliseconds, "late", { signal: stop.signal }).catch(() => "late");
  const first = await Promise.race([ended, late]);
  stop.abort();
  return first !== "late";
}

/** To all of the group. It may be gone, or be another user's: then there is nothing we could do. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // Gone already.
  }
}
