/** The host's state directory: releases, the `current` link, and what was verified. Every change is one rename. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import path from "node:path";
import * as v from "valibot";
import { DeployError, messageOf } from "../errors.ts";
import { parseManifest } from "../manifest/manifest.ts";
import type { ReleaseManifest } from "../manifest/schema.ts";
import { ioError, isSystemError, makeDirectories, syncDirectory, writeAtomic } from "../util/files.ts";
import { type HostState, INITIAL } from "./state.ts";

const RELEASE = /^\d+-[0-9a-f]{12}$/;
const release = v.pipe(v.string(), v.regex(RELEASE));

const recordSchema = v.object({
  version: v.literal(1),
  /** The newest release ever laid out here. */
  newest: v.optional(v.object({ sequence: v.number(), commit: v.string() })),
  /** Fingerprint of the git ids that were verified, by release directory. */
  verified: v.record(v.string(), v.string()),
  /** The tip of the branch, and when it was first seen (milliseconds since 1970). */
  tip: v.optional(v.object({ revision: v.string(), seen: v.number() })),
  staged: v.optional(release),
  current: v.optional(release),
  rollback: v.optional(release),
  held: v.optional(release),
  bad: v.optional(v.array(v.object({ release, reason: v.string() })), []),
});

export type HostRecord = v.InferOutput<typeof recordSchema>;

export class HostStore {
  readonly directory: string;

  /** Creates what is missing, unless it is only looked at; throws IO_FAILED where it cannot. */
  constructor(directory: string, create = true) {
    this.directory = directory;
    if (!create) return;
    try {
      makeDirectories(path.join(directory, "releases"), 0o755);
    } catch (error) {
      throw ioError(`cannot use ${directory} as state`, error);
    }
  }

  get mirror(): string {
    return path.join(this.directory, "mirror");
  }

  /** What was fetched from a registry. */
  get blobs(): string {
    return path.join(this.directory, "blobs");
  }

  /** Where guests run, and have what they may write to. */
  get guests(): string {
    return path.join(this.directory, "guest");
  }

  release(name: string): string {
    return path.join(this.directory, "releases", name);
  }

  has(name: string): boolean {
    return existsSync(path.join(this.release(name), "manifest.json"));
  }

  /** The releases on disk, the newest first. */
  releases(): string[] {
    const directory = path.join(this.directory, "releases");
    const names = existsSync(directory) ? readdirSync(directory).filter((name) => RELEASE.test(name)) : [];
    return names.toSorted((a, b) => Number.parseInt(b, 10) - Number.parseInt(a, 10));
  }

  /** Throws RELEASE_MISSING where it is not on disk. */
  manifest(name: string): ReleaseManifest {
    try {
      return parseManifest(readFileSync(path.join(this.release(name), "manifest.json")), `manifest.json of ${name}`);
    } catch (error) {
      if (error instanceof DeployError) throw error;
      throw new DeployError("RELEASE_MISSING", `release ${name} is not on this host`, { cause: error });
    }
  }

  /** The directory name of the current release; undefined before the first. */
  current(): string | undefined {
    try {
      return path.basename(readlinkSync(path.join(this.directory, "current")));
    } catch (error) {
      if (isSystemError(error, "ENOENT")) return undefined;
      if (isSystemError(error, "EINVAL")) {
        throw new DeployError("IO_FAILED", `${this.directory}/current is not a link: it is nothing of this program's`, {
          hint: "move it away, or name another state directory in host.yml",
          cause: error,
        });
      }
      throw ioError("cannot read the current release", error);
    }
  }

  record(): HostRecord {
    const file = path.join(this.directory, "state.json");
    if (!existsSync(file)) return { version: 1, verified: {}, bad: [] };
    try {
      return v.parse(recordSchema, JSON.parse(readFileSync(file, "utf8")));
    } catch (error) {
      throw new DeployError("IO_FAILED", `${file} is damaged: ${messageOf(error)}`, {
        hint: "move it away; the next sync verifies everything again",
      });
    }
  }

  writeRecord(record: HostRecord): void {
    writeAtomic(path.join(this.directory, "state.json"), `${JSON.stringify(record, null, 2)}\n`);
  }

  /** What is remembered of the releases' lives. A host that has only the link, from before, has that one as current. */
  state(): HostState {
    const { staged, current = this.current(), rollback, held, bad } = this.record();
    const here = (name: string | undefined) => (name !== undefined && this.has(name) ? name : undefined);
    return { ...INITIAL, staged: here(staged), current: here(current), rollback: here(rollback), held, bad };
  }

  writeState({ staged, current, rollback, held, bad }: HostState): void {
    const { staged: _s, current: _c, rollback: _r, held: _h, ...record } = this.record();
    const lives = Object.entries({ staged, current, rollback, held }).filter(([, name]) => name !== undefined);
    this.writeRecord({ ...record, ...Object.fromEntries(lives), bad: [...bad] });
  }

  /** An empty directory beside the releases, for one that is being made; leftovers of a crash are removed first. */
  stage(name: string): string {
    const staging = this.release(`.${name}.tmp`);
    rmSync(staging, { recursive: true, force: true });
    mkdirSync(staging);
    return staging;
  }

  unstage(name: string): void {
    rmSync(this.release(`.${name}.tmp`), { recursive: true, force: true });
  }

  /** Gives a staged release its name, replacing one that was found to be other than verified. */
  place(name: string): void {
    const target = this.release(name);
    const old = this.release(`.${name}.old`);
    rmSync(old, { recursive: true, force: true });
    if (existsSync(target)) renameSync(target, old);
    renameSync(this.release(`.${name}.tmp`), target);
    syncDirectory(path.dirname(target));
    rmSync(old, { recursive: true, force: true });
  }

  /** Puts right what a crash left: half-made releases, and a release that was being replaced. */
  recover(): void {
    for (const entry of readdirSync(path.join(this.directory, "releases"))) {
      const [, name, kind] = /^\.(\d+-[0-9a-f]{12})\.(tmp|old)$/.exec(entry) ?? [];
      if (name === undefined) continue;
      if (kind === "old" && !existsSync(this.release(name))) renameSync(this.release(entry), this.release(name));
      else rmSync(this.release(entry), { recursive: true, force: true });
    }
  }

  /** Makes a release the current one, at once. */
  switchTo(name: string): void {
    const link = path.join(this.directory, "current");
    const temporary = `${link}.tmp`;
    rmSync(temporary, { force: true });
    symlinkSync(path.join("releases", name), temporary);
    renameSync(temporary, link);
    syncDirectory(this.directory);
  }

  /** Removes all but `keep` releases: those in `needed`, then the newest good ones; the names removed. */
  collect(keep: number, needed: readonly string[]): string[] {
    const current = this.current();
    const bad = new Set(this.record().bad.map(({ release: name }) => name));
    const removed = this.releases()
      .filter((name) => !needed.includes(name) && name !== current)
      .toSorted((a, b) => Number(bad.has(a)) - Number(bad.has(b)))
      .slice(Math.max(0, keep - new Set([...needed, current]).size));
    for (const name of removed) {
      // Under another name first: a crash in the middle must not leave half a release that looks whole.
      const going = this.release(`.${name}.tmp`);
      rmSync(going, { recursive: true, force: true });
      renameSync(this.release(name), going);
      rmSync(going, { recursive: true, force: true });
    }
    return removed;
  }
}

/** What is wrong with a release's manifest on this host, in one line; undefined where nothing is. */
export function damageOf(store: HostStore, name: string): string | undefined {
  try {
    store.manifest(name);
    return undefined;
  } catch (error) {
    if (!(error instanceof DeployError)) throw error;
    return [error.message, ...error.problems.slice(0, 1)].join(": ");
  }
}
