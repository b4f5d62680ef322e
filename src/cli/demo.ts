/** The verb `demo`: the whole job on this machine, with a real kernel, real git and nothing else needed. */
import { appendFileSync, cpSync, existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { bootDirectory } from "../checks/boot/boot-release.ts";
import { openAccess } from "../destination/access.ts";
import { gitDestination } from "../destination/git.ts";
import { DeployError } from "../errors.ts";
import { syncHost } from "../host/sync.ts";
import { readConfig, readHostConfig } from "../inputs/config.ts";
import { flagStyle } from "../inputs/raw.ts";
import { publishOptions } from "../ports.ts";
import { renderBoot } from "../report/boot.ts";
import type { RunResult } from "../report/result.ts";
import { renderRelease, renderVerdict } from "../report/text.ts";
import { run } from "../run.ts";
import { makeDirectories } from "../util/files.ts";
import { run as runProgram } from "../util/exec.ts";
import { silentLog } from "../util/log.ts";
import { formatDuration, formatSize } from "../util/size.ts";
import type { Command, Io } from "./command.ts";

export const demo: Command = {
  usage: "[--dir DIR]",
  about: `
Takes the example site and the example unikernel through the whole job, on this machine: builds a release, checks it,
pushes it to a deployment repository (a bare one, here), changes a page, deploys again, and lets a host fetch and verify
the result. Where qemu is installed, what was built and what the host has are booted, and every page is fetched. Needs
git. Everything it makes stays in DIR for you to look at.`,
  options: {
    dir: { value: "DIR", help: "new directory to work in (default: one below the system's temporary directory)" },
  },
  positionals: [],
  examples: ["unikernel-deploy demo", "unikernel-deploy demo --dir /tmp/demo"],
  async run(args, io) {
    const started = performance.now();
    const stage = prepare(args.text("dir"), io);
    const tell = (text: string) => io.log.info(text);
    tell(`The whole job, in ${stage.directory}\n`);

    tell("1. A site and a unikernel, in a source repository");
    await commitSource(stage, "A first version of the site");
    tell(`   site    ${stage.site}: ${countFiles(stage.site)} files`);
    tell(`   kernel  ${stage.kernel}: ${formatSize(statSync(stage.kernel).size)}, it serves a tar volume over HTTP\n`);

    tell("2. Build, split, check: the site becomes a block image, the kernel stays as it is");
    const built = await deployOnce(stage, io, "build");
    tell(indent(renderRelease(built.manifest)));
    tell(`   checks  ${renderVerdict(built.findings)}`);
    tell(`   took    ${formatDuration(total(built))}\n`);

    tell("3. Deploy: one commit with kernel, image and manifest, one tag for the source commit");
    tell(`   ${deployedLine(await deployOnce(stage, io, "deploy"))}\n`);

    tell("4. One page changes, and is deployed");
    appendFileSync(path.join(stage.site, "index.html"), "<!-- changed by the demo -->\n");
    await commitSource(stage, "Change one page");
    tell(`   ${deployedLine(await deployOnce(stage, io, "deploy"))}\n`);

    tell("5. A host fetches the release, verifies every digest, and makes it current");
    const host = await syncDemoHost(stage, io);
    tell(`   release ${host.manifest.sequence} at ${host.release}`);
    tell(`   current ${path.join(stage.directory, "host", "current")}\n`);

    tell("6. Boot what was built and what the host has, and fetch every page");
    await bootStep(stage, host.release, io);

    const took = performance.now() - started;
    const where = [
      `Done in ${formatDuration(took)}. Where to look:`,
      `  git -C ${stage.repository} log --stat`,
      `  cat ${path.join(stage.release, "manifest.json")}`,
      `  ls -lR ${path.join(stage.directory, "host", "current")}/`,
      `  node ${path.join(io.root, "dist", "cli.js")} image ls ${path.join(host.release, "volumes", "data.img")}`,
    ];
    io.answer(
      { directory: stage.directory, manifest: host.manifest, release: host.release, milliseconds: Math.round(took) },
      where.join("\n"),
    );
    return 0;
  },
};

/** Boots both releases; a machine that cannot is told how it could, and a failure is a failure of the demo. */
async function bootStep(stage: Stage, hostRelease: string, io: Io): Promise<void> {
  for (const directory of [stage.release, hostRelease]) {
    const reports = await bootDirectory(directory, { env: io.env });
    io.log.info(renderBoot(reports).replaceAll(/^/gm, "   "));
    if (reports.some(({ outcome }) => outcome === "failed")) {
      throw new DeployError("LAUNCH_FAILED", `the release in ${directory} does not boot`, {
        hint: "the lines above say why",
      });
    }
    if (reports.every(({ outcome }) => outcome === "skipped")) break;
  }
  io.log.info("");
}

interface Stage {
  readonly directory: string;
  /** The source repository. */
  readonly source: string;
  readonly site: string;
  readonly kernel: string;
  readonly release: string;
  readonly repository: string;
}

function prepare(named: string | undefined, io: Io): Stage {
  const directory = path.resolve(io.directory, named ?? path.join(tmpdir(), `unikernel-deploy-demo-${process.pid}`));
  if (existsSync(directory) && readdirSync(directory).length > 0) {
    throw new DeployError("OUTPUT_NOT_OURS", `${directory} is not empty`, { hint: "give a new directory with --dir" });
  }
  const examples = path.join(io.root, "examples");
  const kernel = path.join(examples, "kernel", "site.virtio");
  if (!existsSync(kernel)) {
    throw new DeployError("USAGE", `${kernel} is missing`, {
      hint: "run the demo from a clone of the repository: it uses examples/",
    });
  }
  const source = path.join(directory, "source");
  const stage = {
    directory,
    source,
    site: path.join(source, "site"),
    kernel: path.join(source, "site.virtio"),
    release: path.join(directory, "release"),
    repository: path.join(directory, "deployment.git"),
  };
  makeDirectories(source);
  cpSync(path.join(examples, "site"), stage.site, { recursive: true });
  cpSync(kernel, stage.kernel);
  return stage;
}

const IDENTITY = ["-c", "user.name=demo", "-c", "user.email=demo@deploy.invalid", "-c", "commit.gpgSign=false"];

async function commitSource({ source, repository }: Stage, message: string): Promise<void> {
  const git = (...args: string[]) => runProgram(["git", ...IDENTITY, "-C", source, ...args]);
  if (!existsSync(path.join(source, ".git"))) {
    await git("init", "--quiet", "--initial-branch=main");
    await runProgram(["git", "init", "--quiet", "--bare", "--initial-branch=main", repository]);
    await runProgram(["git", "-C", repository, "config", "uploadpack.allowFilter", "true"]);
  }
  await git("add", "--all");
  await git("commit", "--quiet", `--message=${message}`);
}

async function deployOnce(stage: Stage, io: Io, mode: "build" | "deploy"): Promise<RunResult> {
  const raw = { name: "demo", kernel: [stage.kernel], data: [stage.site], memory: "16" };
  const config = readConfig(undefined, raw, flagStyle);
  const env = Object.fromEntries(Object.entries(io.env).filter(([name]) => !name.startsWith("GITHUB_")));
  using access = openAccess({ repository: stage.repository, directory: stage.source, env });
  const destination = gitDestination({ access, branch: "main", path: "", log: silentLog, random: Math.random });
  const publish = await publishOptions({
    layout: "image",
    force: false,
    dryRun: false,
    signingKey: undefined,
    directory: stage.source,
    env,
    log: silentLog,
  });
  const plan = {
    release: { kind: "build", out: stage.release },
    deploy: mode === "deploy",
    reason: "the demo",
  } as const;
  const ports = {
    log: silentLog,
    directory: stage.source,
    env,
    tools: { "unikernel-deploy": io.version },
    destination,
    publish,
  };
  const result = await run(plan, config, ports);
  if (result.passed) return result;
  throw new DeployError("IO_FAILED", `the example release does not pass its checks: ${renderVerdict(result.findings)}`);
}

async function syncDemoHost(stage: Stage, io: Io) {
  const text = `name: demo\nrepository: ${JSON.stringify(stage.repository)}\ntarget: virtio\nstate: host\n`;
  const file = path.join(stage.directory, "host.yml");
  writeFileSync(file, text);
  const options = {
    config: readHostConfig({ name: file, text }),
    directory: stage.directory,
    env: io.env,
    log: silentLog,
    sshKey: undefined,
    knownHosts: undefined,
    now: () => new Date(),
  };
  return syncHost(options, { allowDowngrade: false, dryRun: false });
}

const countFiles = (directory: string) =>
  readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length;

const total = ({ times }: RunResult) => Object.values(times).reduce((sum, time) => sum + time, 0);

const indent = (text: string) => text.replaceAll(/^ {2}/gm, "   ");

function deployedLine({ published, times }: RunResult): string {
  if (!published) return "not deployed";
  const { manifest, changed, sent, revision } = published;
  return `release ${manifest.sequence} is commit ${revision?.slice(0, 12)}: ${changed} files, ${sent ?? "?"} sent, ${formatDuration(times.deploy ?? 0)}`;
}
