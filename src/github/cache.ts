/** Paths carried from one build to the next. A cache that is broken, full or read-only never fails a run. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { messageOf } from "../errors.ts";
import type { Log } from "../util/log.ts";

/** Files whose content decides what a build downloads or compiles, at the root of the checkout. */
const LOCK_FILES =
  /(?:\.opam|\.opam\.locked|^dune-project|^package-lock\.json|^yarn\.lock|^pnpm-lock\.yaml|^Gemfile\.lock|^Cargo\.lock|^go\.sum|^unikernel\.yml|\.lock)$/;

export interface Cached {
  /** Saves the paths, unless the same key was restored. */
  save(): Promise<void>;
}

/**
 * Restores `paths`; the key comes from the lock files, the newest older cache serves where there is none of that key. A
 * runner without a cache service is not asked again and again.
 */
export async function restoreCache(paths: readonly string[], directory: string, log: Log): Promise<Cached> {
  const prefix = `unikernel-deploy-${process.platform}-${process.arch}-`;
  const key = prefix + digestOf(paths, directory);
  const absolute = paths.map((item) => path.resolve(directory, item));
  const api = await import("./actions-cache.ts");
  if (!api.isFeatureAvailable()) {
    log.info("cache: this runner has none");
    return { save: async () => {} };
  }
  const restored = await quietly(log, "restored", () => api.restoreCache(absolute, key, [prefix]));
  log.info(restored ? `cache: restored ${restored}` : `cache: nothing saved yet for ${key}`);
  return {
    async save() {
      if (restored === key) return;
      const present = absolute.filter((item) => existsSync(item));
      if (present.length > 0) await quietly(log, "saved", () => api.saveCache(absolute, key));
    },
  };
}

/**
 * Carries what a deploy saw of its repository to the next one. Nothing hangs on it: what is read from it is verified,
 * and without it the next deploy asks the server.
 */
export async function restoreMemory(
  directory: string,
  place: readonly string[],
  { env, log }: { readonly env: NodeJS.ProcessEnv; readonly log: Log },
): Promise<Cached> {
  const nothing = { save: async () => {} };
  const run = `${env["GITHUB_RUN_ID"]}-${env["GITHUB_RUN_ATTEMPT"]}-${env["GITHUB_JOB"]}`;
  const prefix = `unikernel-deploy-memory-${createHash("sha256").update(place.join("\n")).digest("hex").slice(0, 16)}-`;
  try {
    const api = await import("./actions-cache.ts");
    if (!api.isFeatureAvailable()) return nothing;
    // Of a run that nobody repeats: the newest of all the others is what serves.
    await api.restoreCache([directory], `${prefix}${run}`, [prefix]);
    const before = listing(directory);
    return {
      async save() {
        if (listing(directory) === before) return;
        await api.saveCache([directory], `${prefix}${run}`).catch((error: unknown) => log.info(unkept(error)));
      },
    };
  } catch (error) {
    log.info(unkept(error));
    return nothing;
  }
}

const unkept = (error: unknown) =>
  `cache: what is known of the deployment repository was not kept: ${messageOf(error)}`;

/** Names and times of the files in a directory. */
function listing(directory: string): string {
  if (!existsSync(directory)) return "";
  const files = readdirSync(directory).map((name) => `${name} ${statSync(path.join(directory, name)).mtimeMs}`);
  return files.sort().join("\n");
}

function digestOf(paths: readonly string[], directory: string): string {
  const hash = createHash("sha256").update(paths.join("\n"));
  for (const name of readdirSync(directory)
    .filter((entry) => LOCK_FILES.test(entry))
    .sort()) {
    try {
      hash.update(`\0${name}\0`).update(readFileSync(path.join(directory, name)));
    } catch {
      // A directory of that name decides nothing.
    }
  }
  return hash.digest("hex").slice(0, 32);
}

async function quietly<T>(log: Log, what: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    log.warning(`the cache could not be ${what}: ${messageOf(error)}`);
    return undefined;
  }
}
