/** A site's source repository with a kernel, and the shipped command line run in it. */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { solo5Kernel } from "./elf.ts";
import { git, gitEnvironment, type Ran, run } from "./process.ts";
import { type TempDir, tempDir, writeTree } from "./temp.ts";

export const ROOT = path.join(import.meta.dirname, "..", "..");
export const CLI = path.join(ROOT, "dist", "cli.js");

/** The site of most tests: pages in directories, a long name, an empty file. */
export const SITE: Readonly<Record<string, string>> = {
  "index.html": "<!doctype html><title>Home</title><p>Hello</p>\n",
  "about/index.html": "<!doctype html><title>About</title>\n",
  "css/style.css": "body { margin: 0 }\n",
  [`notes/${"long".repeat(40)}.txt`]: "a name of more than a hundred bytes\n",
  "empty.txt": "",
};

export interface Project extends AsyncDisposable {
  readonly directory: TempDir;
  /** The source repository: site/ and www.hvt, committed. */
  readonly source: string;
  /** Commits everything; the new commit's id. */
  commit(message?: string): Promise<string>;
  /** Writes files of the site. */
  write(files: Readonly<Record<string, string>>): Promise<void>;
  /** Runs dist/cli.js in the source repository. */
  cli(...args: string[]): Promise<Ran>;
  /** Builds the site into release/; fails the test where that fails. */
  build(...more: string[]): Promise<string>;
}

/** Makes a project: `await using project = await newProject()`. */
export async function newProject(site: Readonly<Record<string, string>> = SITE): Promise<Project> {
  const directory = await tempDir("project");
  const source = directory.join("source");
  await mkdir(source);
  await git(source, "init", "--quiet", "--initial-branch=main");
  await writeFile(
    path.join(source, "www.hvt"),
    solo5Kernel({
      devices: [
        { name: "service", type: "net" },
        { name: "storage", type: "block" },
      ],
    }),
  );
  const project: Project = {
    directory,
    source,
    async commit(message = "A change") {
      await git(source, "add", "--all");
      await git(source, "commit", "--quiet", "--allow-empty", `--message=${message}`);
      return git(source, "rev-parse", "HEAD");
    },
    write: (files) => writeTree(path.join(source, "site"), files),
    cli: (...args) => runCli(source, args),
    async build(...more) {
      const release = directory.join("release");
      const ran = await runCli(source, ["build", "--kernel", "www.hvt", "--data", "site", "--out", release, ...more]);
      if (ran.code !== 0) throw new Error(`build ended with ${ran.code}: ${ran.stderr}`);
      return release;
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
  await project.write(site);
  await project.commit("First");
  return project;
}

/** Runs the shipped command line; `env` adds to an environment without the caller's git configuration. */
export function runCli(cwd: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  return run(process.execPath, [CLI, ...args], { cwd, env: { ...gitEnvironment(env) }, timeoutMs: 300_000 });
}

/** Writes a host.yml and runs `host sync` with it; the answer and how it ended. */
export async function sync(directory: string, repository: string, more = "", name = "www"): Promise<Ran> {
  await mkdir(directory, { recursive: true });
  const file = path.join(directory, "host.yml");
  await writeFile(file, `name: ${name}\nrepository: ${JSON.stringify(repository)}\ntarget: hvt\nstate: state\n${more}`);
  return runCli(directory, ["host", "sync", "--config", file, "--json"]);
}
