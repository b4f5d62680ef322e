/** The Action as a runner runs it: dist/action.js under Node 24, with inputs, event, and the files a runner gives. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, test } from "node:test";
import { type RunActionOptions, runAction } from "../support/action-runner.ts";
import { cacheService } from "../support/cache-service.ts";
import { githubRest } from "../support/github-rest.ts";
import { gitServer } from "../support/git-server.ts";
import { serve } from "../support/http.ts";
import { git, run } from "../support/process.ts";
import { newProject, type Project, ROOT } from "../support/project.ts";
import { createBareRepository } from "../support/repository.ts";
import { sshServer, sshServerMissing } from "../support/ssh-server.ts";

const INPUTS = { kernel: "www.hvt", data: "site" };

async function act(project: Project, options: Omit<RunActionOptions, "directory" | "workspace">) {
  const sha = await git(project.source, "rev-parse", "HEAD");
  const result = await runAction({
    directory: ROOT,
    workspace: project.source,
    runnerTemp: project.directory.join("temp"),
    ...options,
    inputs: { ...INPUTS, ...options.inputs },
    context: {
      eventName: "push",
      ref: "refs/heads/main",
      sha,
      repository: "mirage/www",
      defaultBranch: "main",
      ...options.context,
    },
  });
  assert.deepEqual(result.undeclaredOutputs, []);
  return result;
}

/** The wire form of an ed25519 key that nobody has. */
const PUBLIC_KEY = Buffer.concat([
  Buffer.from([0, 0, 0, 11]),
  Buffer.from("ssh-ed25519"),
  Buffer.from([0, 0, 0, 32]),
  Buffer.alloc(32, 7),
]).toString("base64");

describe("mode auto", () => {
  test("builds, checks and deploys a push to the default branch", async () => {
    await using project = await newProject();
    await using server = await gitServer({ token: "token-of-the-test" });
    const repository = await server.createRepository("mirage/www-deployment");
    const result = await act(project, {
      inputs: {
        build: "mkdir -p site && echo built > site/built.txt && echo from the build",
        "deployment-repository": "mirage/www-deployment",
        token: "token-of-the-test",
      },
      context: { serverUrl: server.url },
    });
    assert.equal(result.conclusion, "success", result.log);
    assert.match(result.log, /from the build/);
    assert.match(result.log, /will deploy: a push to the default branch main/);
    const tip = await git(repository, "rev-parse", "main");
    const manifest = JSON.parse(await readFile(result.outputs.manifest as string, "utf8"));
    assert.equal(result.outputs["deployed-commit"], tip);
    assert.equal(result.outputs.changed, "true");
    assert.equal(result.outputs.sequence, "1");
    assert.equal(result.outputs["kernel-sha256"], manifest.kernels[0].sha256);
    assert.equal(result.outputs["data-sha256"], manifest.volumes[0].sha256);
    assert.equal(JSON.parse(await readFile(result.outputs.report as string, "utf8")).passed, true);
    assert.match(result.summary, /deployed as release 1/);
    assert.match(result.summary, /volume `data`/);
    const subject = await git(repository, "log", "-1", "--format=%s", "main");
    assert.equal(subject, `Deploy www from mirage/www@${manifest.source.commit.slice(0, 12)}`);
    assert.equal(
      await git(repository, "show", "main:manifest.json").then((text) => JSON.parse(text).source.repository),
      `${server.url}/mirage/www`,
    );
  });

  for (const [name, context] of Object.entries({
    "a pull request": { eventName: "pull_request", ref: "refs/pull/7/merge" },
    "a push to another branch": { eventName: "push", ref: "refs/heads/wip" },
    "a schedule": { eventName: "schedule", ref: "refs/heads/main" },
    "a tag": { eventName: "push", ref: "refs/tags/v1" },
  })) {
    test(`builds and checks ${name}, and deploys nothing`, async () => {
      await using project = await newProject();
      const repository = await createBareRepository(project.directory.path, "deployment");
      const result = await act(project, { inputs: { "deployment-repository": repository }, context });
      assert.equal(result.conclusion, "success", result.log);
      assert.equal(result.outputs.changed, "false");
      assert.equal(await git(repository, "for-each-ref"), "");
      assert.match(result.log, /will not deploy/);
      assert.match(result.summary, /not deployed/);
    });
  }

  test("deploys nothing when a check finds an error, and fails the step with annotations", async () => {
    await using project = await newProject();
    const repository = await createBareRepository(project.directory.path, "deployment");
    const result = await act(project, { inputs: { "deployment-repository": repository, device: "nosuch" } });
    assert.equal(result.conclusion, "failure");
    assert.equal(await git(repository, "for-each-ref"), "");
    assert.match(result.summary, /❌/);
    const titles = result.annotations
      .filter(({ level }) => level === "error")
      .map(({ properties }) => properties.title);
    assert.ok(titles.includes("kernel-devices"), JSON.stringify(result.annotations));
    assert.ok(result.outputs.report, "the report is there to look at");
  });

  test("puts a finding beside the line of the page it is about", async () => {
    await using project = await newProject();
    await project.write({ "index.html": '<!doctype html>\n<title>Home</title>\n<a href="nowhere.html">x</a>\n' });
    await project.commit();
    const result = await act(project, {});
    assert.equal(result.conclusion, "success", result.log);
    const link = result.annotations.find(({ properties }) => properties.title === "site-links");
    assert.equal(link?.properties.file, "site/index.html");
    assert.equal(link?.properties.line, "3");
  });

  test("says what an ignored finding was ignored by", async () => {
    await using project = await newProject();
    const result = await act(project, { inputs: { device: "nosuch", ignore: "kernel-devices" } });
    assert.equal(result.conclusion, "success", result.log);
  });
});

const noQemu = existsSync("/usr/bin/qemu-system-x86_64")
  ? false
  : "qemu is not installed (Debian: apt-get install qemu-system-x86)";

describe("booting", { skip: noQemu }, () => {
  const kernel = path.join(ROOT, "examples/kernel/site.virtio");

  test("fetches every page before anything is deployed, and says so in the summary", async () => {
    await using project = await newProject();
    const result = await act(project, { inputs: { kernel, boot: "qemu", memory: 16 }, timeoutMs: 120_000 });
    assert.equal(result.conclusion, "success", result.log);
    assert.match(result.summary, /boot.*kernels\/site\.virtio.*0 mismatches/s);
  });

  test("keeps a guest that serves nothing from being deployed", async () => {
    await using project = await newProject();
    const repository = await createBareRepository(project.directory.path, "deployment");
    const result = await act(project, {
      inputs: { kernel, boot: "qemu", memory: 16, args: "--fault=panic", "deployment-repository": repository },
      timeoutMs: 120_000,
    });
    assert.equal(result.conclusion, "failure");
    assert.match(result.summary, /panic/);
    assert.equal(await git(repository, "for-each-ref"), "");
  });
});

describe("a release that crosses jobs", () => {
  test("is built in one, verified and deployed in the other", async () => {
    await using project = await newProject();
    const repository = await createBareRepository(project.directory.path, "deployment");
    const built = await act(project, { inputs: { mode: "build" } });
    assert.equal(built.conclusion, "success", built.log);
    const release = project.directory.join("carried");
    await run("cp", ["-r", built.outputs.release as string, release]);
    const deployed = await act(project, {
      inputs: { mode: "deploy", release, kernel: "", data: "", "deployment-repository": repository },
    });
    assert.equal(deployed.conclusion, "success", deployed.log);
    assert.equal(deployed.outputs.changed, "true");
    const again = await act(project, {
      inputs: { mode: "deploy", release, kernel: "", data: "", "deployment-repository": repository },
    });
    assert.equal(again.outputs.changed, "false");
    assert.equal(again.outputs["deployed-commit"], deployed.outputs["deployed-commit"]);
  });

  test("is refused when a byte of it changed on the way", async () => {
    await using project = await newProject();
    const repository = await createBareRepository(project.directory.path, "deployment");
    const release = await project.build();
    const image = path.join(release, "volumes/data.img");
    const bytes = await readFile(image);
    bytes[600] = (bytes[600] as number) ^ 1;
    await writeFile(image, bytes);
    const result = await act(project, {
      inputs: { mode: "deploy", release, kernel: "", data: "", "deployment-repository": repository },
    });
    assert.equal(result.conclusion, "failure");
    assert.match(result.annotations[0]?.message ?? "", /DIGEST_MISMATCH/);
    assert.equal(result.steps[0]?.code, 4);
    assert.equal(await git(repository, "for-each-ref"), "");
  });
});

describe("credentials", () => {
  test("a wrong token is one clear error, and stands nowhere", async () => {
    await using project = await newProject();
    await using server = await gitServer({ token: "the-right-one" });
    await server.createRepository("deployment");
    const result = await act(project, {
      inputs: { "deployment-repository": server.repositoryUrl("deployment"), token: "the-wrong-one" },
    });
    assert.equal(result.conclusion, "failure");
    assert.match(result.annotations.map(({ message }) => message).join(), /REPOSITORY_DENIED/);
    const shown = result.log + result.summary + JSON.stringify(result.annotations);
    assert.doesNotMatch(shown, /the-wrong-one|dGhlLXdyb25nLW9uZQ/);
    assert.deepEqual(
      result.leftovers.filter((name) => !name.startsWith("temp/unikernel-")),
      [],
    );
  });

  test("a deploy key works over ssh and leaves nothing behind", { skip: sshServerMissing() }, async () => {
    await using project = await newProject();
    await using server = await sshServer();
    const repository = await server.createRepository("deployment");
    const result = await act(project, {
      inputs: {
        "deployment-repository": server.url("deployment"),
        "ssh-key": server.clientKey.trim(),
        "known-hosts": server.knownHosts,
      },
    });
    assert.equal(result.conclusion, "success", result.log);
    assert.equal(result.outputs["deployed-commit"], await git(repository, "rev-parse", "main"));
    assert.deepEqual(
      result.leftovers.filter((name) => !name.startsWith("temp/unikernel-")),
      [],
    );
  });

  test("an unknown host key is refused with what to do", { skip: sshServerMissing() }, async () => {
    await using project = await newProject();
    await using server = await sshServer();
    await server.createRepository("deployment");
    const result = await act(project, {
      inputs: { "deployment-repository": server.url("deployment"), "ssh-key": server.clientKey },
    });
    assert.equal(result.conclusion, "failure");
    assert.match(result.log, /known-hosts/);
  });

  for (const [what, key] of [
    ["a public key in place of the private one", { "ssh-key": "ssh-ed25519 AAAAC3Nza me" }],
    ["a signing key that is none", { "signing-key": "not a key" }],
    ["a public signing key whose other half no agent has", { "signing-key": `ssh-ed25519 ${PUBLIC_KEY} me` }],
  ] as const) {
    test(`${what} is told before anything is built`, async () => {
      await using project = await newProject();
      const repository = "ssh-key" in key ? "git@localhost:x.git" : "https://x-access-token:t@localhost/x.git";
      const result = await act(project, {
        inputs: { build: "echo the build ran", "deployment-repository": repository, ...key },
      });
      assert.equal(result.conclusion, "failure");
      assert.match(result.log, /KEY_INVALID/);
      assert.doesNotMatch(result.log, /the build ran/);
    });
  }

  test("a run that is killed leaves its key to the step's end, which takes it away", async () => {
    await using project = await newProject();
    const TMPDIR = project.directory.join("tmp");
    const key = project.directory.join("key");
    await mkdir(TMPDIR);
    await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
    const result = await act(project, {
      inputs: {
        build: 'ls -A "$TMPDIR" > seen; kill -KILL "$PPID"',
        "deployment-repository": "git@localhost:x.git",
        "ssh-key": await readFile(key, "utf8"),
      },
      env: { TMPDIR },
    });
    assert.equal(result.conclusion, "failure");
    assert.match(await readFile(path.join(project.source, "seen"), "utf8"), /unikernel-deploy-ssh/);
    assert.deepEqual(await readdir(TMPDIR), []);
  });

  test("the user's build sees none of the inputs", async () => {
    await using project = await newProject();
    const result = await act(project, { inputs: { build: "env", token: "token-of-the-test", "signing-key": "" } });
    assert.equal(result.conclusion, "success", result.log);
    assert.doesNotMatch(result.raw.replaceAll(/^::add-mask::.*$/gm, ""), /INPUT_|token-of-the-test/);
  });
});

describe("mistakes", () => {
  test("of inputs and of the file are listed together, each with its place", async () => {
    await using project = await newProject();
    await writeFile(path.join(project.source, "unikernel.yml"), "name: www\nlaunch:\n  memory: lots\nvolums: {}\n");
    const result = await act(project, { inputs: { format: "zip", layout: "both" } });
    assert.equal(result.conclusion, "failure");
    assert.equal(result.steps[0]?.code, 2);
    const message = result.annotations[0]?.message ?? "";
    assert.match(message, /unikernel\.yml:3: launch\.memory/);
    assert.match(message, /unikernel\.yml:4: volums: unknown key/);
    assert.match(message, /input "format"/);
    assert.match(message, /input "layout"/);
  });

  test("of the runner do not fail a step that has done its work", async () => {
    await using project = await newProject();
    const result = await act(project, { env: { GITHUB_STEP_SUMMARY: "" } });
    assert.equal(result.conclusion, "success", result.log);
    assert.match(result.log, /the summary of this run cannot be shown/);
  });

  test("a failing build is reported with its exit code", async () => {
    await using project = await newProject();
    const result = await act(project, { inputs: { build: "echo so far; exit 7" } });
    assert.equal(result.steps[0]?.code, 3);
    assert.match(result.annotations[0]?.message ?? "", /BUILD_FAILED.*exit code 7/);
  });
});

describe("around the build", () => {
  test("one comment is kept on the pull request", async () => {
    await using project = await newProject();
    await using api = await githubRest({ token: "token-of-the-test", repositories: { "mirage/www": {} } });
    const options = {
      inputs: { comment: true, token: "token-of-the-test" },
      event: { pull_request: { number: 7 } },
      context: { eventName: "pull_request", ref: "refs/pull/7/merge", apiUrl: api.url },
    };
    for (let i = 0; i < 2; i++) {
      const result = await act(project, options);
      assert.equal(result.conclusion, "success", result.log);
    }
    const bodies = api.comments.map(({ body }) => body);
    assert.equal(bodies.length, 1);
    assert.match(bodies[0] as string, /www at [0-9a-f]{12}: no findings/);
  });

  test("a cache is saved and restored", async () => {
    await using project = await newProject();
    await using cache = await cacheService();
    const build = "test -f kept/file && echo found it; mkdir -p kept && echo x > kept/file";
    const first = await act(project, { inputs: { build, cache: "kept" }, env: cache.env });
    assert.equal(first.conclusion, "success", first.log);
    await run("rm", ["-r", path.join(project.source, "kept")]);
    const second = await act(project, { inputs: { build, cache: "kept" }, env: cache.env });
    assert.match(second.log, /found it/);
  });

  test("waits until the site serves the release", async () => {
    await using project = await newProject();
    const repository = await createBareRepository(project.directory.path, "deployment");
    const page = await readFile(path.join(project.source, "site/index.html"));
    await using site = await serve(async (_request, response) => void response.end(page));
    const result = await act(project, { inputs: { "deployment-repository": repository, "wait-for": `${site.url}/` } });
    assert.equal(result.conclusion, "success", result.log);
    assert.match(result.log, /serves the release/);
  });
});
