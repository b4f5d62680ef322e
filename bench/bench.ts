/**
 * Benchmarks a user can run; `npm run bench -- --help` names them. Prints medians and the ratios of ours to each peer (only
 * those with TEXT in their names, where given), from the same run.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { type DeployResult, deployBench } from "./deploy.ts";
import { deployTargets, renderDeploy } from "./deploy-report.ts";
import { hostBench } from "./host.ts";
import { type Measured, measure } from "./measure.ts";
import { CACHE, DOCUMENTATION, SITES, siteNamed } from "./sites.ts";
import { type Comparison, imageComparisons, inspectComparison, startComparison } from "./subjects.ts";

const USAGE = `usage: npm run bench -- image|start|inspect [SITE...] [--peer TEXT]... [--runs N] [--json]
       npm run bench -- deploy|host [SITE...] [--history 1,200] [--peer-runs N] [--peer TEXT]... [--runs N] [--json]

image    making a volume's image and its digest
start    how long the program takes until it does what it was asked for
inspect  reading an image that somebody else made
deploy   bringing one changed page to the branch, beside what others do (installed from npm into the cache)
host     bringing one changed page from the branch to the host

sites: ${SITES.join(", ")}; for deploy and host also a directory
--runs N       how often each is measured (default: 7)
--peer-runs N  how often peers are that take their time (default: 3)
--history LIST how many commits the branch has before (default: 1,200)
--peer TEXT    only peers with this in their names
--limit N      seconds after which what is compared in image, start and inspect is stopped (default: 120)
--json         one JSON document
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: "string", default: "7" },
    "peer-runs": { type: "string", default: "3" },
    history: { type: "string", default: "1,200" },
    peer: { type: "string", multiple: true, default: [""] },
    limit: { type: "string", default: "120" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const [bench, ...named] = positionals;
const runs = Number(values.runs);
const peerRuns = Number(values["peer-runs"]);
const limit = Number(values.limit);
const histories = values.history.split(",").map(Number);
const BENCHES = ["image", "start", "inspect", "deploy", "host"];

interface Result {
  readonly title: string;
  readonly subjects: readonly Measured[];
}

async function main(): Promise<void> {
  if (values.help) return void process.stdout.write(USAGE);
  const isWrong = [runs, peerRuns, limit, ...histories].some((number) => !Number.isInteger(number) || number < 1);
  if (bench === undefined || !BENCHES.includes(bench) || isWrong) {
    process.stderr.write(USAGE);
    process.exitCode = 2;
    return;
  }
  // A long run shall not end at the last site, for a name that is wrong.
  const takesDirectories = bench === "deploy" || bench === "host";
  const unknown = named.filter((name) => !SITES.includes(name) && !(takesDirectories && isDirectory(name)));
  if (unknown.length > 0) {
    process.stderr.write(`no such site: ${unknown.join(", ")}\n\n${USAGE}`);
    process.exitCode = 2;
    return;
  }
  const machine = describeMachine();
  if (!values.json) process.stdout.write(`${renderMachine(machine)}\n`);
  if (bench === "deploy" || bench === "host") return deployOrHost(bench, machine);
  const results: Result[] = [];
  const out = bench === "start" ? undefined : mkdtempSync(path.join(siteDirectory(), "out-"));
  try {
    for (const { comparison, cwd, keeps } of comparisons(bench, out ?? "")) {
      const onRun = (round: number, name: string) => progress(`${round}/${runs} ${name}`);
      const chosen = comparison.subjects.filter(
        ({ name }, i) => i === 0 || values.peer.some((text) => name.includes(text)),
      );
      if (chosen.length < 2) continue;
      // Everybody finds as little as on a new runner, and gets the memory of the image before it.
      const prepare = () => out === undefined || emptyDirectory(out, keeps);
      const subjects = measure(chosen, { runs, cwd, limit, prepare, onRun });
      progress("");
      results.push({ title: comparison.title, subjects });
      if (!values.json) process.stdout.write(`\n${renderTable(comparison.title, subjects)}\n`);
    }
  } finally {
    if (out !== undefined) rmSync(out, { recursive: true, force: true });
  }
  if (values.json) process.stdout.write(`${JSON.stringify({ machine, runs, results }, null, 2)}\n`);
}

async function deployOrHost(which: "deploy" | "host", machine: object): Promise<void> {
  const options = { sites: named.length > 0 ? named : DOCUMENTATION, runs, peerRuns, histories, peers: values.peer };
  const results: DeployResult[] = [];
  for await (const result of (which === "deploy" ? deployBench : hostBench)({ ...options, onProgress: progress })) {
    progress("");
    results.push(result);
    if (!values.json) process.stdout.write(`\n${renderDeploy(which, result)}\n`);
  }
  const targets = which === "deploy" ? deployTargets(results) : [];
  if (values.json) process.stdout.write(`${JSON.stringify({ machine, results, targets }, null, 2)}\n`);
  else if (targets.length > 0) process.stdout.write(`\n${targets.join("\n")}\n`);
}

function isDirectory(name: string): boolean {
  return name.includes("/") && (statSync(name, { throwIfNoEntry: false })?.isDirectory() ?? false);
}

function progress(what: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${what}`);
}

interface Turn {
  readonly comparison: Comparison;
  readonly cwd: string;
  /** The file of `out` that subjects read. */
  readonly keeps?: string;
}

/** One after the other: a site is fetched when its turn comes. */
function* comparisons(kind: string, out: string): Generator<Turn> {
  if (kind === "start") return yield { comparison: startComparison(), cwd: process.cwd() };
  for (const name of named.length > 0 ? named : SITES) {
    const cwd = siteNamed(name);
    const keeps = "image";
    if (kind === "inspect") yield { comparison: inspectComparison(cwd, path.join(out, keeps)), cwd, keeps };
    else for (const comparison of imageComparisons(name, cwd, out)) yield { comparison, cwd };
  }
}

function emptyDirectory(directory: string, but: string | undefined): void {
  for (const name of readdirSync(directory)) if (name !== but) rmSync(path.join(directory, name));
}

function siteDirectory(): string {
  siteNamed(named[0] ?? (SITES[0] as string));
  return CACHE;
}

function describeMachine() {
  const [cpu] = cpus();
  const version = (program: string) =>
    spawnSync(program, ["--version"], { encoding: "utf8" }).stdout?.split("\n")[0] ?? "not installed";
  return {
    date: new Date().toISOString().slice(0, 10),
    command: `npm run bench -- ${process.argv.slice(2).join(" ")}`,
    processors: `${cpus().length} x ${cpu?.model.trim() ?? "unknown"}`,
    load: loadavg()
      .map((load) => load.toFixed(1))
      .join(" "),
    memory: `${Math.round(totalmem() / 1024 ** 3)} GiB`,
    system: `Linux ${release()}`,
    node: process.version,
    git: version("git"),
    tar: version("tar"),
    sha256sum: version("sha256sum"),
  };
}

function renderMachine(machine: Readonly<Record<string, string>>): string {
  return Object.entries(machine)
    .map(([name, value]) => `${name}: ${value}`)
    .join("\n");
}

function renderTable(title: string, subjects: readonly Measured[]): string {
  const ours = subjects[0] as Measured;
  const lines = subjects.map(({ name, wall, cpu, best, memory, stopped }, i) => {
    const numbers = [wall, best, cpu].map(
      (seconds) => (stopped ? "over " : "") + (seconds < 1 ? seconds.toFixed(3) : seconds.toFixed(2)),
    );
    const ratio = (mine: number, theirs: number) =>
      i === 0 || ours.stopped ? "" : (stopped ? "under " : "") + (mine / theirs).toFixed(2);
    const cells = [
      ...numbers,
      ratio(ours.wall, wall),
      ratio(ours.cpu, cpu),
      memory === undefined ? "" : memory.toFixed(0),
    ];
    return `| ${name.replaceAll("|", "\\|")} | ${cells.join(" | ")} |`;
  });
  const head = "| | wall s | best s | CPU s | ours / its wall | ours / its CPU | peak MB |";
  return [`### ${title}`, "", head, "| --- | ---: | ---: | ---: | ---: | ---: | ---: |", ...lines].join("\n");
}

await main();
