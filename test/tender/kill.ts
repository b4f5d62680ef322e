/**
 * Kills the program while it boots a guest, in each phase, by each signal, with each kind of tender, and looks for what
 * stays behind. In the test suite a few times; as a soak test:
 *
 *     npm run soak -- kill [RUNS]        60 by default: 15 in each phase
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import path, { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { encodeManifest } from "../../src/manifest/manifest.ts";
import { writeRelease } from "../../src/release/directory.ts";
import { findEntry } from "../../src/tender/netns.ts";
import { noise, unixKernel, VIRTIO } from "../boot/booting.ts";
import { buildRelease } from "../support/release.ts";
import { type TempDir, tempDir } from "../support/temp.ts";
import { spt, standIns } from "./solo5.ts";

const PHASES = ["preparing", "booting", "fetching", "tearing down"] as const;
const SIGNALS = ["SIGKILL", "SIGTERM", "SIGKILL", "SIGINT"] as const;
type Phase = (typeof PHASES)[number];

export interface KillRow {
  readonly phase: Phase;
  readonly tender: string;
  readonly signal: NodeJS.Signals;
  /** Milliseconds until nothing was left; undefined when something was, 5 seconds later. */
  readonly gone: number | undefined;
  readonly left: readonly string[];
}

/** Nothing of a killed run may be there after this long (milliseconds). */
const PATIENCE = 5000;

/** Runs that many, going round phases, tenders and signals. */
export async function killRuns(runs: number, onRow: (row: KillRow) => void = () => {}): Promise<KillRow[]> {
  await using dir = await tempDir("kill");
  const subjects = await prepare(dir);
  const rows: KillRow[] = [];
  for (let i = 0; i < runs; i++) {
    const phase = PHASES[i % PHASES.length] as Phase;
    const round = Math.floor(i / PHASES.length);
    const subject = subjects[round % subjects.length] as Subject;
    const signal = SIGNALS[(round + i) % SIGNALS.length] as NodeJS.Signals;
    const row = await killOnce(dir.join(`tmp-${i}`), subject, phase, signal, round);
    rows.push(row);
    onRow(row);
  }
  return rows;
}

interface Subject {
  readonly tender: string;
  readonly release: string;
  readonly env: NodeJS.ProcessEnv;
}

/** A site that takes a moment to fetch, once for each tender that runs here. */
async function prepare(dir: TempDir): Promise<Subject[]> {
  const pages = Array.from({ length: 200 }, (_, i) => [`page-${i}.html`, noise(20_000 + i)] as const);
  const site = { "index.html": "home\n", ...Object.fromEntries(pages), "film.bin": noise(12_000_000) };
  const env = { ...process.env, PATH: `${standIns(dir.path)}:${process.env["PATH"]}`, UNIKERNEL_DEPLOY_ACCEL: "tcg" };
  const kernels: Record<string, Uint8Array> = { qemu: VIRTIO, unix: await unixKernel() };
  if ("enter" in (await findEntry(process.env))) kernels["solo5-spt"] = spt();
  const subjects: Subject[] = [];
  for (const [tender, kernel] of Object.entries(kernels)) {
    const directory = dir.join(tender);
    const spec = { kernels: { "www.kernel": kernel }, sites: { data: site }, devices: { data: "storage" }, memory: 16 };
    const release = await buildRelease(directory, spec);
    writeRelease(directory, release);
    writeFileSync(join(directory, "manifest.json"), encodeManifest(release.manifest));
    subjects.push({ tender, release: directory, env });
  }
  return subjects;
}

/** The command line, as it is on a terminal: it then tells its phases. */
const AS_ON_A_TERMINAL =
  'data:text/javascript,globalThis.__VERSION__="0";process.stderr.isTTY=true;process.stderr.columns=200';

async function killOnce(
  tmp: string,
  subject: Subject,
  phase: Phase,
  signal: NodeJS.Signals,
  round: number,
): Promise<KillRow> {
  const { tender, release, env } = subject;
  const before = taps();
  mkdirSync(tmp);
  const cli = join(import.meta.dirname, "../../src/cli.ts");
  const argv = ["--import", AS_ON_A_TERMINAL, cli, "check", "--release", release, "--boot", tender];
  const child = spawn(process.execPath, argv, { env: { ...env, TMPDIR: tmp }, stdio: ["ignore", "ignore", "pipe"] });
  const closed = once(child, "close");
  await reached(child, phase);
  // Later in the phase from round to round: the first moments of each are the delicate ones.
  await delay([0, 1, 3, 7, 15][round % 5]);
  child.kill(signal);
  await closed;
  const started = performance.now();
  let left = leftovers(tmp, before);
  while (left.length > 0 && performance.now() - started < PATIENCE) {
    await delay(20);
    left = leftovers(tmp, before);
  }
  return { phase, tender, signal, left, gone: left.length > 0 ? undefined : Math.round(performance.now() - started) };
}

function reached(child: ChildProcess, phase: Phase): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes(`: ${phase}`)) resolve();
    });
    child.once("close", () => reject(new Error(`ended before it was ${phase}:\n${said}`)));
  });
}

/** Taps of the host, which a run may not add to. */
function taps(): ReadonlySet<string> {
  return new Set(readdirSync("/sys/class/net").filter((name) => name.startsWith("tap")));
}

function leftovers(tmp: string, before: ReadonlySet<string>): string[] {
  const files = readdirSync(tmp).map((name) => `file ${name}`);
  const interfaces = [...taps()].filter((name) => !before.has(name)).map((name) => `interface ${name}`);
  const loops = readdirSync("/sys/block").filter((name) => backingFile(name).startsWith(path.dirname(tmp)));
  return [...files, ...interfaces, ...loops.map((name) => `loop device ${name}`), ...processesOf(tmp)];
}

function backingFile(device: string): string {
  try {
    return readFileSync(`/sys/block/${device}/loop/backing_file`, "utf8");
  } catch {
    return "";
  }
}

/** Processes that have the run's directory in their command line, environment or as their working directory. */
function processesOf(tmp: string): string[] {
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
      const environment = readFileSync(`/proc/${pid}/environ`, "latin1");
      if (![command, environment, readlinkSync(`/proc/${pid}/cwd`)].some((text) => text.includes(tmp))) return [];
      return [`process ${pid}: ${command.slice(0, 80)}`];
    } catch {
      return [];
    }
  });
}

/** The rows summed up by phase, as a table. */
export function renderTable(rows: readonly KillRow[]): string {
  const lines = PHASES.map((phase) => {
    const members = rows.filter((row) => row.phase === phase);
    const killed = members.filter(({ signal }) => signal === "SIGKILL").length;
    const slowest = Math.max(0, ...members.map(({ gone }) => gone ?? Infinity));
    const dirty = members.filter(({ left }) => left.length > 0).length;
    return [phase, members.length, killed, `${slowest} ms`, dirty];
  });
  const head = ["phase", "runs", "of these by SIGKILL", "slowest until gone", "left something"];
  return [head, ...lines]
    .map((cells) =>
      cells
        .map((cell) => String(cell).padEnd(20))
        .join("")
        .trimEnd(),
    )
    .join("\n");
}

/** Runs that many, prints each and the table; whether nothing stayed behind. */
export async function soak(runs: number): Promise<boolean> {
  const rows = await killRuns(runs, ({ phase, tender, signal, gone, left }) => {
    const outcome = gone === undefined ? left.join("; ") : `${gone} ms`;
    process.stdout.write(`${phase.padEnd(14)}${tender.padEnd(11)}${signal.padEnd(9)}${outcome}\n`);
  });
  process.stdout.write(`\n${renderTable(rows)}\n`);
  return rows.every(({ left }) => left.length === 0);
}
