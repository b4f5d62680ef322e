/**
 * A small world in one directory, in which everything that the command line works on is in good order: a source
 * repository with a site and a kernel, its release, a deployment repository that holds it, and a host that runs it. It
 * has no absolute path in it, so that a test can spoil a copy.
 */
import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cliJson } from "./cli.ts";
import { type DeviceSpec, solo5Kernel } from "./elf.ts";
import { git, gitEnvironment, output } from "./process.ts";
import { createBareRepository } from "./repository.ts";
import { writeTree } from "./temp.ts";

export const SITE: Readonly<Record<string, string>> = {
  "index.html": "<!doctype html><title>www</title><p>Hello.</p>\n",
  "about/index.html": "<!doctype html><title>about</title>\n",
  "style/site.css": "body { margin: 0 }\n",
  "images/ä.svg": '<svg xmlns="http://www.w3.org/2000/svg"/>\n',
  "robots.txt": "",
};

const DEVICES: readonly DeviceSpec[] = [
  { name: "storage", type: "block" },
  { name: "service", type: "net" },
];

/** A kernel for hvt that declares block device `storage` and net device `service`, unless told otherwise. */
export function kernel(devices: readonly DeviceSpec[] = DEVICES): Buffer {
  return solo5Kernel({ target: "hvt", devices });
}

/** Paths below the directory that a world is in. */
export const WORLD = {
  /** The checkout: `www.hvt`, `_site/`. */
  source: "source",
  release: "release",
  repository: "deployment.git",
  host: "host/host.yml",
  state: "host/state",
} as const;

export const BUILD: readonly string[] = ["build", "--kernel", "www.hvt", "--data", "_site", "--out", "../release"];
export const DEPLOY: readonly string[] = ["deploy", "--release", "../release", "--repository", "../deployment.git"];
export const SYNC: readonly string[] = ["host", "sync", "--config", "../host/host.yml"];

/** Make the source repository with one commit. */
export async function createSource(directory: string): Promise<void> {
  await writeTree(directory, { "www.hvt": kernel(), ".gitignore": "_site/\n" });
  await writeTree(join(directory, "_site"), SITE);
  await git(directory, "init", "--quiet", "--initial-branch=main", "--template=");
  await git(directory, "add", ".");
  await git(directory, "commit", "--quiet", "-m", "A site");
}

/** Make the whole world in an empty directory. */
export async function createWorld(root: string): Promise<void> {
  const cwd = join(root, WORLD.source);
  await createSource(cwd);
  const repository = await createBareRepository(root, "deployment");
  for (const unused of ["hooks", "info", "description"]) await rm(join(repository, unused), { recursive: true });
  await writeTree(root, { [WORLD.host]: hostConfig() });
  await cliJson(BUILD, { cwd });
  await cliJson(DEPLOY, { cwd });
  await cliJson(SYNC, { cwd });
}

/** host.yml of the world, with more lines at its end. */
export function hostConfig(more = ""): string {
  return `name: www\nrepository: ../deployment.git\ntarget: hvt\nstate: state\n${more}`;
}

/** Copy a world; its owner, modes and times come along. */
export async function copyWorld(from: string, to: string): Promise<void> {
  await output("cp", ["-a", from, to]);
}

/** One file of a commit: its new content, or `undefined` to take it away. */
export interface Edit {
  readonly path: string;
  readonly content?: Buffer | string | undefined;
  /** "100644" if absent. */
  readonly mode?: string;
}

/** Commit edits on top of `main` of a bare repository as somebody would who has no respect for what is in it. */
export async function tamper(repository: string, edits: readonly Edit[]): Promise<void> {
  const env = gitEnvironment({ GIT_INDEX_FILE: join(repository, "tamper-index") });
  const plumbing = (args: readonly string[], input: Buffer | string = "") =>
    output("git", args, { cwd: repository, env, input });
  await plumbing(["read-tree", "main"]);
  let lines = "";
  for (const { path, content, mode = "100644" } of edits) {
    const none = content === undefined;
    const id = none ? "0".repeat(40) : await plumbing(["hash-object", "-w", "--stdin"], Buffer.from(content));
    lines += `${none ? "0" : mode} ${id}\t${path}\0`;
  }
  await plumbing(["update-index", "-z", "--index-info"], lines);
  const tree = await plumbing(["write-tree"]);
  const commit = await plumbing(["commit-tree", tree, "-p", "main", "-m", "Tamper"]);
  await plumbing(["update-ref", "refs/heads/main", commit]);
  await rm(join(repository, "tamper-index"));
}

/** A file of a branch of a bare repository. */
export function readCommitted(repository: string, path: string): Promise<Buffer> {
  return outputBytes(repository, ["cat-file", "blob", `main:${path}`]);
}

async function outputBytes(cwd: string, args: readonly string[]): Promise<Buffer> {
  const { execFile } = await import("node:child_process");
  return new Promise((resolve, reject) => {
    execFile("git", args, { cwd, env: gitEnvironment(), encoding: "buffer" }, (error, stdout) =>
      error ? reject(error) : resolve(stdout),
    );
  });
}

/** The file with one bit of one byte changed. */
export function flipped(bytes: Buffer, at = Math.floor(bytes.length / 2)): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] as number) ^ 1;
  return copy;
}

/** A JSON document into which a test reaches wherever it likes. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Json = any;

/** Change a JSON file through a function that may change its argument or return another. */
export async function editJson(file: string, edit: (document: Json) => unknown): Promise<void> {
  const document: unknown = JSON.parse(await readFile(file, "utf8"));
  await writeFile(file, `${JSON.stringify(edit(document) ?? document, null, 2)}\n`);
}

/** More of a file than this is told from its size alone. */
const HASHED = 16 * 1024 * 1024;

/** Every path below `root` with what it is, so that two pictures can be compared. */
export function picture(root: string): Map<string, string> {
  const seen = new Map<string, string>();
  const look = (directory: Buffer, name: string): void => {
    for (const entry of readdirSync(directory, { encoding: "buffer" }).toSorted(Buffer.compare)) {
      const file = Buffer.concat([directory, Buffer.from("/"), entry]);
      const at = name === "" ? entry.toString("latin1") : `${name}/${entry.toString("latin1")}`;
      const what = describe(file);
      seen.set(at, what);
      if (what.startsWith(DIRECTORY)) look(file, at);
    }
  };
  look(Buffer.from(root), "");
  return seen;
}

/** The mode of a directory in octal begins with this, and no other. */
const DIRECTORY = "40";

function describe(file: Buffer): string {
  // Longer than the system can open.
  if (file.length > 4000) return "";
  const stat = lstatSync(file);
  const mode = stat.mode.toString(8);
  if (stat.isSymbolicLink()) return `${mode} -> ${readlinkSync(file)}`;
  if (!stat.isFile()) return mode;
  const digest = stat.size > HASHED ? "" : createHash("sha256").update(readFileSync(file)).digest("hex");
  return `${mode} ${stat.size} ${digest}`;
}

/** The paths that differ between two pictures, but for those at or below `except`. */
export function differences(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
  except: readonly string[],
): string[] {
  const paths = new Set([...before.keys(), ...after.keys()]);
  const isMeant = (path: string) => except.some((prefix) => path === prefix || path.startsWith(`${prefix}/`));
  return [...paths].filter((path) => before.get(path) !== after.get(path) && !isMeant(path)).sort();
}
