/** The sites that the benchmarks work on: documentation out of Debian packages, and two made up at the extremes. */
import { spawnSync } from "node:child_process";
import { createCipheriv } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { debianFile } from "../test/support/debian.ts";

/** In memory where there is a file system for that: disks differ, and are not what is compared. */
export const CACHE = path.join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "unikernel-deploy-bench");

const PACKAGES: Readonly<Record<string, readonly [string, string]>> = {
  "python3-doc": ["python3.11-doc", "/usr/share/doc/python3.11/html"],
  "rust-doc": ["rust-doc", "/usr/share/doc/rust-doc/html"],
  "linux-doc": ["linux-doc-6.1", "/usr/share/doc/linux-doc-6.1/html"],
};
const MADE: Readonly<Record<string, (directory: string) => void>> = {
  "tiny-files": tinyFiles,
  "large-files": largeFiles,
};

/** Sites as there are. */
export const DOCUMENTATION = Object.keys(PACKAGES);
export const SITES = [...DOCUMENTATION, ...Object.keys(MADE)];

/** Where deploys are measured. */
export const DEPLOYS = path.join(CACHE, "deploy");

/** Removes what a bench left that was killed: files with two names, as its copies of a site are, make tars slower. */
function sweep(): void {
  if (!existsSync(DEPLOYS)) return;
  for (const name of readdirSync(DEPLOYS)) {
    const pid = /-(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(path.join(DEPLOYS, name), { recursive: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** The directory of a site; fetched or made when it is not there. Throws where Debian's archive cannot be had. */
export function siteNamed(name: string): string {
  sweep();
  const directory = path.join(CACHE, name);
  if (existsSync(directory)) return directory;
  mkdirSync(CACHE, { recursive: true });
  const unfinished = `${directory}.${process.pid}`;
  try {
    const made = MADE[name];
    if (made) made(unfinished);
    else copyPackage(name, unfinished);
    renameSync(unfinished, directory);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return directory;
}

function copyPackage(name: string, to: string): void {
  const [packageName, inside] = PACKAGES[name] ?? ["", ""];
  if (packageName === "") throw new Error(`there is no site ${name}; there are: ${SITES.join(", ")}`);
  const found = debianFile(packageName, "amd64", inside);
  if ("skip" in found) throw new Error(found.skip);
  // Links become files: not every peer follows them, and some lead to packages that are not here.
  spawnSync("cp", ["-rL", found.path, to], { stdio: "ignore" });
  spawnSync("find", [to, "-type", "l", "-delete"]);
}

/** 100,000 files of 60 to 979 bytes in a thousand directories. */
function tinyFiles(directory: string): void {
  for (let n = 0; n < 100_000; n++) {
    const folder = path.join(directory, `d${n % 100}`, `e${((n / 100) % 10) | 0}`);
    if (n < 1000) mkdirSync(folder, { recursive: true });
    writeFileSync(
      path.join(folder, `file-${(n / 1000) | 0}.html`),
      Buffer.alloc(60 + ((n * 7919) % 920), 65 + (n % 26)),
    );
  }
}

/** Four files of 512 MB of noise. */
function largeFiles(directory: string): void {
  mkdirSync(directory, { recursive: true });
  const zeros = Buffer.alloc(1024 * 1024);
  for (let n = 0; n < 4; n++) {
    const noise = createCipheriv("aes-128-ctr", Buffer.alloc(16, n), Buffer.alloc(16));
    const fd = openSync(path.join(directory, `video-${n}.bin`), "w");
    for (let i = 0; i < 512; i++) writeSync(fd, noise.update(zeros));
    closeSync(fd);
  }
}
