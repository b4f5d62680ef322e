/**
 * How a deployment repository grows: deploys of a site in which a few pages change, and now and then the kernel. As a soak
 * test, on Python's documentation:
 *
 *     npm run soak -- deploy-growth [DEPLOYS]        200 by default
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { deflateSync } from "node:zlib";
import { solo5Kernel } from "../support/elf.ts";
import { git, output } from "../support/process.ts";
import { runCli } from "../support/project.ts";
import { createBareRepository } from "../support/repository.ts";
import { type TempDir, tempDir, writeTree } from "../support/temp.ts";
import { generator } from "./deploying.ts";

export const LAYOUTS = ["image", "files"] as const;

export interface Growth {
  readonly deploys: number;
  /** Bytes of each layout's repository, all packed, after the first deploy and after the last. */
  readonly first: Readonly<Record<Layout, number>>;
  readonly last: Readonly<Record<Layout, number>>;
  /** What changed since the first deploy, each file whole, as zlib packs it (bytes). */
  readonly changed: number;
  /** Kernel and image as bzip2 packs them, first and last (bytes): what the original scheme adds with every deploy. */
  readonly bz2: readonly [number, number];
}

type Layout = (typeof LAYOUTS)[number];

/** The size may be this many times the first deploy and all that changed. */
const MOST = 1.15;

export async function grow(
  makeSite: (directory: string) => void | Promise<void>,
  deploys: number,
  onDeploy: (n: number) => void = () => {},
): Promise<Growth> {
  await using directory = await tempDir("growth");
  const source = directory.join("source");
  mkdirSync(source);
  const site = path.join(source, "site");
  await makeSite(site);
  const pages = (await output("find", ["site", "-name", "*.html"], { cwd: source })).split("\n").toSorted();
  writeFileSync(path.join(source, ".gitignore"), "site\n");
  await git(source, "init", "--quiet", "--initial-branch=main");
  const repositories = {
    image: await createBareRepository(directory.path, "image"),
    files: await createBareRepository(directory.path, "files"),
  };
  const random = generator(20_264);
  let changed = 0;
  let first: Growth["first"] | undefined;
  let firstBz2 = 0;
  for (let n = 0; n < deploys; n++) {
    if (n % 10 === 0) changed += changeKernel(source, n);
    // The first deploy is what the rest is compared with.
    if (n === 0) changed = 0;
    else for (let i = 0; i < 1 + (n % 5); i++) changed += changePage(path.join(source, pick(pages, random)), n, random);
    await deployAll(directory, source, repositories, n);
    onDeploy(n);
    if (n > 0) continue;
    first = await sizesOf(repositories, directory);
    firstBz2 = bz2Size(directory);
  }
  const last = await sizesOf(repositories, directory);
  return { deploys, first: first as Growth["first"], last, changed, bz2: [firstBz2, bz2Size(directory)] };
}

async function deployAll(
  directory: TempDir,
  source: string,
  repositories: Readonly<Record<Layout, string>>,
  n: number,
): Promise<void> {
  await git(source, "add", "--all");
  await git(source, "commit", "--quiet", "--allow-empty", `--message=Change ${n}`);
  const release = directory.join("release");
  await must(source, ["build", "--kernel", "www.hvt", "--data", "site", "--out", release]);
  for (const layout of LAYOUTS) {
    const args = ["--release", release, "--repository", repositories[layout], "--layout", layout];
    await must(source, ["deploy", ...args], { UNIKERNEL_DEPLOY_CACHE: directory.join(`cache-${layout}`) });
  }
}

async function must(cwd: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<void> {
  const { code, stderr } = await runCli(cwd, args, env);
  if (code !== 0) throw new Error(`${args[0]} ended with ${code}: ${stderr}`);
}

/** Of copies: what gc finds out in between, it would keep to later. */
async function sizesOf(
  repositories: Readonly<Record<Layout, string>>,
  directory: TempDir,
): Promise<Record<Layout, number>> {
  const sizes = { image: 0, files: 0 };
  const copy = directory.join("copy.git");
  for (const layout of LAYOUTS) {
    cpSync(repositories[layout], copy, { recursive: true });
    await output("git", ["gc", "--quiet", "--prune=now"], { cwd: copy, timeoutMs: 1_200_000 });
    await git(copy, "fsck", "--strict");
    sizes[layout] = Number((await output("du", ["-sb", copy])).split("\t")[0]);
    rmSync(copy, { recursive: true });
  }
  return sizes;
}

const pick = (pages: readonly string[], random: () => number) => pages[Math.floor(random() * pages.length)] as string;

/** A sentence more, somewhere in the page; the size of the whole page as zlib packs it. */
function changePage(file: string, n: number, random: () => number): number {
  const before = readFileSync(file);
  const at = Math.floor(random() * before.length);
  const sentence = Buffer.from(`<p>Change ${n} brought this: ${noise(`${n} ${file}`, 60).toString("base64")}.</p>\n`);
  const after = Buffer.concat([before.subarray(0, at), sentence, before.subarray(at)]);
  writeFileSync(file, after);
  return packed(after);
}

const packed = (bytes: Buffer) => deflateSync(bytes, { level: 6 }).length;

/** Two megabytes that look like code, of which a part is another one each time. */
function changeKernel(source: string, n: number): number {
  const words = noise("kernel", 2_000_000).map((byte) => byte & 0x3f);
  noise(`kernel ${n}`, 100_000).copy(words, 1_000_000);
  const kernel = solo5Kernel({
    data: Buffer.from(words),
    devices: [
      { name: "service", type: "net" },
      { name: "storage", type: "block" },
    ],
  });
  writeFileSync(path.join(source, "www.hvt"), kernel);
  return packed(kernel);
}

/** The same for the same seed. */
function noise(seed: string, size: number): Buffer {
  return createHash("shake128", { outputLength: size }).update(seed).digest();
}

function bz2Size(directory: TempDir): number {
  const [kernel, image] = ["release/kernels/www.hvt", "release/volumes/data.img"].map((file) => directory.join(file));
  const script = `cat "$1" "$2" | bzip2 -9 | wc -c`;
  const ran = spawnSync("sh", ["-c", script, "sh", kernel as string, image as string], { encoding: "utf8" });
  return Number(ran.stdout);
}

/** What is wrong with the growth. */
export function growthProblems({ first, last, changed }: Growth): string[] {
  return LAYOUTS.flatMap((layout) => {
    const most = MOST * (first[layout] + changed);
    return last[layout] <= most ? [] : [`layout ${layout}: ${last[layout]} bytes, of at most ${Math.round(most)}`];
  });
}

export function growthTable({ deploys, first, last, changed, bz2 }: Growth): string {
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(2)} MB`.padStart(14);
  const rows = LAYOUTS.map((layout) => {
    const ratio = last[layout] / (first[layout] + changed);
    return `layout ${layout.padEnd(17)}${megabytes(first[layout])}${megabytes(last[layout])}${ratio.toFixed(2).padStart(12)}`;
  });
  // Packed once, it shares nothing with the one before: git keeps each whole.
  const original = (deploys * (bz2[0] + bz2[1])) / 2;
  return [
    `${deploys} deploys; ${(changed / 1e6).toFixed(2)} MB of files changed, each whole as zlib packs it`,
    `${"".padEnd(24)}         first          last  / expected`,
    ...rows,
    `bz2 of kernel and data  ${megabytes(bz2[0])}${megabytes(original)}   (the mean of the first and the last, times ${deploys})`,
  ].join("\n");
}

/** Pages of text whose words are few, some kilobytes each. */
export async function smallSite(directory: string): Promise<void> {
  const text = (n: number) => `<title>${n}</title>\n${noise(`page ${n}`, 12_000).toString("base64")}\n`;
  await writeTree(directory, Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`p/${n}.html`, text(n)])));
}

export async function soak(deploys: number): Promise<boolean> {
  const { siteNamed } = await import("../../bench/sites.ts");
  const from = siteNamed("python3-doc");
  const copy = (to: string) => {
    rmSync(to, { recursive: true, force: true });
    cpSync(from, to, { recursive: true });
  };
  const growth = await grow(copy, deploys, (n) => {
    if (n % 10 === 9) process.stdout.write(`${n + 1} of ${deploys}\n`);
  });
  const problems = growthProblems(growth);
  process.stdout.write(`${[growthTable(growth), ...problems].join("\n")}\n`);
  return problems.length === 0;
}
