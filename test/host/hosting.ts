/** A host in a test: a deployment repository that releases go to, host.yml, and the shipped command line beside it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { findMarked } from "../../src/host/processes.ts";
import type { HostStatus } from "../../src/host/status.ts";
import { git, gitEnvironment, type Ran } from "../support/process.ts";
import { CLI, ROOT, runCli } from "../support/project.ts";
import { createBareRepository } from "../support/repository.ts";
import { type TempDir, tempDir, writeTree } from "../support/temp.ts";

export interface HostingOptions {
  /** Kernel file, copied to www.<target>. */
  readonly kernel: string;
  readonly target: string;
  readonly layout?: "image" | "files";
  /** Address of the deployment repository as the host sees it; its path if absent. */
  readonly address?: (repository: string) => string;
  /** Where the bare repository is made. */
  readonly repositories?: string;
  /** unikernel.yml, more than the defaults. */
  readonly config?: string;
}

export interface Deployed {
  readonly release: string;
  readonly commit: string;
  readonly sequence: number;
}

export interface Hosting extends AsyncDisposable {
  readonly directory: TempDir;
  readonly repository: string;
  /** host.yml's path. */
  readonly config: string;
  readonly state: string;
  readonly runtime: string;
  /** Writes host.yml. */
  configure(more: string): Promise<void>;
  /** Commits these files of the site, builds and deploys; `args` are the guest's. */
  deploy(files: Readonly<Record<string, string>>, options?: { args?: string[]; more?: string[] }): Promise<Deployed>;
  /** host VERB with host.yml. */
  host(verb: string, ...more: string[]): Promise<Ran>;
  status(): Promise<HostStatus>;
  up(...more: string[]): Up;
}

/** A host up that runs. */
export interface Up extends AsyncDisposable {
  readonly child: ChildProcess;
  /** The log so far. */
  log(): string;
  /** Waits for a line of the log after what was waited for before; fails after a while. */
  line(pattern: RegExp, milliseconds?: number): Promise<string>;
  /** Ends it with SIGTERM; its exit code. */
  stop(): Promise<number | null>;
}

/** A port that no outgoing connection of the machine is given, for a guest that comes and goes. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true));
    });
    await new Promise((resolve) => server.close(resolve));
    if (isFree) return port;
  }
}

/** Keeps a fetch from what some proxy remembers: the body, or undefined where nobody answers. */
export async function page(port: number, name = "/"): Promise<string | undefined> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}${name}`, { signal: AbortSignal.timeout(2000) });
    return response.ok ? await response.text() : `status ${response.status}`;
  } catch {
    return undefined;
  }
}

export async function hosting(options: HostingOptions): Promise<Hosting> {
  const directory = await tempDir("hosting");
  const source = directory.join("source");
  await mkdir(path.join(source, "site"), { recursive: true });
  await git(source, "init", "--quiet", "--initial-branch=main");
  const repository = await createBareRepository(options.repositories ?? directory.path, "deployment");
  const kernel = `www.${options.target}`;
  await writeFile(path.join(source, kernel), await readFile(options.kernel));
  const config = directory.join("host.yml");
  const address = options.address?.(repository) ?? repository;
  const self: Hosting = {
    directory,
    repository,
    config,
    state: directory.join("state"),
    runtime: directory.join("runtime"),
    async configure(more) {
      const head = `name: www\nrepository: ${JSON.stringify(address)}\ntarget: ${options.target}\nstate: state\nruntime: runtime\n`;
      await writeFile(config, `${head}${more}`);
    },
    async deploy(files, { args = [], more = [] } = {}) {
      await writeTree(path.join(source, "site"), files);
      const launch = `launch: {memory: 16, args: ${JSON.stringify(args)}}\n`;
      await writeFile(
        path.join(source, "unikernel.yml"),
        `name: www\nkernels: [${kernel}]\n${options.config ?? "volumes: {data: {from: site}}\n"}${launch}`,
      );
      await git(source, "add", "--all");
      await git(source, "commit", "--quiet", "--allow-empty", "--message=A change");
      const release = directory.join("release");
      must(await runCli(source, ["build", "--out", release]));
      const layout = options.layout ?? "image";
      const to = ["--release", release, "--repository", repository, "--layout", layout, ...more];
      const { stdout } = must(await runCli(source, ["deploy", ...to, "--json"]));
      const { manifest } = JSON.parse(stdout) as { manifest: { sequence?: number; source: { commit: string } } };
      const tip = await git(repository, "show", "main:manifest.json");
      const { sequence } = JSON.parse(tip) as { sequence: number };
      const { commit } = manifest.source;
      return { commit, sequence, release: `${sequence}-${commit.slice(0, 12)}` };
    },
    host: (verb, ...more) => runCli(directory.path, ["host", verb, "--config", config, ...more]),
    async status() {
      return JSON.parse(must(await self.host("status", "--json")).stdout) as HostStatus;
    },
    up: (...more) => up(process.execPath, [CLI, "host", "up", "--config", config, ...more], directory.path),
    async [Symbol.asyncDispose]() {
      for (const { pid } of findMarked("UNIKERNEL_DEPLOY_HOST_GUEST", `${self.state}:`)) process.kill(pid, "SIGKILL");
      await directory[Symbol.asyncDispose]();
    },
  };
  return self;
}

function must(ran: Ran): Ran {
  if (ran.code !== 0) throw new Error(`exit code ${ran.code}: ${ran.stderr}`);
  return ran;
}

export function up(program: string, args: readonly string[], cwd: string, env: Record<string, string> = {}): Up {
  const child = spawn(program, args, {
    cwd,
    env: gitEnvironment({ UNIKERNEL_DEPLOY_ACCEL: "tcg", ...env }),
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  let at = 0;
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    log += chunk;
  });
  const ended = once(child, "close");
  return {
    child,
    log: () => log,
    async line(pattern, milliseconds = 30_000) {
      for (const deadline = performance.now() + milliseconds; performance.now() < deadline; await delay(20)) {
        const found = pattern.exec(log.slice(at));
        if (found) {
          at += found.index + found[0].length;
          return found[0];
        }
        if (child.exitCode !== null || child.signalCode !== null) break;
      }
      throw new Error(`no line like ${pattern} in:\n${log}`);
    },
    async stop() {
      child.kill("SIGTERM");
      const [code] = await ended;
      return code as number | null;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      const killer = setTimeout(() => child.kill("SIGKILL"), 10_000);
      await ended;
      clearTimeout(killer);
    },
  };
}

export const VIRTIO = path.join(ROOT, "examples/kernel/site.virtio");
