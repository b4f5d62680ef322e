/**
 * A run that is stopped, at any point: no key and no program of ours stays behind, the branch is whole, the end is told, and
 * the exit code is the conventional one. After SIGKILL, with which nobody can do anything, the next run cleans up.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { chmod, mkdir, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, describe, test } from "node:test";
import { gitServer } from "../support/git-server.ts";
import { git, gitEnvironment } from "../support/process.ts";
import { CLI, newProject, type Project, ROOT, runCli } from "../support/project.ts";
import { sshServer, sshServerMissing } from "../support/ssh-server.ts";
import { tempDir } from "../support/temp.ts";

const TOKEN = "a-token-that-opens-everything";
let project: Project;
let release: string;
before(async () => {
  project = await newProject();
  release = await project.build();
});
after(() => project[Symbol.asyncDispose]());

interface Stopped {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

/** Starts a program, stops it once `reached` settles, and waits for its end. */
async function stopped(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  signal: NodeJS.Signals,
  reached: Promise<unknown>,
): Promise<Stopped> {
  const child = spawn(process.execPath, argv, { cwd: project.source, env, stdio: ["ignore", "pipe", "pipe"] });
  const said = Promise.all([text(child.stdout), text(child.stderr)]);
  const ended = once(child as ChildProcess, "close");
  const early = ended.then(async () => assert.fail(`it ended too soon: ${(await said).join("\n")}`));
  early.catch(() => {});
  await Promise.race([reached, early]);
  child.kill(signal);
  const [code, by] = (await ended) as [number | null, NodeJS.Signals | null];
  return { code, signal: by, output: (await said).join("\n") };
}

/** Ids of the processes that have this in their environment. */
function processesWith(mark: string): string[] {
  return readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/environ`, "latin1").split("\0").includes(mark);
    } catch {
      return false;
    }
  });
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    assert.ok(tries < 600, "this never came");
    await sleep(50);
  }
}

const deployArguments = (repository: string, ...more: string[]) => [
  CLI,
  "deploy",
  "--release",
  release,
  "--repository",
  repository,
  ...more,
];

describe("a deploy by http that is stopped", () => {
  for (const [signal, service, direction] of [
    ["SIGTERM", "git-receive-pack", "response"],
    ["SIGINT", "git-upload-pack", "response"],
    ["SIGHUP", "git-receive-pack", "response"],
  ] as const) {
    test(`by ${signal} in the ${direction} of ${service}`, async () => {
      await using server = await gitServer({ token: TOKEN });
      const repository = await server.createRepository("www");
      await using dir = await tempDir("cancel");
      const reached = new Promise<void>((resolve) => {
        server.fault = (request) => {
          if (request.service !== service) return undefined;
          setTimeout(resolve, 300);
          return { stallAfterBytes: 0, direction };
        };
      });
      const env = gitEnvironment({ TMPDIR: dir.path });
      const end = await stopped(deployArguments(server.repositoryUrl("www", "git")), env, signal, reached);
      assert.equal(end.signal, signal);
      assert.match(end.output, new RegExp(`error\\[CANCELLED\\]: stopped by ${signal}`));
      assert.deepEqual(await readdir(dir.path), []);
      assert.deepEqual(processesWith(`TMPDIR=${dir.path}`), []);
      await git(repository, "fsck", "--strict");
      server.fault = undefined;
      const again = await runCli(project.source, deployArguments(server.repositoryUrl("www", "git")).slice(1));
      assert.equal(again.code, 0, again.stderr);
      assert.equal(await git(repository, "rev-list", "--count", "main"), "1");
    });
  }
});

describe("a deploy by ssh", { skip: sshServerMissing() }, () => {
  /** A server whose hook waits, and a way to let it go on. */
  async function waiting(directory: string) {
    const server = await sshServer();
    const repository = await server.createRepository("www");
    const [began, go] = [path.join(directory, "began"), path.join(directory, "go")];
    const hook = path.join(repository, "hooks", "pre-receive");
    await writeFile(hook, `#!/bin/sh\ncat >/dev/null\ntouch ${began}\nwhile [ ! -e ${go} ]; do sleep 0.05; done\n`);
    await chmod(hook, 0o755);
    const more = ["--ssh-key", server.clientKeyFile, "--known-hosts", server.knownHostsFile];
    return { server, repository, began, go, argv: deployArguments(server.url("www"), ...more) };
  }

  test("that is stopped while the server thinks leaves no key, and the branch and its tag together or not at all", async () => {
    await using dir = await tempDir("cancel");
    const { server, repository, began, go, argv } = await waiting(dir.path);
    await using _server = server;
    const TMPDIR = dir.join("tmp");
    await mkdir(TMPDIR);
    const reached = until(() => existsSync(began));
    const end = await stopped(argv, gitEnvironment({ TMPDIR }), "SIGTERM", reached);
    assert.equal(end.signal, "SIGTERM");
    assert.match(end.output, /error\[CANCELLED\]/);
    assert.deepEqual(await readdir(TMPDIR), []);
    assert.deepEqual(processesWith(`TMPDIR=${TMPDIR}`), []);
    await writeFile(go, "");
    const again = await runCli(project.source, argv.slice(1));
    assert.equal(again.code, 0, again.stderr);
    assert.equal((await git(repository, "for-each-ref", "--format=%(refname)")).split("\n").length, 2);
    assert.equal(await git(repository, "rev-list", "--count", "main"), "1");
    await git(repository, "fsck", "--strict");
  });

  test("that is killed leaves its key to the next run, which removes it, and nothing that is still in use", async () => {
    await using dir = await tempDir("cancel");
    const { server, began, go, argv } = await waiting(dir.path);
    await using _server = server;
    const TMPDIR = dir.join("tmp");
    await mkdir(TMPDIR);
    const env = gitEnvironment({ TMPDIR });
    await stopped(
      argv,
      env,
      "SIGKILL",
      until(() => existsSync(began)),
    );
    const left = await readdir(TMPDIR);
    assert.ok(
      left.some((name) => name.startsWith("unikernel-deploy-ssh-")),
      left.join(),
    );
    const inUse = left[0]?.replace(/-\d+-(\w{6})$/, `-${process.pid}-abcdef`) as string;
    const elsewhere = left[0]?.replace(/-[0-9a-f]{8}-/, "-01234567-") as string;
    await mkdir(path.join(TMPDIR, inUse));
    await mkdir(path.join(TMPDIR, elsewhere));
    await mkdir(path.join(TMPDIR, "unikernel-deploy-notes"));
    await writeFile(go, "");
    const again = await runCli(project.source, argv.slice(1), { TMPDIR });
    assert.equal(again.code, 0, again.stderr);
    assert.deepEqual((await readdir(TMPDIR)).sort(), [elsewhere, inUse, "unikernel-deploy-notes"].sort());
  });
});

describe("the Action", () => {
  test("that is stopped while it builds ends the build, and everything that the build started", async () => {
    await using dir = await tempDir("cancel");
    const began = dir.join("began");
    const env = {
      ...gitEnvironment({ TMPDIR: dir.path, GITHUB_WORKSPACE: project.source, RUNNER_TEMP: dir.path }),
      INPUT_MODE: "build",
      INPUT_KERNEL: "www.hvt",
      INPUT_DATA: "site",
      INPUT_BUILD: `sh -c 'touch ${began}; sleep 300' & wait`,
    };
    const action = [path.join(ROOT, "dist", "action.js")];
    const end = await stopped(
      action,
      env,
      "SIGINT",
      until(() => existsSync(began)),
    );
    assert.equal(end.code, 130);
    assert.match(end.output, /::error::error\[CANCELLED\]: stopped by SIGINT/);
    assert.deepEqual(processesWith(`TMPDIR=${dir.path}`), []);
    assert.deepEqual(await readdir(dir.path), ["began"]);
  });
});
