/**
 * Sites that are larger than memory: what deploy and sync take for them. As a soak test, which needs six times their size on
 * the disk of the temporary directory:
 *
 *     npm run soak -- deploy-big [GIGABYTES]        5 by default, in 40 files, and 2 in one file
 */
import { spawn } from "node:child_process";
import { createCipheriv } from "node:crypto";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import path from "node:path";
import { solo5Kernel } from "../support/elf.ts";
import { gitServer } from "../support/git-server.ts";
import { git, gitEnvironment } from "../support/process.ts";
import { CLI } from "../support/project.ts";
import { tempDir } from "../support/temp.ts";

export interface BigSite {
  readonly name: string;
  readonly files: number;
  /** Bytes of each file. */
  readonly size: number;
  /** Noise; noise and text of few letters in turns; a page of noise again and again, which is soon packed. */
  readonly content: "noise" | "mixed" | "repeated";
}

export interface Taken {
  readonly what: string;
  readonly seconds: number;
  /** Bytes of resident memory that the largest process had: node's, or one of git's that it started. */
  readonly memory: number;
}

/** Bytes that no process may exceed. */
export const MOST = 250e6;

/** Builds the site, deploys it, syncs a host with it, and does both again after a file more. */
export async function heave(
  site: BigSite,
  layout: "image" | "files",
  onTaken: (taken: Taken) => void,
): Promise<Taken[]> {
  await using directory = await tempDir("big");
  await using server = await gitServer({ token: "token", anonymousRead: true });
  const repository = await server.createRepository("www");
  // Looking for deltas among noise would take the server a quarter of an hour for each site, and is nothing of ours.
  await git(repository, "config", "pack.window", "0");
  const source = directory.join("source");
  const host = directory.join("host");
  const pages = path.join(source, "site");
  for (const made of [pages, host, directory.join("tmp")]) mkdirSync(made, { recursive: true });
  const all: Taken[] = [];
  const take = async (what: string, cwd: string, ...args: string[]) => {
    const taken = {
      what: `${site.name}, layout ${layout}: ${what}`,
      ...(await measured(cwd, directory.join("tmp"), args)),
    };
    all.push(taken);
    onTaken(taken);
  };
  const devices = [
    { name: "service", type: "net" },
    { name: "storage", type: "block" },
  ] as const;
  writeFileSync(path.join(source, "www.hvt"), solo5Kernel({ devices }));
  writeFileSync(path.join(source, ".gitignore"), "site\n");
  writeFileSync(
    path.join(host, "host.yml"),
    `name: www\nrepository: ${server.repositoryUrl("www")}\ntarget: hvt\nstate: state\n`,
  );
  await git(source, "init", "--quiet", "--initial-branch=main");
  writeSite(pages, site);
  const release = directory.join("release");
  const round = async (which: string) => {
    await git(source, "add", "--all");
    await git(source, "commit", "--quiet", "--allow-empty", `--message=${which}`);
    await take(`${which} build`, source, "build", "--kernel", "www.hvt", "--data", "site", "--out", release);
    const to = ["--repository", server.repositoryUrl("www", "git"), "--layout", layout];
    await take(`${which} deploy`, source, "deploy", "--release", release, ...to);
    await take(`${which} sync`, host, "host", "sync", "--config", "host.yml");
  };
  await round("first");
  writeFileSync(path.join(pages, "index.html"), "<!doctype html><title>One page more</title>\n");
  await round("second");
  return all;
}

const MEGABYTE = 1024 * 1024;

function writeSite(directory: string, { files, size, content }: BigSite): void {
  const zeros = Buffer.alloc(MEGABYTE);
  const page = createCipheriv("aes-128-ctr", Buffer.alloc(16), Buffer.alloc(16)).update(zeros.subarray(0, 4096));
  for (let n = 0; n < files; n++) {
    const noise = createCipheriv("aes-128-ctr", Buffer.alloc(16, n + 1), Buffer.alloc(16));
    const isText = content === "mixed" && n % 2 === 1;
    const fd = openSync(path.join(directory, `file-${n}.${isText ? "txt" : "bin"}`), "w");
    for (let left = size; left > 0; left -= MEGABYTE) {
      const zero = zeros.subarray(0, Math.min(left, MEGABYTE));
      const bytes = content === "repeated" ? Buffer.alloc(zero.length, page) : noise.update(zero);
      if (isText) for (let i = 0; i < bytes.length; i++) bytes[i] = 97 + ((bytes[i] as number) & 7);
      writeSync(fd, bytes);
    }
    closeSync(fd);
  }
}

/** GNU time knows the largest process of all that were started. */
async function measured(cwd: string, tmp: string, args: readonly string[]): Promise<Omit<Taken, "what">> {
  const started = performance.now();
  const child = spawn("/usr/bin/time", ["-f", "peak %M", process.execPath, CLI, ...args, "--quiet"], {
    cwd,
    env: gitEnvironment({ TMPDIR: tmp, UNIKERNEL_DEPLOY_CACHE: path.join(tmp, "cache") }),
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  const [code] = (await once(child, "close")) as [number | null];
  const peak = /^peak (\d+)$/m.exec(said)?.[1];
  if (code !== 0 || peak === undefined) throw new Error(`${args.join(" ")}: exit code ${code}\n${said}`);
  return { seconds: (performance.now() - started) / 1000, memory: Number(peak) * 1024 };
}

export const show = ({ what, seconds, memory }: Taken) =>
  `${what.padEnd(52)} ${seconds.toFixed(1).padStart(8)} s ${Math.round(memory / 1e6)
    .toString()
    .padStart(6)} MB`;

export async function soak(gigabytes: number): Promise<boolean> {
  const sites: BigSite[] = [
    { name: "one file", files: 1, size: Math.round((2e9 * gigabytes) / 5), content: "noise" },
    { name: "40 files", files: 40, size: Math.round((gigabytes * 1e9) / 40), content: "mixed" },
  ];
  const all: Taken[] = [];
  for (const site of sites) {
    for (const layout of ["image", "files"] as const) {
      all.push(...(await heave(site, layout, (taken) => process.stdout.write(`${show(taken)}\n`))));
    }
  }
  const most = Math.max(...all.map(({ memory }) => memory));
  process.stdout.write(`the most: ${Math.round(most / 1e6)} MB, of at most ${MOST / 1e6}\n`);
  return most < MOST;
}
