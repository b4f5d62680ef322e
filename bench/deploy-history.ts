/**
 * Deployment repositories with a past, for the deploy benchmark: in each commit but the first and the last another text
 * stands in one page, as in a site that is worked on. Made once by `git fast-import` and kept.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { cpSync, existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { gitEnvironment } from "../test/support/process.ts";

/** How the pages are in the repository: ours as parts of an image or as files, the peers' as files at the root. */
export type Form = "image" | "files" | "site";

export function git(cwd: string, args: readonly string[], input: string | Buffer = ""): Buffer {
  const ran = spawnSync("git", args, { cwd, env: gitEnvironment(), input, maxBuffer: 1 << 30 });
  if (ran.status === 0) return ran.stdout;
  throw new Error(`git ${args.join(" ")}: ${String(ran.stderr).trim().split("\n").at(-1)}`);
}

/** A repository of the peers with the site at its root. */
export function siteRepository(repository: string, site: string): void {
  git(path.dirname(repository), ["init", "--quiet", "--bare", "--initial-branch=main", repository]);
  allowFilters(repository);
  const tree = [`--git-dir=${repository}`, `--work-tree=${site}`, "-c", "core.bare=false"];
  git(site, [...tree, "add", "--all", "--force", "."]);
  git(site, [...tree, "commit", "--quiet", "--message=First"]);
  rmSync(path.join(repository, "index"));
  git(repository, ["gc", "--quiet"]);
}

/** What forges allow. */
export function allowFilters(repository: string): void {
  for (const key of ["uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"]) {
    git(repository, ["config", key, "true"]);
  }
  // Nothing that runs by itself, beside what is measured.
  git(repository, ["config", "receive.autogc", "false"]);
  git(repository, ["config", "gc.auto", "0"]);
}

export interface Past {
  readonly form: Form;
  /** The directory that is in the first commit. */
  readonly site: string;
  /** How many come after it. */
  readonly commits: number;
}

/** Makes `repository` out of `first`, which has one commit, with so many more; one that is there already is kept. */
export async function addPast(first: string, repository: string, past: Past): Promise<void> {
  if (existsSync(repository)) return;
  const unfinished = `${repository}.${process.pid}`;
  cpSync(first, unfinished, { recursive: true });
  try {
    await importPast(unfinished, past);
    git(unfinished, ["gc", "--quiet"]);
    renameSync(unfinished, repository);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

async function importPast(repository: string, { form, site, commits }: Past): Promise<void> {
  const child = spawn("git", ["fast-import", "--quiet", "--done"], { cwd: repository, env: gitEnvironment() });
  const ended = once(child, "close");
  const write = async (chunk: string | Buffer) => {
    if (!child.stdin.write(chunk)) await once(child.stdin, "drain");
  };
  const pages = changingFiles(repository, form, site);
  for (let n = 2; n <= commits + 1; n++) {
    const source = createHash("sha1").update(String(n)).digest("hex");
    const who = `Author <author@example.org> ${1_767_225_600 + n} +0000`;
    await write(`commit refs/heads/main\nmark :${n}\ncommitter ${who}\n${data(`Deploy ${n}`)}`);
    if (n === 2) await write(`from ${git(repository, ["rev-parse", "main"]).toString()}`);
    for (const { file, bytes, at } of pages) {
      bytes.write(String(n).padStart(6, "0"), at, "latin1");
      await write(`M 100644 inline ${file}\ndata ${bytes.length}\n`);
      await write(Buffer.from(bytes));
      await write("\n");
    }
    await write("\n");
    if (form === "site") continue;
    const message = data(`Deploy ${n}\n\nSource-Commit: ${source}`);
    await write(`tag source/www/${source}\nfrom :${n}\ntagger ${who}\n${message}`);
  }
  await write("done\n");
  child.stdin.end();
  const [code] = (await ended) as [number];
  if (code !== 0) throw new Error(`git fast-import ended with ${code}`);
}

const data = (text: string) => `data ${Buffer.byteLength(text)}\n${text}\n`;

interface ChangingFile {
  readonly file: string;
  readonly bytes: Buffer;
  /** Where six of its bytes become others. */
  readonly at: number;
}

/** The file of the site that comes last, and what goes with it in a release of ours. */
function changingFiles(repository: string, form: Form, site: string): ChangingFile[] {
  const names = git(repository, ["ls-tree", "-r", "-z", "--name-only", "main"]).toString().split("\0");
  const read = (file: string) => ({ file, bytes: readCommitted(repository, file) });
  if (form === "image") {
    const index = read("volumes/data.index");
    const parts = names.filter((name) => /^volumes\/data\.img(?:\.parts\/\d+)?$/.test(name)).map(read);
    // ID SIZE PATH; one that has room for six bytes, and stands in one part: the cut before the padding is inside a file.
    for (const line of index.bytes.toString().trimEnd().split("\n").toReversed()) {
      if (Number(line.split(" ")[1]) <= 1000) continue;
      const content = readFileSync(path.join(site, line.split(" ").slice(2).join(" ")));
      const part = parts.findLast(({ bytes }) => bytes.includes(content));
      if (part === undefined) continue;
      return [
        { ...part, at: part.bytes.lastIndexOf(content) + (content.length >> 1) },
        { ...index, at: index.bytes.lastIndexOf(line) + 2 },
        digestOf(read("manifest.json")),
      ];
    }
    throw new Error(`${site}: no file of more than 1,000 bytes stands in one part`);
  }
  const below = form === "site" ? "" : "volumes/data/";
  const page = read(names.findLast((name) => name.startsWith(below) && name.endsWith(".html")) as string);
  const manifest = form === "site" ? [] : [digestOf(read("manifest.json"))];
  return [{ ...page, at: (page.bytes.length >> 1) - 6 }, ...manifest];
}

/** Within a digest, so that the manifest stays one. */
const digestOf = (manifest: Omit<ChangingFile, "at">): ChangingFile => ({
  ...manifest,
  at: manifest.bytes.lastIndexOf('"sha256": "') + 12,
});

/** Gives a run a copy that is its own, within milliseconds: what git writes once it never writes into again. */
export function restore(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true });
  const ran = spawnSync("cp", ["-al", from, to]);
  if (ran.status !== 0) throw new Error(String(ran.stderr));
}

export const readCommitted = (repository: string, file: string) =>
  git(repository, ["cat-file", "blob", `main:${file}`]);
