/** Boots a release: each kernel that can run here, with the images attached that would be deployed, and probes it. */
import { closeSync, openSync } from "node:fs";
import { arch } from "node:os";
import { join, resolve } from "node:path";
import { DeployError } from "../../errors.ts";
import { FORMAT_NAMES, formatNamed } from "../../image/formats.ts";
import { isAttached, isDataVolume, type ManifestVolume } from "../../manifest/schema.ts";
import { readRelease } from "../../release/directory.ts";
import type { Release } from "../../release/release.ts";
import { splitWords } from "../../tender/command.ts";
import type { LaunchRequest } from "../../tender/launch.ts";
import { findEntry } from "../../tender/netns.ts";
import type { Block } from "../../tender/tender.ts";
import { openWorkDir } from "../../tender/work-dir.ts";
import { type Log, silentLog } from "../../util/log.ts";
import { findProgram } from "../../util/programs.ts";
import { formatDuration } from "../../util/size.ts";
import { bootKernel, type Subject } from "./boot-kernel.ts";
import { type Choice, chooseTender, type Machine } from "./choose.ts";
import type { BootReport } from "./report.ts";
import { type BootSettings, DEFAULT_BOOT } from "./settings.ts";
import { writeStandIn } from "./stand-in.ts";

export interface BootRequest {
  readonly release: Release;
  readonly settings: BootSettings;
  /** Sizes in bytes of the stand-ins for secret volumes, by volume, where they are declared. */
  readonly secretSizes?: ReadonlyMap<string, number>;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
}

/** Boots every kernel of the release, one after the other. Never throws for what a kernel or a tender does. */
export async function bootRelease(request: BootRequest): Promise<readonly BootReport[]> {
  const { release, settings, env, log } = request;
  const command = wordsOf(settings.command);
  const machine = thisMachine(env);
  const choices: Choice[] = [];
  for (const { info } of release.kernels) {
    const kernel = { target: info.target, arch: info.arch ?? "unknown" };
    choices.push(await withTap(chooseTender(kernel, settings.tender, command?.[0], machine), env));
  }
  // Asked for a tender, a release of several kernels is booted by those that suit it; none is a mistake.
  const suits = choices.some(({ kind }) => kind !== "unsuitable");
  using standIns = openWorkDir();
  const reports: BootReport[] = [];
  for (const [i, choice] of choices.entries()) {
    const subject = subjectOf(request, i, standIns.path);
    const report =
      choice.kind === "boot"
        ? await bootKernel(subject, launchOf(subject, { tender: choice.tender, command, env }))
        : notBooted(subject, choice, suits);
    reports.push(report);
    log.info(renderOutcome(report));
  }
  return reports;
}

/**
 * Boots the release in `directory` and fetches every page, with the default settings but for those given. Throws what
 * reading the release throws (RELEASE_INVALID, DIGEST_MISMATCH).
 */
export async function bootDirectory(
  directory: string,
  options: { readonly settings?: Partial<BootSettings>; readonly env?: NodeJS.ProcessEnv; readonly log?: Log } = {},
): Promise<readonly BootReport[]> {
  const { settings = {}, env = process.env, log = silentLog } = options;
  return bootRelease({
    release: await readRelease(resolve(directory)),
    settings: { ...DEFAULT_BOOT, ...settings },
    env,
    log,
  });
}

function thisMachine(env: NodeJS.ProcessEnv): Machine {
  const names: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64" };
  return {
    arch: names[arch()] ?? arch(),
    installed: (program) => findProgram(program, env.PATH) !== undefined,
    kvm: canOpenKvm(),
  };
}

/** Solo5's own tenders need a tap, which only root of some kind can make. */
async function withTap(choice: Choice, env: NodeJS.ProcessEnv): Promise<Choice> {
  if (choice.kind !== "boot" || !choice.tender.startsWith("solo5-")) return choice;
  const entry = await findEntry(env);
  if ("enter" in entry) return choice;
  return {
    kind: "skip",
    reason: entry.missing,
    hint: "run as root, or where sudo asks for no password (sudo -n true)",
  };
}

function canOpenKvm(): boolean {
  try {
    closeSync(openSync("/dev/kvm", "r+"));
    return true;
  } catch {
    return false;
  }
}

function subjectOf({ release, settings, secretSizes, log }: BootRequest, i: number, standIns: string): Subject {
  const { manifest, kernels, volumes } = release;
  const kernel = kernels[i] as Release["kernels"][number];
  const blocks = manifest.volumes.filter(isAttached).map((volume): Block => {
    const data = volumes.find(({ name }) => name === volume.name);
    const file = data ? resolve(data.file) : standIn(volume, standIns, secretSizes?.get(volume.name));
    return { volume: volume.name, device: volume.device, file };
  });
  const path = manifest.kernels[i]?.path ?? kernel.file;
  return {
    path,
    kernel,
    blocks,
    volumes,
    memory: settings.memory ?? manifest.launch.memory,
    production: manifest.launch.args,
    settings,
    onProgress: (what) => log.progress(`boot ${path}: ${what}`),
  };
}

function standIn(volume: ManifestVolume, directory: string, size: number | undefined): string {
  if (isDataVolume(volume))
    throw new DeployError("RELEASE_INVALID", `the release has no image for volume ${volume.name}`);
  const file = join(directory, `${volume.name}.img`);
  const known = (FORMAT_NAMES as readonly string[]).includes(volume.format);
  try {
    writeStandIn(file, known ? formatNamed(volume.format) : undefined, size);
  } catch (error) {
    // Made for an earlier kernel of the release.
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
  return file;
}

function wordsOf(command: BootSettings["command"]): readonly string[] | undefined {
  return typeof command === "string" ? splitWords(command) : command;
}

function launchOf(
  { kernel, blocks, memory, production, settings }: Subject,
  how: Pick<LaunchRequest, "tender" | "command" | "env">,
): LaunchRequest {
  const { target, devices } = kernel.info;
  const { args: template, port, accel } = settings;
  return {
    ...how,
    kernel: resolve(kernel.file),
    target,
    devices,
    memory,
    args: production,
    template,
    volumes: blocks,
    port,
    accel,
  };
}

function notBooted(subject: Subject, choice: Exclude<Choice, { kind: "boot" }>, suits: boolean): BootReport {
  const { reason, hint } = choice;
  return {
    kernel: subject.path,
    target: subject.kernel.info.target,
    outcome: choice.kind === "unsuitable" && !suits ? "failed" : "skipped",
    reason,
    ...(hint === undefined ? {} : { hint }),
    tender: null,
    accel: null,
    probe: subject.settings.probe.kind,
    memory: subject.memory,
    mismatched: 0,
    mismatches: [],
    console: [],
  };
}

function renderOutcome({ kernel, outcome, tender, reason, figures }: BootReport): string {
  if (outcome === "skipped") return `boot: ${kernel} SKIPPED: ${reason}`;
  if (outcome === "failed") return `boot: ${kernel} failed: ${reason}`;
  const pages = figures ? `, ${figures.pages} pages in ${formatDuration(figures.seconds * 1000)}` : "";
  return `boot: ${kernel} passed with ${tender}${pages}`;
}
