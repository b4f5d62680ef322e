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
import { DeployError } from "../errors.ts";
import { ioError, isSystemError, syncDirectory, writeAtomic } from "../util/files.ts";

const recordSchema = v.object({
  version: v.literal(1),
  /** The newest release ever run here. */
  newest: v.optional(v.object({ sequence: v.number(), commit: v.string() })),
  /** Fingerprint of the git ids that were verified, by release directory. */
  verified: v.record(v.string(), v.string()),
});

export type HostRecord = v.InferOutput<typeof recordSchema>;

export class HostStore {
  readonly directory: string;

  /** Creates what is missing; throws IO_FAILED where it cannot. */
  constructor(directory: string) {
    this.directory = directory;
    try {
      mkdirSync(path.join(directory, "releases"), { recursive: true, mode: 0o755 });
    } catch (error) {
      throw ioError(`cannot use ${directory} as state`, error);
    }
  }

  get mirror(): string {
    return path.join(this.directory, "mirror");
  }

  release(name: string): string {
    return path.join(this.directory, "releases", name);
  }

  has(name: string): boolean {
    return existsSync(path.join(this.release(name), "manifest.json"));
  }

  /** The directory name of the current release; undefined before the first. */
  current(): string | undefined {
    try {
      return path.basename(readlinkSync(path.join(this.directory, "current")));
    } catch (error) {
      if (isSystemError(error, "ENOENT")) return undefined;
      throw ioError("cannot read the current release", error);
    }
  }

  record(): HostRecord {
    const file = path.join(this.directory, "state.json");
    if (!existsSync(file)) return { version: 1, verified: {} };
    const result = v.safeParse(recordSchema, JSON.parse(readFileSync(file, "utf8")));
    if (result.success) return result.output;
    throw new DeployError("IO_FAILED", `${file} is damaged`, {
      hint: "move it away; the next sync verifies everything again",
    });
  }

  writeRecord(record: HostRecord): void {
    writeAtomic(path.join(this.directory, "state.json"), `${JSON.stringify(record, null, 2)}\n`);
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

  /** Makes a release the current one, at once. */
  switchTo(name: string): void {
    const link = path.join(this.directory, "current");
    const temporary = `${link}.tmp`;
    rmSync(temporary, { force: true });
    symlinkSync(path.join("releases", name), temporary);
    renameSync(temporary, link);
    syncDirectory(this.directory);
  }

  /** Removes all but the newest `keep` releases, never the current one; the names removed. */
  collect(keep: number): string[] {
    const current = this.current();
    const names = readdirSync(path.join(this.directory, "releases")).filter((name) => /^\d+-[0-9a-f]{12}$/.test(name));
    const old = names.toSorted((a, b) => Number.parseInt(b, 10) - Number.parseInt(a, 10)).slice(keep);
    const removed = old.filter((name) => name !== current);
    for (const name of removed) rmSync(this.release(name), { recursive: true, force: true });
    return removed;
  }
}
