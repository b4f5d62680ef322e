/**
 * Deploys from many clones at once, started in the order of their commits. As a soak test:
 *
 *     npm run soak -- deploy-race [CLONES]        32 over HTTP by default, and 8 over SSH
 */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { solo5Kernel } from "../support/elf.ts";
import { gitServer } from "../support/git-server.ts";
import { CLI, runCli } from "../support/project.ts";
import { sshServer } from "../support/ssh-server.ts";
import { git, gitEnvironment, output, run } from "../support/process.ts";
import { tempDir, writeTree } from "../support/temp.ts";

/** Between the start of one and that of the next (milliseconds). */
const APART = 300;

export interface Race {
  readonly deployed: number;
  readonly superseded: number;
  /** From the first start to the last end (seconds). */
  readonly seconds: number;
  readonly problems: readonly string[];
}

/** How a deploy reaches the repository. */
interface Way {
  readonly repository: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export async function raceOverHttp(clones: number): Promise<Race> {
  await using server = await gitServer({ token: "token" });
  const repository = await server.createRepository("www");
  const env = { UNIKERNEL_DEPLOY_TOKEN: "token" };
  return await race(clones, { repository, args: ["--repository", server.repositoryUrl("www")], env });
}

/** Throws where there is no sshd; `sshServerMissing` says so before. */
export async function raceOverSsh(clones: number): Promise<Race> {
  await using server = await sshServer();
  const repository = await server.createRepository("www");
  const keys = ["--ssh-key", server.clientKeyFile, "--known-hosts", server.knownHostsFile];
  return await race(clones, { repository, args: ["--repository", server.url("www"), ...keys], env: {} });
}

async function race(clones: number, { repository, args, env }: Way): Promise<Race> {
  await using directory = await tempDir("race");
  const sources = await makeClones(directory.path, clones);
  const started = performance.now();
  const runs = await Promise.all(
    sources.map(async ({ clone, release }, n) => {
      await delay(n * APART);
      const environment = { ...env, UNIKERNEL_DEPLOY_CACHE: path.join(clone, "..", `cache-${n}`) };
      const argv = [CLI, "deploy", "--release", release, ...args, "--json"];
      const options = { cwd: clone, env: gitEnvironment(environment), timeoutMs: 600_000 };
      return run(process.execPath, argv, options);
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  const problems = runs.flatMap(({ code, stderr }, n) =>
    code === 0 ? [] : [`deploy ${n + 1} ended with ${code}: ${stderr}`],
  );
  const outcomes = runs.map(({ stdout, code }) => (code === 0 ? outcomeOf(stdout) : "failed"));
  const count = (outcome: string) => outcomes.filter((found) => found === outcome).length;
  const order = sources.map(({ commit }) => commit);
  problems.push(...(await lookAt(repository, order, count("deployed"))));
  if (count("deployed") + count("superseded") !== clones) problems.push(`outcomes: ${outcomes.join(" ")}`);
  return { deployed: count("deployed"), superseded: count("superseded"), seconds, problems };
}

const outcomeOf = (stdout: string) => (JSON.parse(stdout) as { deployed: { outcome: string } }).deployed.outcome;

/** What is wrong with the branch after the race. */
async function lookAt(repository: string, order: readonly string[], deployed: number): Promise<string[]> {
  const problems: string[] = [];
  const fsck = await run("git", ["fsck", "--strict"], { cwd: repository });
  if (fsck.code !== 0) problems.push(`git fsck: ${fsck.stderr}`);
  const format =
    "--format=%(trailers:key=Source-Commit,valueonly,separator=%x20)|%(trailers:key=Release-Sequence,valueonly,separator=%x20)";
  const log = (await git(repository, "log", "--reverse", "--first-parent", format, "main")).split("\n");
  const places = log.map((line) => order.indexOf(line.split("|")[0]?.trim() as string));
  const sequences = log.map((line) => Number(line.split("|")[1]));
  const rises = (numbers: readonly number[]) =>
    numbers.every((number, i) => i === 0 || number > (numbers[i - 1] as number));
  if (!rises(places)) problems.push(`commits out of order: ${places.join(" ")}`);
  if (!rises(sequences)) problems.push(`sequences do not rise: ${sequences.join(" ")}`);
  if (log.length !== deployed) problems.push(`${deployed} said that they were deployed, the branch has ${log.length}`);
  if (places.at(-1) !== order.length - 1) problems.push("the last commit is not at the tip");
  const refs = (await git(repository, "for-each-ref", "--format=%(refname)")).split("\n");
  if (refs.length !== deployed + 1) problems.push(`${refs.length} refs`);
  return problems;
}

interface Clone {
  readonly clone: string;
  readonly release: string;
  readonly commit: string;
}

/** One commit after the other, each with a clone and a release of its own. */
async function makeClones(directory: string, count: number): Promise<Clone[]> {
  const source = path.join(directory, "source");
  const devices = [
    { name: "service", type: "net" },
    { name: "storage", type: "block" },
  ] as const;
  await mkdir(source);
  await writeFile(path.join(source, "www.hvt"), solo5Kernel({ devices }));
  await git(source, "init", "--quiet", "--initial-branch=main");
  const clones: Clone[] = [];
  const text = (n: number) => `<title>${n}</title>\n${"Hello, world. ".repeat(200)}\n`;
  await writeTree(
    path.join(source, "site"),
    Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`${n}.html`, text(n)])),
  );
  for (let n = 0; n < count; n++) {
    await writeTree(path.join(source, "site"), {
      "index.html": `<title>${n}</title>\n`,
      [`${n % 50}.html`]: text(n + 1000),
    });
    await git(source, "add", "--all");
    // A clone knows its own past and no later commit: their times tell which is the later one.
    const date = { GIT_COMMITTER_DATE: new Date(Date.UTC(2026, 0, 1, 0, n)).toISOString() };
    await output("git", ["commit", "--quiet", `--message=Commit ${n}`], { cwd: source, env: gitEnvironment(date) });
    const clone = path.join(directory, `clone-${n}`);
    await git(directory, "clone", "--quiet", source, clone);
    const release = path.join(directory, `release-${n}`);
    const built = await runCli(clone, ["build", "--kernel", "www.hvt", "--data", "site", "--out", release]);
    if (built.code !== 0) throw new Error(`build ended with ${built.code}: ${built.stderr}`);
    clones.push({ clone, release, commit: await git(clone, "rev-parse", "HEAD") });
  }
  return clones;
}

const show = (way: string, clones: number, { deployed, superseded, seconds, problems }: Race) =>
  process.stdout.write(
    `${clones} over ${way}: ${deployed} deployed, ${superseded} superseded, in ${seconds.toFixed(1)} s\n${problems.map((problem) => `${problem}\n`).join("")}`,
  );

export async function soak(clones: number): Promise<boolean> {
  const http = await raceOverHttp(clones);
  show("HTTP", clones, http);
  const fewer = Math.ceil(clones / 4);
  const ssh = await raceOverSsh(fewer);
  show("SSH", fewer, ssh);
  const isCalm = ({ problems, deployed }: Race, of: number) => problems.length === 0 && deployed >= of * 0.75;
  return isCalm(http, clones) && isCalm(ssh, fewer);
}
