/** The stand-ins of `support/`, each put to the proof by its real counterpart: git, ssh, the toolkit's own packages. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { getOctokit } from "@actions/github";
import { runAction, type RunActionOptions } from "./support/action-runner.ts";
import { cacheService } from "./support/cache-service.ts";
import { type GitServer, gitServer } from "./support/git-server.ts";
import { githubRest } from "./support/github-rest.ts";
import { git, gitEnvironment, output, type Ran, run } from "./support/process.ts";
import { sshServer, sshServerMissing } from "./support/ssh-server.ts";
import { tempDir, writeTree } from "./support/temp.ts";
import { parseFileCommands, parseWorkflowCommand, WorkflowLog } from "./support/workflow-commands.ts";

const TOKEN = "ghs_right";
const MEBIBYTE = 1024 * 1024;

/** Always the same bytes, which do not compress: what goes over the wire is about as long. */
function noise(length: number): Uint8Array {
  return createHash("shake256", { outputLength: length }).update("noise").digest();
}

/** A checkout with one commit of the given files, ready to be pushed. */
async function commitFiles(dir: string, files: Record<string, string | Uint8Array>): Promise<string> {
  await writeTree(dir, files);
  if (!existsSync(`${dir}/.git`)) await git(dir, "init", "--quiet", "--initial-branch=main");
  await git(dir, "add", "--all");
  await git(dir, "commit", "--quiet", "--message=Change");
  return git(dir, "rev-parse", "HEAD");
}

describe("tempDir", () => {
  it("lasts as long as its scope", async () => {
    let path: string;
    {
      await using dir = await tempDir("scope");
      path = dir.path;
      await writeTree(dir.path, { "a/b/c.txt": "deep", "d.bin": new Uint8Array([1]) });
      assert.equal(await readFile(dir.join("a", "b", "c.txt"), "utf8"), "deep");
    }
    assert.equal(existsSync(path), false);
  });
});

describe("run", () => {
  it("kills a program and its children when time is up", { timeout: 20_000 }, async () => {
    await assert.rejects(run("sh", ["-c", "sleep 60 & sleep 60"], { timeoutMs: 200 }), /killed after 200 ms/);
    await assert.rejects(run("/nonexistent", []), { code: "ENOENT" });
    assert.deepEqual(await run("sh", ["-c", "cat; exit 3"], { input: "in" }), { code: 3, stdout: "in", stderr: "" });
  });
});

describe("gitServer", () => {
  const push = (dir: string, url: string): Promise<Ran> => run("git", ["push", url, "main"], { cwd: dir });

  it("takes a push and gives it back, and counts both", async () => {
    await using server = await gitServer({ token: TOKEN });
    await using work = await tempDir("work");
    const repository = await server.createRepository("owner/www");
    const commit = await commitFiles(work.path, { "index.html": "hello", "video.bin": noise(3 * MEBIBYTE) });
    const url = server.repositoryUrl("owner/www", "x-access-token");
    await output("git", ["push", url, "main"], { cwd: work.path });
    assert.equal(await git(repository, "rev-parse", "main"), commit);
    assert.ok(server.totals().bytesIn > 3 * MEBIBYTE, JSON.stringify(server.totals()));
    const pushed = server.requests.findLast(({ method }) => method === "POST");
    assert.equal(pushed?.service, "git-receive-pack");
    assert.equal(pushed?.user, "x-access-token");
    assert.equal(pushed?.status, 200);

    server.reset();
    assert.deepEqual(server.totals(), { requests: 0, bytesIn: 0, bytesOut: 0 });
    await output("git", ["clone", "--quiet", url, work.join("clone")]);
    assert.equal(await readFile(work.join("clone", "index.html"), "utf8"), "hello");
    assert.ok(server.totals().bytesOut > 3 * MEBIBYTE, JSON.stringify(server.totals()));
    assert.ok(server.requests.some(({ protocol }) => protocol === "version=2"));
  });

  it("refuses a wrong token and none at all", async () => {
    await using server = await gitServer({ token: TOKEN });
    await using work = await tempDir("work");
    await server.createRepository("www");
    await commitFiles(work.path, { a: "a" });
    const wrong = server.repositoryUrl("www", "anybody").replace(TOKEN, "wrong");
    for (const url of [wrong, server.repositoryUrl("www")]) {
      server.reset();
      assert.notEqual((await push(work.path, url)).code, 0);
      assert.deepEqual(new Set(server.requests.map(({ status }) => status)), new Set([401]));
    }
    const anonymous = await run("git", ["ls-remote", server.repositoryUrl("www")]);
    assert.notEqual(anonymous.code, 0);
  });

  it("lets anybody read, and only read, what is public", async () => {
    await using server = await gitServer({ token: TOKEN, anonymousRead: true });
    await using work = await tempDir("work");
    await server.createRepository("www");
    const commit = await commitFiles(work.path, { a: "a" });
    assert.notEqual((await push(work.path, server.repositoryUrl("www"))).code, 0);
    assert.equal((await push(work.path, server.repositoryUrl("www", "bot"))).code, 0);
    assert.match(await output("git", ["ls-remote", server.repositoryUrl("www")]), new RegExp(commit));
  });

  it("answers partial clones, and objects by their id", async () => {
    await using server = await gitServer({ token: TOKEN, anonymousRead: true });
    await using work = await tempDir("work");
    await server.createRepository("www");
    await commitFiles(work.path, { "big.bin": noise(MEBIBYTE) });
    await push(work.path, server.repositoryUrl("www", "bot"));
    server.reset();
    const url = server.repositoryUrl("www");
    await output("git", ["clone", "--quiet", "--bare", "--filter=blob:none", url, work.join("partial")]);
    assert.ok(server.totals().bytesOut < 10_000, JSON.stringify(server.totals()));
    const blob = await git(work.path, "rev-parse", "HEAD:big.bin");
    assert.equal(await git(work.join("partial"), "cat-file", "-s", blob), String(MEBIBYTE));
  });

  it("keeps repositories with sha256 names", async () => {
    await using server = await gitServer({ token: TOKEN });
    await using work = await tempDir("work");
    await server.createRepository("www", { objectFormat: "sha256" });
    await git(work.path, "init", "--quiet", "--initial-branch=main", "--object-format=sha256");
    assert.equal((await commitFiles(work.path, { a: "a" })).length, 64);
    assert.equal((await push(work.path, server.repositoryUrl("www", "bot"))).code, 0);
  });

  /** A server with one commit, and a second one in `work` that was not pushed. */
  async function withCommit(server: GitServer, work: string): Promise<string> {
    const repository = await server.createRepository("www");
    const commit = await commitFiles(work, { "a.bin": noise(MEBIBYTE) });
    await push(work, server.repositoryUrl("www", "bot"));
    await commitFiles(work, { "b.bin": noise(2 * MEBIBYTE) });
    server.reset();
    assert.equal(await git(repository, "rev-parse", "main"), commit);
    return repository;
  }

  it("answers with a status on demand", async () => {
    await using server = await gitServer({ token: TOKEN });
    await using work = await tempDir("work");
    await withCommit(server, work.path);
    server.fault = () => ({ status: 429, headers: { "retry-after": "1" } });
    const refused = await push(work.path, server.repositoryUrl("www", "bot"));
    assert.match(refused.stderr, /429/);
    server.fault = ({ method }) => (method === "POST" ? { status: 500 } : undefined);
    assert.match((await push(work.path, server.repositoryUrl("www", "bot"))).stderr, /500/);
    server.fault = undefined;
    assert.equal((await push(work.path, server.repositoryUrl("www", "bot"))).code, 0);
  });

  it("cuts a push in the middle, and the repository stays as it was", async () => {
    await using server = await gitServer({ token: TOKEN });
    await using work = await tempDir("work");
    const repository = await withCommit(server, work.path);
    const before = await git(repository, "rev-parse", "main");
    server.fault = ({ method, path }) =>
      method === "POST" && path.endsWith("receive-pack") ? { cutAfterBytes: 100_000, direction: "request" } : undefined;
    assert.notEqual((await push(work.path, server.repositoryUrl("www", "bot"))).code, 0);
    assert.ok(
      server.requests.some(({ bytesIn }) => bytesIn === 100_000),
      JSON.stringify(server.requests),
    );
    assert.equal(await git(repository, "rev-parse", "main"), before);
  });

  it("cuts a clone in the middle", async () => {
    await using server = await gitServer({ token: TOKEN });
    await using work = await tempDir("work");
    await withCommit(server, work.path);
    server.fault = ({ method }) => (method === "POST" ? { cutAfterBytes: 5000, direction: "response" } : undefined);
    const url = server.repositoryUrl("www", "bot");
    const clone = await run("git", ["clone", "--bare", url, work.join("clone")]);
    assert.notEqual(clone.code, 0);
    const posts = server.requests.filter(({ method }) => method === "POST");
    assert.ok(
      posts.some(({ bytesOut }) => bytesOut === 5000),
      JSON.stringify(posts),
    );
  });

  it("stalls until the client has had enough", async () => {
    await using server = await gitServer({ token: TOKEN });
    await using work = await tempDir("work");
    await withCommit(server, work.path);
    server.fault = () => ({ stallAfterBytes: 10, direction: "response" });
    const env = gitEnvironment({ GIT_HTTP_LOW_SPEED_LIMIT: "1", GIT_HTTP_LOW_SPEED_TIME: "1" });
    assert.notEqual((await run("git", ["ls-remote", server.repositoryUrl("www", "bot")], { env })).code, 0);
  });

  it("outlives a client that leaves before the answer", { timeout: 20_000 }, async () => {
    await using server = await gitServer({ token: TOKEN, anonymousRead: true });
    await using work = await tempDir("work");
    await withCommit(server, work.path);
    const { hostname, port } = new URL(server.url);
    const client = connect(Number(port), hostname);
    client.end("GET /www.git/info/refs?service=git-upload-pack HTTP/1.1\r\nhost: server\r\n\r\n");
    while (server.requests.length === 0) await setTimeout(1);
    client.destroy();
    while (server.requests[0]?.status === undefined) await setTimeout(1);
  });

  it("drips", async () => {
    await using server = await gitServer({ token: TOKEN });
    await using work = await tempDir("work");
    await withCommit(server, work.path);
    server.fault = ({ method }) => (method === "GET" ? { bytesPerSecond: 400, direction: "response" } : undefined);
    const started = performance.now();
    await output("git", ["ls-remote", server.repositoryUrl("www", "bot")]);
    assert.ok(performance.now() - started > 200);
  });
});

describe("sshServer", { skip: sshServerMissing() }, () => {
  const withSsh = (command: string) => gitEnvironment({ GIT_SSH_COMMAND: command });

  it("takes a push and gives it back to who holds the key", async () => {
    await using server = await sshServer();
    await using work = await tempDir("work");
    const repository = await server.createRepository("owner/www");
    const commit = await commitFiles(work.path, { "a.bin": noise(MEBIBYTE) });
    const env = withSsh(server.sshCommand());
    await output("git", ["push", server.url("owner/www"), "main"], { cwd: work.path, env });
    assert.equal(await git(repository, "rev-parse", "main"), commit);
    assert.ok(server.bytes.in > MEBIBYTE, JSON.stringify(server.bytes));
    await output("git", ["clone", "--quiet", server.url("owner/www"), work.join("clone")], { env });
    assert.ok(server.bytes.out > MEBIBYTE, JSON.stringify(server.bytes));
    assert.equal(server.connections, 2);
    assert.equal(await readFile(server.clientKeyFile, "utf8"), server.clientKey);
    assert.match(server.log(), /Accepted publickey/);
  });

  it("is refused by a client that does not know its host key", async () => {
    await using server = await sshServer();
    await using work = await tempDir("work");
    await server.createRepository("www");
    await writeFile(work.join("known_hosts"), "");
    const env = withSsh(server.sshCommand({ knownHostsFile: work.join("known_hosts") }));
    const refused = await run("git", ["ls-remote", server.url("www")], { env });
    assert.match(refused.stderr, /Host key verification failed/);
    assert.match(server.knownHosts, /^\[127\.0\.0\.1\]:\d+ ssh-ed25519 \S+$/);
  });

  it("serves git and nothing else", async () => {
    await using server = await sshServer();
    const [program = "", ...flags] = server.sshCommand().split(" ");
    const shell = await run(program, [...flags, "-p", String(server.port), `${server.user}@127.0.0.1`, "id"]);
    assert.equal(shell.code, 1);
    assert.match(shell.stderr, /git and nothing else/);
    for (const name of ["missing", "../../etc"]) {
      const { stderr } = await run("git", ["ls-remote", server.url(name)], { env: withSsh(server.sshCommand()) });
      assert.match(stderr, /Repository not found/);
    }
  });

  it("refuses a push with a key that may only read", async () => {
    await using server = await sshServer({ readOnly: true });
    await using work = await tempDir("work");
    await server.createRepository("www");
    await commitFiles(work.path, { a: "a" });
    const env = withSsh(server.sshCommand());
    assert.equal((await run("git", ["ls-remote", server.url("www")], { env })).code, 0);
    const refused = await run("git", ["push", server.url("www"), "main"], { cwd: work.path, env });
    assert.match(refused.stderr, /marked as read only/);
  });
});

describe("parseWorkflowCommand", () => {
  it("reads properties and undoes the escapes", () => {
    assert.deepEqual(parseWorkflowCommand("::error file=a%2Cb.txt,line=3,title=50%25::one%0Atwo%3A"), {
      name: "error",
      properties: { file: "a,b.txt", line: "3", title: "50%" },
      message: "one\ntwo%3A",
    });
    assert.deepEqual(parseWorkflowCommand("  ::endgroup::"), { name: "endgroup", properties: {}, message: "" });
    assert.equal(parseWorkflowCommand("see ::error::"), undefined);
    assert.equal(parseWorkflowCommand("std::vector"), undefined);
  });
});

describe("parseFileCommands", () => {
  it("reads both forms, and a value that looks like either", () => {
    const text = "a=1=2\nb<<EOT\nx=y\n\nEOT \nEOT\n\nc=<<no\n";
    assert.deepEqual(parseFileCommands(text), [
      ["a", "1=2"],
      ["b", "x=y\n\nEOT "],
      ["c", "<<no"],
    ]);
  });

  it("fails where the runner fails", () => {
    for (const text of ["novalue", "=x", "a<<EOT\nopen", "<<EOT\nEOT", "a<<\n"]) {
      assert.throws(() => parseFileCommands(text), /^Error: Invalid (format|value)/, text);
    }
  });
});

describe("WorkflowLog", () => {
  it("obeys nothing between stop-commands and its end", () => {
    const log = new WorkflowLog();
    for (const line of ["::stop-commands::x1", "::error::no", "::add-mask::no", "::x1::", "::error::yes"])
      log.line(line);
    assert.deepEqual(log.annotations, [{ level: "error", message: "yes", properties: {} }]);
    assert.equal(log.text().shown, "::error::no\n::add-mask::no\n##[error]yes\n");
  });

  it("leaves a line alone whose command it does not know", () => {
    const log = new WorkflowLog();
    log.line("::warn::not a command");
    assert.equal(log.text().shown, "::warn::not a command\n");
  });

  it("hides each line of a secret, the longest match first", () => {
    const log = new WorkflowLog();
    for (const secret of ["key", "key-2\nsecond"]) log.mask(secret);
    log.line("a key, key-2, second");
    assert.equal(log.text().shown, "a ***, ***, ***\n");
    assert.equal(log.text().raw, "a key, key-2, second\n");
  });
});

const FIXTURE_ACTION = {
  "action.yml": `name: Fixture
description: Uses everything that a runner offers
inputs:
  dash-ed: { description: A, required: true }
  two words: { description: B, default: "second" }
  token: { description: C, default: "\${{ github.token }}" }
  absent: { description: D }
outputs:
  seen: { description: What it saw }
runs: { using: node24, pre: pre.js, main: main.js, post: post.js, post-if: always() }
`,
  "package.json": `{"type": "module"}`,
  "lib.js": `import { appendFileSync } from "node:fs";
export const append = (name, text) => appendFileSync(process.env["GITHUB_" + name], text);
`,
  "pre.js": `import { append } from "./lib.js";
append("STATE", "from-pre=1\\n");
append("ENV", "EXPORTED<<E\\ntwo\\nlines\\nE\\n");
append("PATH", "/first/on/path\\n");
`,
  "main.js": `import { readFileSync, writeFileSync } from "node:fs";
import { append } from "./lib.js";
const { env } = process;
console.log("::add-mask::hunter2");
console.log("::error file=site/a%2Cb.html,line=7,title=Broken link::The link to hunter2 is broken");
console.log("::save-state name=by-command::2");
console.log("password hunter2, token " + env.INPUT_TOKEN);
console.error("to stderr");
const event = JSON.parse(readFileSync(env.GITHUB_EVENT_PATH, "utf8"));
append("OUTPUT", "seen<<E\\n" + JSON.stringify({
  inputs: Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith("INPUT_"))),
  exported: env.EXPORTED, path: env.PATH.split(":")[0], cwd: process.cwd(), ref: env.GITHUB_REF_NAME,
  branch: event.repository.default_branch, number: event.number, outside: env.OUTSIDE, state: env["STATE_from-pre"],
}) + "\\nE\\n");
append("OUTPUT", "secret-output=x\\n");
append("STEP_SUMMARY", "# Deployed hunter2\\n");
writeFileSync(env.HOME + "/.netrc", "x");
writeFileSync(env.RUNNER_TEMP + "/left", "x");
if (env.INPUT_ABSENT) process.exit(3);
`,
  "post.js": `import { append } from "./lib.js";
append("STEP_SUMMARY", "post " + process.env["STATE_from-pre"] + process.env["STATE_by-command"] + "\\n");
`,
};

describe("runAction", () => {
  it("gives an action all that a runner gives, and takes all that it leaves", async () => {
    process.env["OUTSIDE"] = "must not be seen";
    await using dir = await tempDir("action");
    await writeTree(dir.path, FIXTURE_ACTION);
    const result = await runAction({
      directory: dir.path,
      inputs: { "dash-ed": "first", typo: true },
      event: { number: 12 },
      context: { ref: "refs/pull/12/merge", eventName: "pull_request", token: "ghs_123", defaultBranch: "trunk" },
    });
    delete process.env["OUTSIDE"];
    assert.equal(result.conclusion, "success", result.log);
    assert.deepEqual(
      result.steps.map(({ phase, code }) => [phase, code]),
      [
        ["pre", 0],
        ["main", 0],
        ["post", 0],
      ],
    );
    const { cwd, ...seen } = JSON.parse(result.outputs["seen"] ?? "{}") as { cwd: string };
    assert.match(cwd, /site$/);
    assert.deepEqual(seen, {
      inputs: {
        "INPUT_DASH-ED": "first",
        INPUT_TWO_WORDS: "second",
        INPUT_TOKEN: "ghs_123",
        INPUT_ABSENT: "",
        INPUT_TYPO: "true",
      },
      exported: "two\nlines",
      path: "/first/on/path",
      ref: "12/merge",
      branch: "trunk",
      number: 12,
      state: "1",
    });
    assert.deepEqual(result.undeclaredOutputs, ["secret-output"]);
    assert.deepEqual(result.unexpectedInputs, ["typo"]);
    assert.equal(result.summary, "# Deployed ***\npost 12\n");
    assert.equal(result.rawSummary, "# Deployed hunter2\npost 12\n");
    assert.deepEqual(result.annotations.at(-1), {
      level: "error",
      message: "The link to *** is broken",
      properties: { file: "site/a,b.html", line: "7", title: "Broken link" },
    });
    assert.match(result.log, /^password \*\*\*, token \*\*\*$/m);
    assert.match(result.log, /^to stderr$/m);
    assert.match(result.raw, /^password hunter2, token ghs_123$/m);
    assert.ok(result.masks.has("hunter2") && result.masks.has("ghs_123"));
    assert.deepEqual(result.leftovers, ["home/.netrc", "temp/left"]);
    assert.deepEqual(result.exported, { env: { EXPORTED: "two\nlines" }, path: ["/first/on/path"] });
  });

  it("still runs the post phase when the main one fails", async () => {
    await using dir = await tempDir("action");
    await writeTree(dir.path, FIXTURE_ACTION);
    const result = await runAction({ directory: dir.path, inputs: { absent: "no more" } });
    assert.equal(result.conclusion, "failure");
    assert.deepEqual(
      result.steps.map(({ code }) => code),
      [0, 3, 0],
    );
  });

  /** Run an action that is one script. */
  async function runScript(main: string, options: Omit<RunActionOptions, "directory"> = {}, post?: string) {
    await using dir = await tempDir("action");
    const phases = post === undefined ? "main: main.mjs" : "main: main.mjs, post: post.mjs";
    const files = { "action.yml": `runs: { using: node24, ${phases} }\n`, "main.mjs": main };
    await writeTree(dir.path, post === undefined ? files : { ...files, "post.mjs": post });
    return await runAction({ directory: dir.path, ...options });
  }

  it("drops a summary over 1 MiB and fails on a malformed output", async () => {
    const result = await runScript(`import { writeFileSync } from "node:fs";
      writeFileSync(process.env.GITHUB_STEP_SUMMARY, "x".repeat(1024 * 1024 + 1));
      writeFileSync(process.env.GITHUB_OUTPUT, "no value\\n");`);
    assert.equal(result.conclusion, "failure");
    assert.equal(result.summary, "");
    assert.match(result.annotations.map(({ message }) => message).join("\n"), /Invalid format[^]*got 1025k/);
  });

  it("ends an action that takes too long", async () => {
    const result = await runScript(`setInterval(() => {}, 1000);`, { timeoutMs: 300 });
    assert.equal(result.conclusion, "failure");
    assert.match(result.log, /timed out/);
  });

  it("interrupts a cancelled action, harder if need be, and lets it clean up", async () => {
    await using temp = await tempDir("cancel");
    const canceller = new AbortController();
    const running = runScript(
      `import { writeFileSync } from "node:fs";
       process.on("SIGINT", () => console.log("got SIGINT"));
       process.on("SIGTERM", () => { console.log("got SIGTERM"); process.exit(1); });
       setInterval(() => {}, 1000);
       writeFileSync(process.env.RUNNER_TEMP + "/ready", "");`,
      { signal: canceller.signal, graceMs: 200, runnerTemp: temp.path },
      `console.log("cleaned up");`,
    );
    while (!existsSync(temp.join("ready"))) await setTimeout(20);
    canceller.abort();
    const result = await running;
    assert.equal(result.conclusion, "cancelled");
    assert.match(result.log, /got SIGINT\ngot SIGTERM\ncleaned up\n/);
  });
});

describe("cacheService", () => {
  /** Run a script with the real package; its environment is read when the package is loaded. */
  async function useCache(script: string, env: Readonly<Record<string, string>>, cwd: string): Promise<Ran> {
    const program = `import * as cache from ${JSON.stringify(import.meta.resolve("@actions/cache"))};\n${script}`;
    const variables = { PATH: process.env["PATH"] ?? "", RUNNER_TEMP: cwd, GITHUB_WORKSPACE: cwd, ...env };
    return run(process.execPath, ["--input-type=module", "--eval", program], { cwd, env: variables });
  }

  it("saves and restores for the real client", async () => {
    await using service = await cacheService();
    await using work = await tempDir("cache");
    await writeTree(work.path, { "store/a.txt": "cached", "store/b.bin": noise(MEBIBYTE) });
    const saved = await useCache(
      `import { rmSync } from "node:fs";
       console.log("MISS", await cache.restoreCache(["store"], "key-1", ["key-"]));
       console.log("SAVED", await cache.saveCache(["store"], "key-1"));
       console.log("AGAIN", await cache.saveCache(["store"], "key-1"));
       rmSync("store", { recursive: true });
       console.log("EXACT", await cache.restoreCache(["store"], "key-1"));
       console.log("PREFIX", await cache.restoreCache(["store"], "key-2", ["other-", "key-"]));`,
      service.env,
      work.path,
    );
    assert.match(saved.stdout, /^MISS undefined$/m, saved.stdout + saved.stderr);
    assert.match(saved.stdout, /^SAVED [1-9]\d*$/m, saved.stdout + saved.stderr);
    assert.match(saved.stdout, /^AGAIN -1$/m);
    assert.match(saved.stdout, /^EXACT key-1$/m);
    assert.match(saved.stdout, /^PREFIX key-1$/m);
    assert.equal(await readFile(work.join("store", "a.txt"), "utf8"), "cached");
    assert.deepEqual(
      service.entries.map(({ key }) => key),
      ["key-1"],
    );
    assert.deepEqual(service.unfinished(), []);
  });

  it("refuses a wrong token and fails on demand", async () => {
    await using service = await cacheService({ fault: ({ call }) => (call === "CreateCacheEntry" ? 429 : undefined) });
    await using work = await tempDir("cache");
    await writeTree(work.path, { "store/a.txt": "a" });
    const script = `console.log("SAVED", await cache.saveCache(["store"], "key"));`;
    assert.match((await useCache(script, service.env, work.path)).stdout, /^SAVED -1$/m);
    const stranger = { ...service.env, ACTIONS_RUNTIME_TOKEN: "wrong" };
    const restore = `console.log("FOUND", await cache.restoreCache(["store"], "key"));`;
    assert.match((await useCache(restore, stranger, work.path)).stdout, /401[^]*^FOUND undefined$/m);
    assert.deepEqual(service.entries, []);
  });
});

describe("githubRest", () => {
  const where = { owner: "owner", repo: "site" };
  const octokitFor = (baseUrl: string, token = TOKEN) => getOctokit(token, { baseUrl });
  const statusOf = (promise: Promise<unknown>): Promise<number | undefined> =>
    promise.then(
      () => undefined,
      (error: unknown) => (error as { status?: number }).status,
    );

  it("lists comments over three pages to the real client", async () => {
    await using api = await githubRest({ token: TOKEN, repositories: { "owner/site": {} } });
    for (let n = 1; n <= 25; n++) api.addComment({ repository: "owner/site", issue: 7, body: `comment ${n}` });
    api.addComment({ repository: "owner/site", issue: 8, body: "elsewhere" });
    const octokit = octokitFor(api.url);
    const question = { ...where, issue_number: 7, per_page: 10 };
    const found = await octokit.paginate(octokit.rest.issues.listComments, question);
    assert.deepEqual(
      found.map(({ body }) => body),
      Array.from({ length: 25 }, (_, at) => `comment ${at + 1}`),
    );
    assert.deepEqual(
      api.requests.map(({ query }) => query["page"]),
      [undefined, "2", "3"],
    );
  });

  it("creates and changes a comment", async () => {
    await using api = await githubRest({ token: TOKEN, repositories: { "owner/site": {} } });
    const { issues } = octokitFor(api.url).rest;
    const created = await issues.createComment({ ...where, issue_number: 7, body: "first" });
    await issues.updateComment({ ...where, comment_id: created.data.id, body: "second" });
    assert.deepEqual(
      api.comments.map(({ body, user, edits }) => ({ body, user, edits })),
      [{ body: "second", user: "github-actions[bot]", edits: 1 }],
    );
    const tooLong = issues.createComment({ ...where, issue_number: 7, body: "x".repeat(65_537) });
    assert.equal(await statusOf(tooLong), 422);
    assert.equal(await statusOf(issues.updateComment({ ...where, comment_id: 1, body: "x" })), 404);
    assert.deepEqual(api.requests[0]?.body, { body: "first" });
    assert.equal(api.requests[0]?.operation, "issues/create-comment");
  });

  it("tells the default branch, and turns away who is not known or asks for more", async () => {
    await using api = await githubRest({ token: TOKEN, repositories: { "owner/site": { defaultBranch: "trunk" } } });
    const { repos } = octokitFor(api.url).rest;
    assert.equal((await repos.get(where)).data.default_branch, "trunk");
    assert.equal(await statusOf(repos.get({ owner: "owner", repo: "other" })), 404);
    assert.equal(await statusOf(repos.listBranches(where)), 501);
    assert.equal(await statusOf(octokitFor(api.url, "wrong").rest.repos.get(where)), 401);
  });

  it("compares commits of a real repository", async () => {
    await using work = await tempDir("work");
    await commitFiles(work.path, { a: "1", b: "1" });
    await git(work.path, "branch", "feature/x");
    const second = await commitFiles(work.path, { a: "2", c: "1" });
    await using api = await githubRest({ token: TOKEN, repositories: { "owner/site": { git: work.path } } });
    const { repos } = octokitFor(api.url).rest;
    const compare = async (basehead: string) => (await repos.compareCommitsWithBasehead({ ...where, basehead })).data;
    const ahead = await compare("feature/x...main");
    assert.deepEqual([ahead.status, ahead.ahead_by, ahead.behind_by], ["ahead", 1, 0]);
    assert.deepEqual(
      ahead.commits.map(({ sha }) => sha),
      [second],
    );
    assert.deepEqual(
      ahead.files?.map(({ filename, status }) => [filename, status]),
      [
        ["a", "modified"],
        ["c", "added"],
      ],
    );
    assert.equal((await compare(`${second}...feature/x`)).status, "behind");
    assert.equal((await compare("main...main")).status, "identical");
    assert.equal(await statusOf(compare("main...missing")), 404);
  });

  it("fails on demand", async () => {
    const denial = { status: 403, body: { message: "Resource not accessible by integration" } };
    await using api = await githubRest({
      token: TOKEN,
      repositories: { "owner/site": {} },
      fault: ({ method }) => (method === "POST" ? denial : undefined),
    });
    const { issues } = octokitFor(api.url).rest;
    assert.equal(await statusOf(issues.createComment({ ...where, issue_number: 1, body: "x" })), 403);
    assert.deepEqual(api.comments, []);
  });
});
