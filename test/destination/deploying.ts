/**
 * Two releases of a site, of which the second is deployed again and again to a server that is as it was before: for tests
 * that disturb it. What is on the branch afterwards is the old release or the new one, whole.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { cp, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { text } from "node:stream/consumers";
import { findMarked } from "../../src/host/processes.ts";
import { solo5Kernel } from "../support/elf.ts";
import { type GitServer, gitServer } from "../support/git-server.ts";
import { git, gitEnvironment, output, run } from "../support/process.ts";
import { CLI, runCli } from "../support/project.ts";
import { repositoryPath } from "../support/repository.ts";
import { type TempDir, tempDir, writeTree } from "../support/temp.ts";

/** What is deployed, and on top of what. */
export interface Case {
  readonly name: string;
  readonly layout: "image" | "files";
  /** The repository before, to be copied. */
  readonly before: string;
  /** Trees of the branch before, where it is there, and after. */
  readonly old: string | undefined;
  readonly new: string;
}

export interface Ended {
  /** null where a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

export interface Deploying extends AsyncDisposable {
  readonly directory: TempDir;
  readonly server: GitServer;
  /** The repository on the server. */
  readonly repository: string;
  readonly cases: readonly Case[];
  /** Makes the server's repository what it was before. */
  reset(of: Case): Promise<void>;
  /** Starts a deploy of the second release. */
  start(of: Case): Running;
  deploy(of: Case): Promise<Ended>;
  /** Waits until nothing of a deploy runs any more, here or at the server. */
  settled(): Promise<void>;
  /** What is wrong with what a deploy left, and which release the branch has. */
  look(of: Case): Promise<{ readonly tip: "old" | "new" | "neither"; readonly problems: readonly string[] }>;
}

export interface DeployingOptions {
  /** Where the server's repositories are; a directory of the test's own if absent. */
  readonly root?: string;
  /** Files of the site; 120 if absent. */
  readonly files?: number;
  /** Whether git goes: as where its own helpers have the credentials, and we were given none. */
  readonly byGit?: boolean;
}

const TOKEN = "token";
const MARK = "UNIKERNEL_DEPLOY_TEST_RUN";

export async function deploying(options: DeployingOptions = {}): Promise<Deploying> {
  const directory = await tempDir("deploying");
  const server = await gitServer({ token: TOKEN, ...(options.root === undefined ? {} : { root: options.root }) });
  const source = directory.join("source");
  const mark = createHash("sha1").update(directory.path).digest("hex");
  await mkdir(directory.join("tmp"));
  await makeReleases(directory, source, options.files ?? 120);
  const credentials = options.byGit ? await gitCredentials(directory, server) : { UNIKERNEL_DEPLOY_TOKEN: TOKEN };
  const commit = await git(source, "rev-parse", "HEAD");
  const repository = repositoryPath(server.root, "www");
  const start = ({ layout }: Pick<Case, "layout">, release = "second", to = server.repositoryUrl("www")): Running => {
    const args = ["deploy", "--release", directory.join(release), "--repository", to, "--layout", layout, "--json"];
    const env = { ...credentials, TMPDIR: directory.join("tmp"), [MARK]: mark, ...CACHE(directory) };
    const child = spawn(process.execPath, [CLI, ...args], { cwd: source, env: gitEnvironment(env), stdio: "pipe" });
    child.stdin.end();
    const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]).then(
      ([stdout, stderr, [code]]): Ended => ({ code: code as number | null, stdout, stderr }),
    );
    return { child, ended };
  };
  const cases: Case[] = [];
  const self: Deploying = {
    directory,
    server,
    repository,
    cases,
    async reset({ before }) {
      await rm(repository, { recursive: true, force: true });
      await cp(before, repository, { recursive: true });
      for (const own of ["tmp", "cache"]) await rm(directory.join(own), { recursive: true, force: true });
      await mkdir(directory.join("tmp"));
      server.reset();
    },
    start,
    deploy: (of) => start(of).ended,
    async settled() {
      const isOver = () => server.requests.every(({ done }) => done) && findMarked(MARK, mark).length === 0;
      for (const deadline = performance.now() + 60_000; !isOver() && performance.now() < deadline; ) await delay(10);
    },
    async look(of) {
      const problems: string[] = [];
      for (const { pid } of findMarked(MARK, mark)) problems.push(`process ${pid} still runs`);
      problems.push(...(await lookAtRepository(repository)));
      const tree = await treeOf(repository);
      const tip = tree === of.new ? "new" : tree === of.old ? "old" : "neither";
      if (tip === "neither") problems.push(`the branch has tree ${tree}`);
      const refs = await git(repository, "for-each-ref", "--format=%(refname)");
      const tags = refs.split("\n").filter((ref) => ref.endsWith(commit));
      if (tags.length !== (tip === "new" ? 1 : 0)) problems.push(`${tags.length} tags of the ${tip} release`);
      const strays = refs
        .split("\n")
        .filter((ref) => !/^(?:refs\/heads\/main|refs\/tags\/source\/www\/\w+|)$/.test(ref));
      problems.push(...strays.map((ref) => `a ref ${ref}`));
      const left = await readdir(directory.join("tmp"));
      if (left.length > 0) problems.push(`left behind: ${left.join(", ")}`);
      return { tip, problems };
    },
    async [Symbol.asyncDispose]() {
      await self.settled();
      await server[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
  for (const layout of ["image", "files"] as const) {
    for (const first of [false, true]) cases.push(await makeCase(self, layout, first, start));
  }
  return self;
}

/** A home whose git knows the server's token. */
async function gitCredentials(directory: TempDir, server: GitServer): Promise<Record<string, string>> {
  const home = directory.join("home");
  const { host } = new URL(server.url);
  await writeTree(home, {
    ".gitconfig": "[credential]\n\thelper = store\n",
    ".git-credentials": `http://x-access-token:${TOKEN}@${host}\n`,
  });
  return { HOME: home };
}

const CACHE = (directory: TempDir) => ({ UNIKERNEL_DEPLOY_CACHE: directory.join("cache") });

type Start = (of: Pick<Case, "layout">, release: string) => Running;

/** Deploys once as it should go, to know what comes of it. */
async function makeCase(self: Deploying, layout: "image" | "files", first: boolean, start: Start): Promise<Case> {
  const { server, directory, repository } = self;
  await rm(repository, { recursive: true, force: true });
  await server.createRepository("www");
  const must = async (release: string) => {
    const { code, stderr } = await start({ layout }, release).ended;
    if (code !== 0) throw new Error(`deploy ended with ${code}: ${stderr}`);
  };
  if (!first) await must("first");
  const before = directory.join(`${layout}${first ? "-first" : ""}.git`);
  await cp(repository, before, { recursive: true });
  const old = await treeOf(repository);
  await must("second");
  await verifySums(directory.join("verified"), repository);
  const name = `${first ? "first deploy, " : ""}layout ${layout}`;
  return { name, layout, before, old, new: (await treeOf(repository)) as string };
}

/** A file of somebody else's, that a test may put beside ours. */
export const NOTES = "NOTES";

/** The branch's tree without that file; undefined where there is no branch. */
async function treeOf(repository: string): Promise<string | undefined> {
  const listed = await run("git", ["ls-tree", "main"], { cwd: repository });
  if (listed.code !== 0) return undefined;
  const ours = listed.stdout.split("\n").filter((line) => !line.endsWith(`\t${NOTES}`));
  return output("git", ["mktree"], { cwd: repository, input: ours.join("\n") });
}

/** The files are what the repository's own sums and manifest say. */
async function verifySums(scratch: string, repository: string): Promise<void> {
  await rm(scratch, { recursive: true, force: true });
  await git(path.dirname(scratch), "clone", "--quiet", repository, scratch);
  await output("sha256sum", ["--quiet", "--check", "SHA256SUMS"], { cwd: scratch });
  await rm(scratch, { recursive: true });
}

async function lookAtRepository(repository: string): Promise<string[]> {
  const fsck = await output("git", ["fsck", "--strict", "--no-dangling"], { cwd: repository }).catch(String);
  const files = await readdir(repository, { recursive: true });
  // What was on its way when a connection broke is in directories of git's own, which its gc takes away.
  const strays = files.filter(
    (file) => !file.includes("/tmp_objdir-incoming-") && /(?:\.lock|\/tmp_[^/]*)$/.test(file),
  );
  return [...(fsck === "" ? [] : [`git fsck: ${fsck}`]), ...strays.map((file) => `at the server: ${file}`)];
}

async function makeReleases(directory: TempDir, source: string, files: number): Promise<void> {
  const devices = [
    { name: "service", type: "net" },
    { name: "storage", type: "block" },
  ] as const;
  await mkdir(path.join(source, "site"), { recursive: true });
  await writeFile(path.join(source, "www.hvt"), solo5Kernel({ devices }));
  await writeFile(path.join(source, ".gitignore"), "site\n");
  await git(source, "init", "--quiet", "--initial-branch=main");
  await git(source, "add", "--all");
  const page = (n: number, noise: number) =>
    `<!doctype html><title>${n}</title>\n${randomBytes(noise).toString("hex")}\n`;
  for (const release of ["first", "second"]) {
    const changed = release === "first" ? files : Math.ceil(files / 4);
    const pages = Array.from(
      { length: changed },
      (_, n) => [`section-${n % 7}/page-${n}.html`, page(n, 4000)] as const,
    );
    await writeTree(path.join(source, "site"), { "index.html": `${release}\n`, ...Object.fromEntries(pages) });
    await git(source, "commit", "--quiet", "--allow-empty", `--message=${release}`);
    const built = ["build", "--kernel", "www.hvt", "--data", "site", "--out", directory.join(release)];
    const { code, stderr } = await runCli(source, built);
    if (code !== 0) throw new Error(`build ended with ${code}: ${stderr}`);
  }
}

/** Numbers from 0 to 1 that are the same in every run. */
export function generator(seed: number): () => number {
  let x = seed;
  return () => {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) | 0;
    return (x >>> 0) / 2 ** 32;
  };
}
