/**
 * The guest of this host: started so that it outlives us, found again by what the system says, and stopped completely.
 * There is one way for tenders that are a process, and one for those that are a service (services.ts).
 */
import { spawn } from "node:child_process";
import {
  appendFileSync,
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
} from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import * as v from "valibot";
import { DeployError, messageOf } from "../errors.ts";
import { isOfQemu, KVM_SILENCE, whyNotKvm } from "../tender/accel.ts";
import { ConsoleLog } from "../tender/console.ts";
import { writeAtomic } from "../util/files.ts";
import type { HostContext } from "./context.ts";
import type { Prepared } from "./prepare.ts";
import { endAll, findMarked, isRunning, processOf } from "./processes.ts";

/** A guest that runs. */
export interface Running {
  readonly release: string;
  /** Of what it was given. */
  readonly print: string;
  /** Null for a guest that is no process of this host. */
  readonly pid: number | null;
  readonly directory: string;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** How it was started otherwise than wished for, and why. */
  readonly note?: string;
}

export interface Guests {
  /** Finding out costs something: not more often than this (milliseconds). */
  readonly pause: number;
  /** What runs now under this host's name; undefined when nothing does. */
  find(): Promise<Running | undefined>;
  /** Starts a guest when none runs. Throws LAUNCH_FAILED where that cannot be. */
  start(prepared: Prepared): Promise<Running>;
  /** Ends every guest of this host's name; nothing of them runs afterwards. */
  stop(): Promise<void>;
  /** Keeps what the guest says from filling the place it goes to. */
  trim(): void;
  /** What the guest said, as much as is kept. */
  console(): ConsoleLog;
}

const runningSchema = v.object({
  release: v.string(),
  print: v.string(),
  pid: v.nullable(v.number()),
  start: v.optional(v.string()),
  directory: v.string(),
  since: v.number(),
});

/** Every process of a guest has this variable; its value is the state directory and the release. */
const MARK = "UNIKERNEL_DEPLOY_HOST_GUEST";
/** A console that has grown to this is cut to its end (bytes). */
const MAX_CONSOLE = 1024 * 1024;
const KEPT_CONSOLE = 64 * 1024;

/** Guests that are processes: Solo5's tenders, qemu, host executables, commands. */
export class ProcessGuests implements Guests {
  readonly pause = 0;
  readonly #context: HostContext;
  readonly #runtime: string;

  constructor(context: HostContext, runtime: string) {
    this.#context = context;
    this.#runtime = runtime;
  }

  async find(): Promise<Running | undefined> {
    const known = readRunning(this.#runtime);
    if (known?.pid == null || known.start === undefined) return undefined;
    return isRunning({ pid: known.pid, start: known.start }) ? known : undefined;
  }

  async start(prepared: Prepared): Promise<Running> {
    // Also one that was started just before we were killed, and that nothing is written about.
    await this.stop();
    const running = await this.#spawn(prepared, prepared.argv);
    const { otherwise } = prepared;
    const why = otherwise && (await this.#kvmFailure(running));
    if (otherwise === undefined || why === undefined) return running;
    await this.stop();
    return { ...(await this.#spawn(prepared, otherwise)), note: `emulated, as KVM did not work: ${why}` };
  }

  /**
   * Why qemu was of no use with KVM: it ended before the guest said anything. A guest may be silent and serve: whether it
   * does is for the probe to say.
   */
  async #kvmFailure(running: Running): Promise<string | undefined> {
    for (const start = performance.now(); performance.now() - start < KVM_SILENCE; await delay(20)) {
      const ended = (await this.find())?.pid !== running.pid;
      const console = this.console();
      if (console.tail(Number.POSITIVE_INFINITY).some((line) => line !== "" && !isOfQemu(line))) return undefined;
      if (ended) return whyNotKvm(console, true);
    }
    return undefined;
  }

  async #spawn(prepared: Prepared, argv: readonly string[]): Promise<Running> {
    const { env, store, now } = this.#context;
    rmSync(this.#consoleFile, { force: true });
    const log = openSync(this.#consoleFile, "a", 0o600);
    const [program, ...args] = argv as [string, ...string[]];
    const { PATH, HOME, LANG, LC_ALL } = env;
    const child = spawn(program, args, {
      cwd: prepared.directory,
      env: { PATH, HOME, LANG, LC_ALL, [MARK]: `${store.directory}:${prepared.release}` },
      stdio: ["ignore", log, log],
      detached: true,
    });
    closeSync(log);
    const failed = new Promise<string>((resolve) => child.once("error", (error) => resolve(messageOf(error))));
    if (child.pid === undefined)
      throw new DeployError("LAUNCH_FAILED", `${program} could not be started: ${await failed}`);
    child.unref();
    const { release, print, directory } = prepared;
    const id = processOf(child.pid);
    const running = { release, print, directory, pid: child.pid, since: now().getTime() };
    writeRunning(this.#runtime, { ...running, start: id?.start ?? "ended" });
    return running;
  }

  async stop(): Promise<void> {
    await endAll(() => findMarked(MARK, `${this.#context.store.directory}:`));
    rmSync(runningFile(this.#runtime), { force: true });
  }

  trim(): void {
    if ((statSync(this.#consoleFile, { throwIfNoEntry: false })?.size ?? 0) <= MAX_CONSOLE) return;
    const tail = this.#tail();
    // The guest appends, so it goes on at the new end.
    truncateSync(this.#consoleFile, 0);
    appendFileSync(this.#consoleFile, tail);
  }

  console(): ConsoleLog {
    const log = new ConsoleLog();
    log.write(this.#tail());
    log.end();
    return log;
  }

  #tail(): Buffer {
    if (!existsSync(this.#consoleFile)) return Buffer.alloc(0);
    const fd = openSync(this.#consoleFile, "r");
    try {
      const { size } = fstatSync(fd);
      const tail = Buffer.alloc(Math.min(size, KEPT_CONSOLE));
      return tail.subarray(0, readSync(fd, tail, 0, tail.length, size - tail.length));
    } finally {
      closeSync(fd);
    }
  }

  get #consoleFile(): string {
    return path.join(this.#runtime, "console.log");
  }
}

const runningFile = (runtime: string) => path.join(runtime, "guest.json");

export function readRunning(runtime: string): v.InferOutput<typeof runningSchema> | undefined {
  try {
    return v.parse(runningSchema, JSON.parse(readFileSync(runningFile(runtime), "utf8")));
  } catch {
    return undefined;
  }
}

export function writeRunning(runtime: string, running: v.InferOutput<typeof runningSchema>): void {
  writeAtomic(runningFile(runtime), `${JSON.stringify(running)}\n`, 0o600);
}

export function forgetRunning(runtime: string): void {
  rmSync(runningFile(runtime), { force: true });
}
