/**
 * Changes what a deployment repository holds, one byte or one trick at a time, and has hosts look at it: one that has the
 * release before and a guest running, one that has this very release, and one that has nothing. All have to refuse with exit
 * code 4. As a soak test:
 *
 *     npm run soak -- host-tamper [CHANGES]        200 by default
 */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, readlinkSync, rmSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { DeployError } from "../../src/errors.ts";
import { findMarked } from "../../src/host/processes.ts";
import { syncHost } from "../../src/host/sync.ts";
import { readHostConfig } from "../../src/inputs/config.ts";
import { silentLog } from "../../src/util/log.ts";
import { git, gitEnvironment, output } from "../support/process.ts";
import { ROOT } from "../support/project.ts";
import { tempDir } from "../support/temp.ts";
import { freePort, type Hosting, hosting } from "./hosting.ts";

export interface Tampering {
  readonly what: string;
  /** What each host did that it should not have. */
  readonly problems: readonly string[];
}

/** A file as a tree has it; null takes it out. */
export type Change = Readonly<Record<string, { readonly content: Buffer; readonly mode?: string } | null>>;

/** `large`: the site has a file that is stored in parts, which takes its time. */
export async function tamper(
  changes: number,
  large: boolean,
  onDone: (done: Tampering) => void = () => {},
): Promise<Tampering[]> {
  const done: Tampering[] = [];
  for (const layout of ["image", "files"] as const) {
    await using scene = await stage(layout, large);
    const files = await namedFiles(scene.host.repository, layout);
    const random = generator(layout === "image" ? 7 : 11);
    const look = async (what: string, change: Change) => {
      const tampering = { what: `${layout}: ${what}`, problems: await scene.look(change) };
      done.push(tampering);
      onDone(tampering);
    };
    for (let i = 0; i < Math.ceil(changes / 2); i++) {
      const file = files[random(files.length)] as string;
      const content = await show(scene.host.repository, file);
      const at = random(content.length);
      const flip = 1 + random(255);
      content[at] = (content[at] as number) ^ flip;
      await look(`${file} at ${at} xor ${flip}`, { [file]: { content } });
    }
    for (const [what, change] of Object.entries(await tricks(scene, layout))) await look(what, change);
    const replayed = { what: `${layout}: an older release again`, problems: await scene.replay() };
    done.push(replayed);
    onDone(replayed);
  }
  return done;
}

interface Scene extends AsyncDisposable {
  readonly host: Hosting;
  readonly keys: { readonly good: string; readonly other: string };
  readonly kernel: string;
  look(change: Change): Promise<string[]>;
  replay(): Promise<string[]>;
}

/** Two releases, the first one running, and three hosts. */
async function stage(layout: "image" | "files", large: boolean): Promise<Scene> {
  const kernels = await tempDir("kernel");
  execFileSync("sh", [path.join(ROOT, "examples/unix-kernel/build.sh"), kernels.path]);
  const kernel = kernels.join("site-server");
  const host = await hosting({ kernel, target: "unix", layout });
  const key = (name: string) => host.directory.join(name);
  for (const name of ["good", "other"])
    await output("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", key(name)]);
  await writeFile(key("allowed"), `deploy ${await readFile(key("good.pub"), "utf8")}`);
  const port = await freePort();
  const health = `health: {url: "http://127.0.0.1:${port}/"}\nlaunch: {args: ["{image:data}", "--port=${port}"]}\n`;
  await host.configure(`allowed-signers: allowed\npoll: 1s\n${health}`);
  const site = (n: number) => ({
    "index.html": `${n}\n`,
    "b.bin": "b".repeat(5000 + n),
    "c/d.html": "d\n",
    // More than what is stored in one piece: parts, whatever the layout.
    ...(large ? { "large.bin": Buffer.alloc(52 * 1024 * 1024, `large ${n}`).toString("latin1") } : {}),
  });
  const signed = { more: ["--signing-key", key("good")] };
  const one = await host.deploy(site(1), signed);
  const first = await git(host.repository, "rev-parse", "main");
  const up = host.up();
  await up.line(new RegExp(`release ${one.release}: current`));
  // The guest serves on without its supervisor, so that hosts can be looked at one by one.
  up.child.kill("SIGKILL");
  await host.deploy(site(2), signed);
  const tip = await git(host.repository, "rev-parse", "main");
  const guests = () => findMarked("UNIKERNEL_DEPLOY_HOST_GUEST", `${host.state}:`).map(({ pid }) => pid);
  const before = guests().join();
  const current = () => readlinkSync(path.join(host.state, "current"));
  const release = current();
  await syncIn(host, "here");
  const isHere = readlinkSync(host.directory.join("here/current"));
  let looks = 0;
  const judge = async (): Promise<string[]> => {
    const problems: string[] = [];
    // A host that has nothing fetches all of it: now and then is enough.
    const states = looks++ % 5 === 0 ? ["state", "here", "empty"] : ["state", "here"];
    for (const state of states) {
      if (state === "empty") rmSync(host.directory.join(state), { recursive: true, force: true });
      const code = await syncIn(host, state);
      if (code !== 4) problems.push(`${state}: exit code ${code}`);
    }
    if (current() !== release) problems.push(`current is ${current()}`);
    if (readlinkSync(host.directory.join("here/current")) !== isHere) problems.push("current of the other host moved");
    if (guests().join() !== before) problems.push("the guest is another");
    return problems;
  };
  return {
    host,
    kernel,
    keys: { good: key("good"), other: key("other") },
    async look(change) {
      await commit(host.repository, tip, change);
      return judge();
    },
    async replay() {
      // Only who has seen a newer one can tell.
      await git(host.repository, "update-ref", "refs/heads/main", first);
      const code = await syncIn(host, "here");
      return code === 4 ? [] : [`here: exit code ${code}`];
    },
    async [Symbol.asyncDispose]() {
      await host[Symbol.asyncDispose]();
      await kernels[Symbol.asyncDispose]();
    },
  };
}

/** host sync with another state directory; its exit code. */
export async function syncIn(host: Hosting, state: string): Promise<number> {
  const text = readFileSync(host.config, "utf8").replace("state: state", `state: ${state}`);
  try {
    await syncHost(
      {
        config: readHostConfig({ name: host.config, text }),
        directory: host.directory.path,
        env: gitEnvironment(),
        log: silentLog,
        sshKey: undefined,
        knownHosts: undefined,
        now: () => new Date(),
      },
      { allowDowngrade: false, dryRun: false },
    );
    return 0;
  } catch (error) {
    if (error instanceof DeployError) return error.exitCode;
    throw error;
  }
}

/** Everything at the tip but what nobody relies on: each is named by the manifest, or part of a volume, or what signs. */
async function namedFiles(repository: string, layout: string): Promise<string[]> {
  const files = (await git(repository, "ls-tree", "-r", "--name-only", "main")).split("\n");
  const trusted = files.filter((file) => file !== "README.md");
  const manifest = JSON.parse(await git(repository, "show", "main:manifest.json")) as { files: { path: string }[] };
  const named = new Set(manifest.files.map((file) => file.path));
  const known = /^(?:manifest\.json|manifest\.json\.sig|kernels\/.*|volumes\/.*)$/;
  const unknown = trusted.filter((file) => !known.test(file) && !named.has(file));
  if (unknown.length > 0) throw new Error(`${layout}: nobody vouches for ${unknown.join(", ")}`);
  return trusted;
}

async function tricks({ host, keys, kernel }: Scene, layout: string): Promise<Record<string, Change>> {
  const { repository } = host;
  const manifest = await show(repository, "manifest.json");
  const files = (await git(repository, "ls-tree", "-r", "--name-only", "main")).split("\n");
  const part = files.find((file) => /\.parts\/.*0000$/.test(file)) ?? "SHA256SUMS";
  const swapped = Buffer.concat([readFileSync(kernel), Buffer.alloc(16)]);
  const climbing = Buffer.from(manifest.toString("utf8").replace('"SHA256SUMS"', '"../../SHA256SUMS"'));
  return {
    "signed by another key": { "manifest.json.sig": { content: sign(manifest, keys.other) } },
    "not signed": { "manifest.json.sig": null },
    "a missing part": { [part]: null },
    "another kernel": { "kernels/www.unix": { content: swapped } },
    "no kernel": { "kernels/www.unix": null },
    "a link in place of a file": { SHA256SUMS: { content: Buffer.from("/etc/passwd"), mode: "120000" } },
    "a manifest with a path that climbs out": {
      "manifest.json": { content: climbing },
      "manifest.json.sig": { content: sign(climbing, keys.good) },
    },
    "a manifest of another site": other(manifest, keys.good, (text) => text.replace('"name": "www"', '"name": "xxx"')),
    "a manifest of no kind": other(manifest, keys.good, () => "{}\n"),
    ...(layout === "files"
      ? {
          "one more file in the site": { "volumes/data/zzz.html": { content: Buffer.from("more\n") } },
          "a file in the tree that climbs out": { "volumes/data/../../../etc/x": { content: Buffer.from("x\n") } },
          "a file of the site missing": { "volumes/data/index.html": null },
        }
      : {}),
  };
}

function other(manifest: Buffer, key: string, change: (text: string) => string): Change {
  const content = Buffer.from(change(manifest.toString("utf8")));
  return { "manifest.json": { content }, "manifest.json.sig": { content: sign(content, key) } };
}

export function sign(content: Buffer, key: string): Buffer {
  return execFileSync("ssh-keygen", ["-q", "-Y", "sign", "-f", key, "-n", "unikernel-deploy"], { input: content });
}

async function show(repository: string, file: string): Promise<Buffer> {
  const { stdout } = spawnSync("git", ["show", `main:${file}`], { cwd: repository, maxBuffer: 1 << 30 });
  return stdout;
}

interface Entry {
  readonly mode: string;
  readonly id: string;
}

/** Makes `main` what `base` is, with the change. Trees are written as bytes: git itself would refuse some names. */
export async function commit(repository: string, base: string, change: Change): Promise<void> {
  const entries = new Map<string, Entry>();
  for (const line of (await git(repository, "ls-tree", "-r", "-z", base)).split("\0")) {
    const match = /^(\d+) blob ([0-9a-f]+)\t(.*)$/s.exec(line);
    if (match) entries.set(match[3] as string, { mode: match[1] as string, id: match[2] as string });
  }
  for (const [file, to] of Object.entries(change)) {
    if (to === null) entries.delete(file);
    else entries.set(file, { mode: to.mode ?? "100644", id: write(repository, "blob", to.content) });
  }
  const tree = writeTree(repository, [...entries]);
  const made = await git(repository, "commit-tree", "-p", base, "-m", "Not what it seems", tree);
  await git(repository, "update-ref", "refs/heads/main", made);
}

function writeTree(repository: string, entries: readonly (readonly [string, Entry])[]): string {
  const below = new Map<string, [string, Entry][]>();
  const here = new Map<string, Entry>();
  for (const [name, entry] of entries) {
    const slash = name.indexOf("/");
    if (slash < 0) here.set(name, entry);
    else below.set(name.slice(0, slash), [...(below.get(name.slice(0, slash)) ?? []), [name.slice(slash + 1), entry]]);
  }
  for (const [name, inner] of below) here.set(name, { mode: "40000", id: writeTree(repository, inner) });
  const key = ([name, { mode }]: [string, Entry]) => Buffer.from(mode === "40000" ? `${name}/` : name);
  const sorted = [...here].toSorted((a, b) => Buffer.compare(key(a), key(b)));
  const bytes = sorted.flatMap(([name, { mode, id }]) => [Buffer.from(`${mode} ${name}\0`), Buffer.from(id, "hex")]);
  return write(repository, "tree", Buffer.concat(bytes));
}

function write(repository: string, type: string, content: Buffer): string {
  const argv = ["hash-object", "-t", type, "-w", "--stdin", "--literally"];
  return execFileSync("git", argv, { cwd: repository, input: content, env: gitEnvironment() }).toString().trim();
}

function generator(seed: number): (below: number) => number {
  let x = seed;
  return (below) => {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) | 0;
    return Math.floor(((x >>> 0) / 2 ** 32) * below);
  };
}

export async function soak(changes: number): Promise<boolean> {
  const done = await tamper(changes, true, ({ what, problems }) => {
    process.stdout.write(`${problems.length === 0 ? "refused" : "WRONG  "} ${what} ${problems.join("; ")}\n`);
  });
  const wrong = done.filter(({ problems }) => problems.length > 0).length;
  process.stdout.write(`${done.length} changes, ${wrong} not refused by every host\n`);
  return wrong === 0;
}
