/** What the deploy benchmark needs for a site: the repositories on the server, the site and its release with one page changed. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { solo5Kernel } from "../test/support/elf.ts";
import { gitEnvironment } from "../test/support/process.ts";
import { addPast, allowFilters, type Form, git, readCommitted, restore, siteRepository } from "./deploy-history.ts";
import { REPOSITORY, type Server, startServer, TOKEN } from "./deploy-run.ts";
import { siteNamed } from "./sites.ts";

const CLI = path.join(import.meta.dirname, "..", "dist", "cli.js");
const LAYOUTS = ["image", "files"] as const;

export interface Prepared extends Disposable {
  readonly name: string;
  /** Serves the repository of whoever has his turn: always at the same address, by which ours knows it again. */
  readonly server: Server;
  /** Where runs may write. */
  readonly directory: string;
  readonly cli: string;
  /** The source repository. */
  readonly source: string;
  /** The site with the page changed, and its release. */
  readonly changed: string;
  readonly release: string;
  readonly page: string;
  readonly content: Buffer;
  /** A repository with so many commits, to be copied. */
  repository(this: void, form: Form, history: number): string;
  /** What the deploy before left in our cache; nothing where it left nothing. */
  warmCache(this: void, form: Form, history: number, to: string): void;
  /** sha256 of the image in a repository's parts, or of the release's. */
  imageDigest(this: void, repository?: string): string;
}

export interface Making {
  readonly histories: readonly number[];
  readonly onProgress: (what: string) => void;
  /** Who may read from the server. */
  readonly reading: "public" | "private";
}

/** `site` is one of the benchmark's, or a directory. Repositories without anything of ours in them are kept for the next time. */
export async function createSite(
  cache: string,
  site: string,
  { histories, onProgress, reading }: Making,
): Promise<Prepared> {
  const from = site.includes("/") ? path.resolve(site) : siteNamed(site);
  const name = path.basename(from);
  const kept = path.join(cache, name);
  const directory = path.join(cache, `${name}-${process.pid}`);
  mkdirSync(kept, { recursive: true });
  mkdirSync(directory);
  const source = path.join(kept, "source");
  if (!existsSync(source)) createSource(source);
  const page = middlePage(from);
  const { changed, content } = changePage(from, page, path.join(directory, "changed"));
  const release = path.join(directory, "release");
  const server = await startServer(path.join(directory, "server"), reading);
  const prepared: Prepared = {
    name,
    server,
    directory,
    cli: CLI,
    source,
    changed,
    release,
    page,
    content,
    repository: (form, history) => path.join(form === "site" ? kept : directory, `${form}-${history}.git`),
    warmCache(form, history, to) {
      const cached = path.join(directory, `${form}-${history}-cache`);
      if (existsSync(cached)) cpSync(cached, to, { recursive: true, preserveTimestamps: true });
    },
    imageDigest: (repository) => imageDigest(release, repository),
    [Symbol.dispose]() {
      server[Symbol.dispose]();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  try {
    for (const history of histories.toSorted((a, b) => a - b)) {
      onProgress(`${name}: making histories of ${history}`);
      await createHistory(prepared, kept, from, history);
    }
    onProgress(`${name}: building`);
    commitSource(source);
    build(source, changed, release);
  } catch (error) {
    prepared[Symbol.dispose]();
    throw error;
  }
  return prepared;
}

async function createHistory(prepared: Prepared, kept: string, site: string, history: number): Promise<void> {
  const { source, directory } = prepared;
  await keepPast(prepared, kept, site, history);
  const release = path.join(directory, `release-${history}`);
  commitSource(source);
  build(source, site, release);
  for (const form of LAYOUTS) {
    const { repository } = prepared.server;
    if (history === 1) createEmpty(repository);
    else restore(path.join(kept, `${form}-${history - 1}.git`), repository);
    // The last release, and what it leaves in the cache, is of today's program.
    deploy(prepared, release, form, path.join(directory, `${form}-${history}-cache`));
    renameSync(repository, prepared.repository(form, history));
  }
  rmSync(release, { recursive: true });
}

/** The first release and the commits between it and the last, and the peers' repositories: made once. */
async function keepPast(prepared: Prepared, kept: string, site: string, history: number): Promise<void> {
  const first = path.join(kept, "site-1.git");
  if (!existsSync(first)) {
    siteRepository(`${first}.${process.pid}`, site);
    renameSync(`${first}.${process.pid}`, first);
  }
  if (history === 1) return;
  await addPast(first, prepared.repository("site", history), { form: "site", site, commits: history - 1 });
  const missing = LAYOUTS.filter((form) => !existsSync(path.join(kept, `${form}-${history - 1}.git`)));
  if (missing.length === 0) return;
  const release = path.join(prepared.directory, "release-first");
  commitSource(prepared.source);
  build(prepared.source, site, release);
  for (const form of missing) {
    createEmpty(prepared.server.repository);
    deploy(prepared, release, form, path.join(prepared.directory, "cache-first"));
    await addPast(prepared.server.repository, path.join(kept, `${form}-${history - 1}.git`), {
      form,
      site,
      commits: history - 2,
    });
    rmSync(prepared.server.repository, { recursive: true });
  }
  rmSync(release, { recursive: true });
}

function createSource(source: string): void {
  mkdirSync(source);
  git(source, ["init", "--quiet", "--initial-branch=main"]);
  writeFileSync(
    path.join(source, "www.hvt"),
    solo5Kernel({
      devices: [
        { name: "service", type: "net" },
        { name: "storage", type: "block" },
      ],
    }),
  );
  git(source, ["add", "--all"]);
  commitSource(source);
}

const commitSource = (source: string) => git(source, ["commit", "--quiet", "--allow-empty", "--message=A change"]);

function createEmpty(repository: string): void {
  git(path.dirname(repository), ["init", "--quiet", "--bare", "--initial-branch=main", repository]);
  allowFilters(repository);
}

const build = (source: string, site: string, release: string) =>
  cli(source, ["build", "--kernel", "www.hvt", "--data", site, "--out", release]);

/** Deploys a release to the server as it is. */
export function deploy({ source, server }: Prepared, release: string, form: Form, cache: string): void {
  const to = ["--repository", `${server.url}/${REPOSITORY}.git`, "--layout", form];
  cli(source, ["deploy", "--release", release, ...to], {
    UNIKERNEL_DEPLOY_CACHE: cache,
    UNIKERNEL_DEPLOY_TOKEN: TOKEN,
  });
}

export function cli(cwd: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): void {
  const options = { cwd, env: gitEnvironment(env), encoding: "utf8" } as const;
  const ran = spawnSync(process.execPath, [CLI, ...args], options);
  if (ran.status !== 0) throw new Error(`${args[0]} ended with ${ran.status}: ${ran.stderr.slice(-3000)}`);
}

/** Some page of middling size, neither the first nor the last. */
function middlePage(site: string): string {
  const pages = readdirSync(site, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".html"))
    .toSorted();
  const page = pages[pages.length >> 1];
  if (page === undefined) throw new Error(`${site} has no page`);
  return page;
}

/** A copy of the site that shares all its files but the page, into which a line came. */
function changePage(site: string, page: string, changed: string): { changed: string; content: Buffer } {
  restore(site, changed);
  const before = readFileSync(path.join(site, page));
  const middle = before.length >> 1;
  const line = Buffer.from("<p>A line that was not there before.</p>\n");
  const content = Buffer.concat([before.subarray(0, middle), line, before.subarray(middle)]);
  rmSync(path.join(changed, page));
  writeFileSync(path.join(changed, page), content);
  return { changed, content };
}

function imageDigest(release: string, repository?: string): string {
  const hash = createHash("sha256");
  if (repository === undefined)
    return hash.update(readFileSync(path.join(release, "volumes", "data.img"))).digest("hex");
  const names = git(repository, ["ls-tree", "-r", "--name-only", "main", "volumes/"]).toString().split("\n");
  for (const name of names.filter((file) => file.startsWith("volumes/data.img")))
    hash.update(readCommitted(repository, name));
  return hash.digest("hex");
}
