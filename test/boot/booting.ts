/** Releases of the example kernels and a small awkward site, and how they are booted in these tests: under emulation. */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { bootRelease } from "../../src/checks/boot/boot-release.ts";
import type { BootReport } from "../../src/checks/boot/report.ts";
import { type BootSettings, DEFAULT_BOOT } from "../../src/checks/boot/settings.ts";
import type { Release } from "../../src/release/release.ts";
import { silentLog } from "../../src/util/log.ts";
import { buildRelease, type Files, type ReleaseSpec } from "../support/release.ts";
import { tempDir } from "../support/temp.ts";

const EXAMPLES = join(import.meta.dirname, "../../examples");

export const VIRTIO = readFileSync(join(EXAMPLES, "kernel/site.virtio"));
export const PVH = readFileSync(join(EXAMPLES, "kernel/site.pvh"));

/** Why tests that need this program are skipped, or false. */
export function without(program: string): string | false {
  return spawnSync(program, ["--version"]).error ? `${program} is not installed` : false;
}

/** The example kernel as a host executable. */
export async function unixKernel(): Promise<Uint8Array> {
  await using dir = await tempDir("unix-kernel");
  execFileSync("sh", [join(EXAMPLES, "unix-kernel/build.sh"), dir.path]);
  return readFileSync(dir.join("site-server"));
}

/** Bytes that repeat nowhere near, so that no shift of them looks right. */
export function noise(length: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i, 2_654_435_761);
  return new Uint8Array(words.buffer, 0, length);
}

export const SITE: Files = {
  "index.html": "<!doctype html><title>home</title>\n",
  "a, b/c d.html": "a comma and spaces\n",
  "deep/er/and/deeper/index.html": "an index far down\n",
  "docs/index.html": "<!doctype html><title>docs</title>\n",
  "empty.txt": "",
  "größe & 100%?#[1].txt": "needs encoding\n",
  "picture.bin": noise(300_001),
};
/** Every file, and three of them as their directory too. */
export const PAGES = Object.keys(SITE).length + 3;

export interface Booted {
  readonly report: BootReport;
  readonly reports: readonly BootReport[];
}

/** Builds a release, lets `spoil` do something to it, and boots it under emulation within 5 seconds by default. */
export async function boot(
  spec: ReleaseSpec,
  settings: Partial<BootSettings> = {},
  options: { readonly env?: NodeJS.ProcessEnv; readonly spoil?: (release: Release) => void } = {},
): Promise<Booted> {
  await using dir = await tempDir("boot test, with a comma");
  const release = await buildRelease(dir.path, { memory: 16, ...spec });
  options.spoil?.(release);
  const reports = await bootRelease({
    release,
    settings: { ...DEFAULT_BOOT, accel: "tcg", timeout: 5000, ...settings },
    env: options.env ?? process.env,
    log: silentLog,
  });
  return { report: reports[0] as BootReport, reports };
}

/** Arguments that make an example kernel misbehave. */
export function fault(name: string): readonly string[] {
  return ["--ipv4={address}", "--ipv4-gateway={gateway}", `--fault=${name}`];
}
