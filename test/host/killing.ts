/**
 * Kills the supervisor in each phase of a new release's way to current, and looks at what it leaves: nothing half made that
 * can be seen, at most one guest, the secret nowhere but in its place. Then lets it go on. As a soak test:
 *
 *     npm run soak -- host-kill [DEPLOYS]        30 by default: 300 kills
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { findMarked } from "../../src/host/processes.ts";
import { parseManifest } from "../../src/manifest/manifest.ts";
import { isDataVolume } from "../../src/manifest/schema.ts";
import { gitEnvironment, run } from "../support/process.ts";
import { ROOT } from "../support/project.ts";
import { tempDir } from "../support/temp.ts";
import { freePort, type Hosting, hosting, page, up } from "./hosting.ts";

/** In the order of a release's way; the longest random wait after entering each (milliseconds). */
const PLAN = [
  ["fetch", 80],
  ["verify", 10],
  ["assemble", 60],
  ["assemble", 0],
  ["stop", 8],
  ["launch", 0],
  ["probe", 0],
  ["probe", 5],
  ["switch", 0],
  ["collect", 0],
] as const;

const KILLABLE = path.join(import.meta.dirname, "killable.ts");
const SECRET = "the-key-that-is-nobody's-business";
/** Killed long before; or it hangs, which is a failure too (milliseconds). */
const PATIENCE = 60_000;

export interface Kill {
  readonly wanted: string;
  /** The phase it was in when it was killed. */
  readonly phase: string;
  /** What was wrong afterwards. */
  readonly problems: readonly string[];
}

export interface Killing {
  readonly kills: readonly Kill[];
  /** For each deploy: what did not converge. */
  readonly problems: readonly string[];
}

export async function killRuns(deploys: number, onKill: (kill: Kill) => void = () => {}): Promise<Killing> {
  await using dir = await tempDir("kernel");
  execFileSync("sh", [path.join(ROOT, "examples/unix-kernel/build.sh"), dir.path]);
  await using host = await hosting({
    kernel: dir.join("site-server"),
    target: "unix",
    layout: "files",
    config: "volumes: {data: {from: site, device: storage}, tls: {secret: true, format: tar}}\n",
  });
  const port = await freePort();
  await mkdir(host.directory.join("tls"));
  await writeFile(host.directory.join("tls/server.key"), `${SECRET}\n`);
  await host.configure(
    `secrets: {tls: {from: tls}}\nlaunch: {args: ["{image:data}", "--port=${port}"]}\n` +
      `health: {url: "http://127.0.0.1:${port}/", timeout: 10s}\npoll: 1s\n`,
  );
  const kills: Kill[] = [];
  const problems: string[] = [];
  const random = generator(20_261);
  let old = "";
  // The first release has nothing to take the place of.
  for (let n = 0; n <= deploys; n++) {
    const files = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`p/${i}.html`, `${n} ${i}\n`.repeat(500)]));
    const { release } = await host.deploy({ "index.html": `${n}\n`, ...files });
    for (const [wanted, longest] of n === 0 ? [] : PLAN) {
      const kill = await killOnce(host, wanted, Math.floor(random() * (longest + 1)), [old, release]);
      kills.push(kill);
      onKill(kill);
    }
    problems.push(...(await converge(host, port, release, `${n}\n`)));
    old = release;
  }
  for (const { pid } of guestsOf(host)) process.kill(pid, "SIGKILL");
  return { kills, problems };
}

async function killOnce(host: Hosting, wanted: string, wait: number, allowed: readonly string[]): Promise<Kill> {
  const args = [KILLABLE, host.config, wanted, String(wait)];
  const ran = await run(process.execPath, args, {
    cwd: host.directory.path,
    env: gitEnvironment(),
    timeoutMs: PATIENCE,
  });
  const phase = ran.stdout.trim() || "none";
  const problems = ran.code === null ? [] : [`it ended with ${ran.code}: ${ran.stderr}`];
  return { wanted, phase, problems: [...problems, ...look(host, allowed)] };
}

const guestsOf = (host: Hosting) => findMarked("UNIKERNEL_DEPLOY_HOST_GUEST", `${host.state}:`);

/** What is wrong with what can be seen. */
function look(host: Hosting, allowed: readonly string[]): string[] {
  const problems: string[] = [];
  const guests = guestsOf(host);
  if (guests.length > 1) problems.push(`${guests.length} guests`);
  for (const { value } of guests) {
    const release = value.slice(value.lastIndexOf(":") + 1);
    if (!allowed.includes(release)) problems.push(`a guest of ${release}`);
  }
  const releases = path.join(host.state, "releases");
  for (const name of existsSync(releases) ? readdirSync(releases) : []) {
    if (!name.startsWith(".")) problems.push(...lookAtRelease(path.join(releases, name)));
  }
  const current = path.join(host.state, "current");
  const link = statSync(current, { throwIfNoEntry: false });
  if (existsSync(releases) && allowed[0] !== "" && link === undefined) problems.push("no current release");
  for (const file of filesBelow(host.directory.path)) {
    const place = path.relative(host.directory.path, file);
    if (/^(?:tls|source|release|deployment\.git)\//.test(place)) continue;
    const isSecret = contentOf(file).includes(SECRET);
    if (isSecret && !place.startsWith("runtime/secrets/")) problems.push(`the secret is in ${place}`);
    if (isSecret && (statSync(file).mode & 0o777) !== 0o600) problems.push(`${place} has not mode 0600`);
  }
  return problems;
}

function lookAtRelease(directory: string): string[] {
  const manifest = parseManifest(readFileSync(path.join(directory, "manifest.json")), directory);
  return manifest.volumes.filter(isDataVolume).flatMap(({ name, sha256 }) => {
    const image = path.join(directory, "volumes", `${name}.img`);
    const digest = createHash("sha256").update(readFileSync(image)).digest("hex");
    return digest === sha256 ? [] : [`${image} is not whole`];
  });
}

/** A git that outlives us for a moment still makes files and takes them away. */
function contentOf(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch {
    return Buffer.alloc(0);
  }
}

function filesBelow(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
      const file = path.join(directory, entry.name);
      if (entry.isDirectory()) return filesBelow(file);
      return entry.isFile() ? [file] : [];
    });
  } catch {
    return [];
  }
}

/** Lets it run until the new release serves. */
async function converge(host: Hosting, port: number, release: string, content: string): Promise<string[]> {
  const again = up(process.execPath, [KILLABLE, host.config, "never", "0"], host.directory.path);
  try {
    for (const deadline = performance.now() + PATIENCE; performance.now() < deadline; await delay(100)) {
      const status = await host.status();
      if (status.current !== release || status.staged !== null || (await page(port)) !== content) continue;
      const problems = look(host, [release]);
      if (guestsOf(host).length !== 1) problems.push(`${guestsOf(host).length} guests at the end`);
      return problems;
    }
    return [`${release} never became current:\n${again.log()}`];
  } finally {
    // As a machine that loses its supervisor: the guest serves on.
    again.child.kill("SIGKILL");
    await new Promise((resolve) => void again.child.once("close", resolve));
  }
}

function generator(seed: number): () => number {
  let x = seed;
  return () => {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) | 0;
    return (x >>> 0) / 2 ** 32;
  };
}

/** The table: how many kills in each phase, and how many left something wrong. */
export function table(kills: readonly Kill[]): string {
  const phases = [...new Set(kills.map(({ phase }) => phase))];
  const rows = phases.map((phase) => {
    const those = kills.filter((kill) => kill.phase === phase);
    const wrong = those.filter(({ problems }) => problems.length > 0).length;
    return `${phase.padEnd(10)} ${String(those.length).padStart(5)} ${String(wrong).padStart(6)}`;
  });
  return ["phase      kills  wrong", ...rows, `all        ${String(kills.length).padStart(5)}`].join("\n");
}

export async function soak(deploys: number): Promise<boolean> {
  const { kills, problems } = await killRuns(deploys, ({ wanted, phase, problems: wrong }) => {
    process.stdout.write(`${wanted} -> ${phase}${wrong.length > 0 ? `: ${wrong.join("; ")}` : ""}\n`);
  });
  process.stdout.write(`${table(kills)}\n${problems.join("\n")}\n`);
  return problems.length === 0 && kills.every(({ problems: wrong }) => wrong.length === 0);
}
