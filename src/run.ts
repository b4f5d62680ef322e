/** Performs a plan: build, split, check, deploy. The only place where the stages meet. */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { VolumeArtifact } from "./artifact/artifact.ts";
import { copyKernel, findKernels } from "./artifact/kernels.ts";
import { readBack } from "./artifact/read-back.ts";
import { digestEntry } from "./artifact/scan-image.ts";
import { makeVolume } from "./artifact/volumes.ts";
import { runBuild } from "./build/build.ts";
import { readSource, type Source, uncommittedFiles } from "./build/source.ts";
import type { BootReport } from "./checks/boot/report.ts";
import { bootFindings } from "./checks/boot.ts";
import { type CheckSubject, type Finding, runChecks, type Severity } from "./checks/check.ts";
import { applyIgnores, IGNORE_RULE, passes } from "./checks/ignore.ts";
import { CHECK_IDS, CHECKS } from "./checks/index.ts";
import type { Destination, Published, PublishOptions } from "./destination/destination.ts";
import { DeployError } from "./errors.ts";
import type { Config } from "./inputs/schema.ts";
import { composeManifest } from "./manifest/compose.ts";
import type { ReleaseManifest } from "./manifest/schema.ts";
import type { Plan } from "./plan.ts";
import { isRegistryAddress } from "./registry/address.ts";
import { readReport, readRelease, REPORT_FILE, stageRelease, writeRelease } from "./release/directory.ts";
import type { Release } from "./release/release.ts";
import type { Comparison } from "./report/comparison.ts";
import { reportDocument } from "./report/document.ts";
import { MAX_REPORT, parseReport } from "./report/read-report.ts";
import type { RunResult } from "./report/result.ts";
import { renderRelease, renderVerdict } from "./report/text.ts";
import { openFile, tempDir } from "./util/files.ts";
import type { Log } from "./util/log.ts";
import { count, doneOf } from "./util/size.ts";

/** What a run needs from the outside. */
export interface Ports {
  readonly log: Log;
  /** What relative paths are relative to. */
  readonly directory: string;
  readonly env: NodeJS.ProcessEnv;
  /** Names and versions of the programs that made the release. */
  readonly tools: Readonly<Record<string, string>>;
  /** Needed by plans that deploy. */
  readonly destination?: Destination;
  readonly publish?: PublishOptions;
  /** Sets a release beside what is deployed before it; undefined where that cannot be read. */
  readonly compare?: (release: Release) => Promise<Comparison | undefined>;
}

export async function run(plan: Plan, config: Config, ports: Ports): Promise<RunResult> {
  const times: Record<string, number> = {};
  const timed = async <T>(stage: string, work: () => Promise<T>): Promise<T> => {
    const started = performance.now();
    try {
      return await work();
    } finally {
      times[stage] = performance.now() - started;
    }
  };
  const { release, directory, judged } =
    plan.release.kind === "build"
      ? await buildAndCheck(plan, plan.release.out, config, ports, timed)
      : await readAndCheck(plan, path.resolve(ports.directory, plan.release.directory), config, ports, timed);
  const { compare } = ports;
  const comparison = compare && (await timed("compare", () => compare(release)));
  let published: Published | undefined;
  if (plan.deploy && judged.passed) {
    const { destination, publish } = ports;
    if (!destination || !publish) throw new DeployError("USAGE", "a plan that deploys needs a destination");
    published = await timed("deploy", () => destination.publish(release, publish));
  }
  const manifest = published?.outcome === "deployed" ? published.manifest : release.manifest;
  return { manifest, directory, ...judged, published, comparison, reason: plan.reason, times };
}

type Timed = <T>(stage: string, work: () => Promise<T>) => Promise<T>;

interface Judged {
  readonly findings: readonly Finding[];
  readonly ignored: readonly Finding[];
  readonly boot?: readonly BootReport[];
  readonly passed: boolean;
}

interface Checked {
  readonly release: Release;
  readonly directory: string;
  readonly judged: Judged;
}

async function buildAndCheck(plan: Plan, out: string, config: Config, ports: Ports, timed: Timed): Promise<Checked> {
  const directory = path.resolve(ports.directory, out);
  using staging = stageRelease(directory);
  const source = await readSource(ports.directory, ports.env);
  const changed = await uncommittedFiles(ports.directory, ports.env);
  if (changed.length > 0) {
    const shown = changed.slice(0, 3).join(", ") + (changed.length > 3 ? ", …" : "");
    ports.log.info(`note: ${shown} differs from commit ${source.commit.slice(0, 12)}, which the release will name`);
  }
  const { build } = config;
  if (build !== undefined) {
    await timed("build", () =>
      runBuild(build, { cwd: ports.directory, env: buildEnvironment(ports.env), log: ports.log }),
    );
  }
  const release = await timed("split", () => split(staging.directory, source, config, ports));
  writeRelease(staging.directory, release);
  ports.log.info(renderRelease(release.manifest));
  const found = await timed("check", () =>
    check(release, config, {
      deployed: () => deployedNow(plan, ports),
      errorsOnly: false,
      rebuild: rebuilder(directory, source, config, ports),
    }),
  );
  const boot = plan.boot ? await timed("boot", () => bootKernels(release, config, ports)) : undefined;
  const judged = judge(found, boot, config);
  writeFileSync(path.join(staging.directory, REPORT_FILE), json(reportDocument(release.manifest, judged)));
  staging.commit();
  return { release: moved(release, staging.directory, directory), directory, judged };
}

async function readAndCheck(
  plan: Plan,
  directory: string,
  config: Config,
  ports: Ports,
  timed: Timed,
): Promise<Checked> {
  const release = await timed("read", () => readRelease(directory));
  ports.log.info(renderRelease(release.manifest));
  const errorsOnly = plan.deploy;
  if (errorsOnly) ports.log.info(buildsWord(release.manifest, directory));
  const deployed = () => deployedNow(plan, ports);
  const found = await timed("check", () => check(release, config, { deployed, errorsOnly }));
  const boot = plan.boot ? await timed("boot", () => bootKernels(release, config, ports)) : undefined;
  const judged = judge(found, boot, config);
  // A rule may cover what was not looked for.
  const findings = errorsOnly ? judged.findings.filter((finding) => finding.check !== IGNORE_RULE) : judged.findings;
  return { release, directory, judged: { ...judged, findings } };
}

/** What the build said of the release: warnings that the deploy does not look for again, for they would not stop it. */
function buildsWord({ name, source }: ReleaseManifest, directory: string): string {
  const text = readReport(directory, MAX_REPORT);
  const report = text === undefined ? undefined : parseReport(text);
  if (report?.commit !== source.commit || report.name !== name) return "no report of the build came with the release";
  return `its build reported ${renderVerdict(report.findings)}; looking again for what must not be deployed`;
}

/** The user's build sees what the user's job sees, but none of our inputs: they hold the token and the keys. */
function buildEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(
      ([name]) => !/^(?:INPUT_|UNIKERNEL_DEPLOY_|ACTIONS_RUNTIME_TOKEN|ACTIONS_ID_TOKEN)/.test(name),
    ),
  );
}

async function split(staging: string, source: Source, config: Config, ports: Ports): Promise<Release> {
  const { log } = ports;
  const files = await findKernels(config.kernels, ports.directory);
  const kernels = files.map((file) => copyKernel(file, path.join(staging, "kernels")));
  const volumes: VolumeArtifact[] = [];
  const entries = Object.entries(config.volumes);
  for (const [name, { from, format, size, secret }] of entries) {
    if (secret || from === undefined) continue;
    const spec = { name, from: path.resolve(ports.directory, from), format, size };
    const volume = await makeVolume(spec, path.join(staging, "volumes"), (written, total) => {
      log.progress(`volume ${name}: ${doneOf(written, total)}`);
    });
    if (volume.emptyDirectories.length > 0) {
      log.info(
        `volume ${name}: ${count(volume.emptyDirectories.length, "empty directory", "empty directories")} left out (no volume holds those)`,
      );
    }
    volumes.push(volume);
  }
  const manifest = composeManifest({
    name: config.name ?? nameFromKernel(files[0] as string),
    source,
    kernels,
    volumes,
    secrets: entries.flatMap(([name, { secret, format }]) => (secret ? [{ name, format }] : [])),
    devices: new Map(entries.flatMap(([name, { device }]) => (device === undefined ? [] : [[name, device]]))),
    launch: config.launch,
    tools: ports.tools,
    health: (await Promise.all(volumes.map(frontPage))).flat().slice(0, 1),
  });
  return { manifest, kernels, volumes };
}

/** The page a host can probe to see that a volume is served: its index.html. */
async function frontPage({ file, format }: VolumeArtifact): Promise<{ path: string; sha256: string }[]> {
  using source = openFile(file);
  for (const entry of format.list(source)) {
    if (entry.path === "index.html") return [{ path: "/", sha256: (await digestEntry(source, entry)).sha256 }];
  }
  return [];
}

/** dist/www.hvt is a kernel of "www". */
function nameFromKernel(file: string): string {
  return path
    .basename(file)
    .replace(/\..*$/, "")
    .replace(/[^A-Za-z0-9_-]/g, "-")
    .slice(0, 63);
}

/** Runs what was built. Nothing else here does. */
async function bootKernels(
  release: Release,
  { checks, volumes }: Config,
  { env, log }: Ports,
): Promise<readonly BootReport[]> {
  if (checks.boot === undefined) return [];
  const sizes = Object.entries(volumes).flatMap(([name, { size }]): [string, number][] =>
    size === undefined ? [] : [[name, size]],
  );
  const { bootRelease } = await import("./checks/boot/boot-release.ts");
  return bootRelease({ release, settings: checks.boot, secretSizes: new Map(sizes), env, log });
}

function judge(found: readonly Finding[], boot: readonly BootReport[] | undefined, { checks }: Config): Judged {
  const booted = boot ? bootFindings(boot, checks.boot?.required ?? false) : [];
  const { findings, ignored } = applyIgnores([...found, ...booted], checks.ignore, CHECK_IDS);
  return { findings, ignored, ...(boot ? { boot } : {}), passed: passes(findings) };
}

/** What the destination has now; unknown where nothing is deployed, or where it cannot be asked, as publishing will say. */
async function deployedNow(plan: Plan, { destination }: Ports): Promise<ReleaseManifest | undefined> {
  if (!plan.deploy) return undefined;
  return destination?.deployed().catch(() => undefined);
}

/** Builds once more, into a directory beside `out`; the source's own directory is the same, as its caches may be. */
function rebuilder(out: string, source: Source, config: Config, ports: Ports): CheckSubject["rebuild"] {
  const { build } = config;
  if (build === undefined) return undefined;
  return async () => {
    const options = { cwd: ports.directory, env: buildEnvironment(ports.env), log: ports.log };
    const clean = config.checks.reproducible?.clean;
    if (clean !== undefined) await runBuild(clean, options);
    await runBuild(build, options);
    const directory = tempDir(".rebuild", path.dirname(out));
    try {
      for (const room of ["kernels", "volumes"]) mkdirSync(path.join(directory.path, room));
      const release = await split(directory.path, source, config, ports);
      return { ...release, [Symbol.dispose]: () => directory[Symbol.dispose]() };
    } catch (error) {
      directory[Symbol.dispose]();
      throw error;
    }
  };
}

type Surroundings = Pick<CheckSubject, "deployed" | "errorsOnly"> & {
  readonly rebuild?: CheckSubject["rebuild"] | undefined;
};

async function check(
  release: Release,
  config: Config,
  { rebuild, ...surroundings }: Surroundings,
): Promise<readonly Finding[]> {
  const { checks } = config;
  const subject: CheckSubject = {
    release,
    ...surroundings,
    limits: { maxKernelSize: checks["max-kernel-size"], maxImageSize: checks["max-image-size"] },
    registry: isRegistryAddress(config.deploy.repository ?? ""),
    runnable: config.deploy.runnable,
    async readBack(name) {
      const volume = release.volumes.find((candidate) => candidate.name === name);
      if (!volume) throw new Error(`no volume ${name}`);
      return readBack(volume.file, volume.format);
    },
    open: openFile,
    settings: (id) => settingsOf(checks, id),
    ...(rebuild === undefined ? {} : { rebuild }),
  };
  return runChecks(CHECKS, subject, { severities: severities(checks) });
}

function settingsOf(checks: Config["checks"], id: string): Readonly<Record<string, unknown>> {
  const settings = (checks as Readonly<Record<string, unknown>>)[id];
  return typeof settings === "object" && settings !== null ? (settings as Record<string, unknown>) : {};
}

function severities(checks: Config["checks"]): ReadonlyMap<string, Severity | "off"> {
  const chosen = CHECKS.flatMap(({ id }): [string, Severity | "off"][] => {
    const { severity } = settingsOf(checks, id);
    return typeof severity === "string" ? [[id, severity as Severity | "off"]] : [];
  });
  return new Map(chosen);
}

/** The same release after its directory has moved. */
function moved(release: Release, from: string, to: string): Release {
  const place = (file: string) => path.join(to, path.relative(from, file));
  return {
    manifest: release.manifest,
    kernels: release.kernels.map((kernel) => ({ ...kernel, file: place(kernel.file) })),
    volumes: release.volumes.map((volume) => ({ ...volume, file: place(volume.file) })),
  };
}

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
