/**
 * The directory for what must not survive a restart of the machine: secret volumes, and what is known of the guest that
 * runs. In memory wherever the machine has such a place, and nobody else's.
 */
import { accessSync, chmodSync, constants, existsSync, lstatSync, readFileSync, statfsSync } from "node:fs";
import path from "node:path";
import * as v from "valibot";
import { DeployError } from "../errors.ts";
import { ioError, makeDirectories, writeAtomic } from "../util/files.ts";
import type { HostContext } from "./context.ts";

/** f_type of tmpfs and ramfs (statfs(2)). */
const IN_MEMORY = new Set([0x01021994, 0x858458f6]);

export interface Runtime {
  readonly directory: string;
  readonly inMemory: boolean;
}

/** Where it is, without making it. */
export function runtimePath({ config, store, directory, env }: HostContext): string {
  if (config.runtime !== undefined) return path.resolve(directory, config.runtime);
  const root = process.getuid?.() === 0;
  if (root && isWritable("/run")) return path.join("/run/unikernel-deploy", config.name);
  if (!root && env.XDG_RUNTIME_DIR && isWritable(env.XDG_RUNTIME_DIR))
    return path.join(env.XDG_RUNTIME_DIR, "unikernel-deploy", config.name);
  if (isWritable("/dev/shm")) return `/dev/shm/unikernel-deploy-${process.getuid?.() ?? 0}-${config.name}`;
  return path.join(store.directory, "runtime");
}

/** Makes it, with mode 0700. Throws IO_FAILED where it is not ours alone. */
export function openRuntime(context: HostContext): Runtime {
  const directory = runtimePath(context);
  try {
    makeDirectories(directory, 0o700);
    const { uid } = lstatSync(directory);
    // In /dev/shm anybody may have made it before us, or put a link there.
    if (!lstatSync(directory).isDirectory() || uid !== (process.getuid?.() ?? uid))
      throw new DeployError("IO_FAILED", `${directory} belongs to somebody else`, { hint: "set runtime in host.yml" });
    chmodSync(directory, 0o700);
    return { directory, inMemory: IN_MEMORY.has(Number(statfsSync(directory).type)) };
  } catch (error) {
    if (error instanceof DeployError) throw error;
    throw ioError(`cannot use ${directory}`, error);
  }
}

function isWritable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const happened = v.object({ at: v.string(), ok: v.boolean(), message: v.string() });

const moment = v.pipe(
  v.string(),
  v.check((text) => !Number.isNaN(Date.parse(text)), "expected a time"),
);

const statusSchema = v.object({
  /** Of the supervisor. */
  pid: v.number(),
  since: moment,
  phase: v.string(),
  guest: v.optional(v.object({ release: v.string(), since: moment, pid: v.nullable(v.number()) })),
  /** The last look at the repository, the last probe, the last change of release. */
  poll: v.optional(happened),
  probe: v.optional(happened),
  change: v.optional(v.object({ ...happened.entries, release: v.string(), downtime: v.nullable(v.number()) })),
  restarts: v.number(),
});

/** What a running supervisor tells of itself. Times are ISO 8601, durations milliseconds. */
export type Status = v.InferOutput<typeof statusSchema>;
export type Happened = v.InferOutput<typeof happened>;

export function writeStatus(directory: string, status: Status): void {
  writeAtomic(path.join(directory, "status.json"), `${JSON.stringify(status)}\n`, 0o600);
}

/** What the supervisor wrote last; undefined where there is nothing. */
export function readStatus(directory: string): Status | undefined {
  const file = path.join(directory, "status.json");
  if (!existsSync(file)) return undefined;
  try {
    return v.parse(statusSchema, JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return undefined;
  }
}
