/**
 * `npm run guard`: whether a few key paths cost more than when they were last recorded. Warns past 15 %, never fails: a
 * machine is not what it was, and a reader decides. `--record` writes down what is measured now.
 *
 * Counts instructions where the processor lets us; elsewhere CPU time, as a ratio to a loop of arithmetic that was
 * timed in between, so that a slower machine is not taken for slower code.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { median } from "./measure.ts";

const CLI = path.join(import.meta.dirname, "..", "dist", "cli.js");
const RECORDED = path.join(import.meta.dirname, "recorded.json");
const TOLERANCE = 1.15;
const RUNS = 9;

type Unit = "instructions" | "loops";

interface Recorded {
  readonly node: string;
  /** By unit, then by path: what a run cost. */
  readonly costs: Partial<Record<Unit, Readonly<Record<string, number>>>>;
}

function main(): void {
  const directory = mkdtempSync(path.join(tmpdir(), "unikernel-deploy-guard-"));
  try {
    const unit: Unit = instructions(["-e", "0"]) === undefined ? "loops" : "instructions";
    const costs = measurePaths(unit, keyPaths(directory));
    const recorded = readRecorded();
    if (process.argv.includes("--record")) {
      const all: Recorded = { node: process.version, costs: { ...recorded.costs, [unit]: costs } };
      writeFileSync(RECORDED, `${JSON.stringify(all, null, 2)}\n`);
    }
    compare(unit, costs, recorded);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Arguments of node, by the name of the path: the start, an image of small and large files, an image read again. */
function keyPaths(directory: string): Readonly<Record<string, readonly string[]>> {
  const site = path.join(directory, "site");
  for (let n = 0; n < 3000; n++) {
    const folder = path.join(site, `section-${n % 60}`);
    if (n < 60) mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, `page-${n}.html`), Buffer.alloc(1000 + (n % 7) * 2000, n));
  }
  writeFileSync(path.join(site, "video.bin"), Buffer.alloc(24 * 1024 * 1024, 7));
  const image = path.join(directory, "site.img");
  return {
    "cli --version": [CLI, "--version"],
    "image create": [CLI, "image", "create", "--from", site, "--out", image],
    inspect: [CLI, "inspect", "--json", image],
  };
}

function measurePaths(unit: Unit, paths: ReturnType<typeof keyPaths>): Record<string, number> {
  const costs: Record<string, number[]> = {};
  for (let run = 0; run < RUNS; run++) {
    const loop = unit === "loops" ? cpuSeconds(["-e", LOOP]) : 1;
    for (const [name, args] of Object.entries(paths)) {
      const cost = unit === "loops" ? cpuSeconds(args) / loop : (instructions(args) ?? Number.NaN);
      (costs[name] ??= []).push(cost);
    }
  }
  const digits = unit === "loops" ? 1000 : 1;
  return Object.fromEntries(
    Object.entries(costs).map(([name, all]) => [name, Math.round(median(all) * digits) / digits]),
  );
}

/** Arithmetic of some tenths of a second. */
const LOOP =
  "let x = 1; for (let i = 0; i < 1e8; i++) x = (Math.imul(x, 1103515245) + 12345) | 0; process.exitCode = x & 0";

/** Instructions in user mode; undefined where there is no `perf`, or a virtual machine without counters. */
function instructions(args: readonly string[]): number | undefined {
  const command = ["stat", "-x,", "-e", "instructions:u", process.execPath, ...args];
  const { status, stderr } = spawnSync("perf", command, { encoding: "utf8" });
  const count = /^(\d+),[^\n]*instructions/m.exec(stderr ?? "")?.[1];
  return status === 0 && count !== undefined ? Number(count) : undefined;
}

function cpuSeconds(args: readonly string[]): number {
  const script = `TIMEFORMAT='%U %S'; time "$@" >/dev/null 2>&1`;
  const { stderr } = spawnSync("bash", ["-c", script, "bash", process.execPath, ...args], { encoding: "utf8" });
  const [user, system] = stderr.trim().split(" ").map(Number) as [number, number];
  return user + system;
}

function readRecorded(): Recorded {
  try {
    return JSON.parse(readFileSync(RECORDED, "utf8")) as Recorded;
  } catch {
    return { node: process.version, costs: {} };
  }
}

function compare(unit: Unit, costs: Readonly<Record<string, number>>, recorded: Recorded): void {
  for (const [name, cost] of Object.entries(costs)) {
    const before = recorded.costs[unit]?.[name];
    const change = before === undefined ? "not recorded" : `${(cost / before).toFixed(2)} of what was recorded`;
    process.stdout.write(`${name}: ${cost.toLocaleString("en")} ${unit}, ${change}\n`);
    if (before === undefined || cost <= before * TOLERANCE) continue;
    const warning = `${name} costs ${(cost / before).toFixed(2)} times the ${unit} that were recorded with node ${recorded.node}`;
    process.stdout.write(
      process.env["GITHUB_ACTIONS"] === "true" ? `::warning::${warning}\n` : `warning: ${warning}\n`,
    );
  }
}

main();
