/**
 * Looks for a token, a deploy key and a signing key wherever a deploy could leave them: argument lists, files, logs. Every
 * system call that starts a program, opens a file or writes is read (strace), in success and in every failure there is a name
 * for. A secret may be in the environment of git, on a connection, and in a file called `key` of mode 0600, for a while.
 */
import { existsSync } from "node:fs";
import { chmod, cp, mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { type GitServer, gitServer } from "../support/git-server.ts";
import type { Fault } from "../support/faults.ts";
import { gitEnvironment, output, type Ran, run } from "../support/process.ts";
import { CLI, newProject, type Project } from "../support/project.ts";
import { createBareRepository } from "../support/repository.ts";
import { type SshServer, sshServer, sshServerMissing } from "../support/ssh-server.ts";

export const TRACER = "/usr/bin/strace";
/** Why nothing can be looked at here; false where it can. */
export const cannotLook = (): string | false =>
  existsSync(TRACER) ? sshServerMissing() : `${TRACER} is missing (Debian: apt-get install strace)`;

const TOKEN = "ghp_0123456789marked0token0abcdefghijkl";

interface Stage extends AsyncDisposable {
  readonly project: Project;
  readonly http: GitServer;
  readonly ssh: SshServer;
  readonly reader: SshServer;
  readonly release: string;
  readonly signingKey: string;
  /** What must not be seen, by name. */
  readonly secrets: Readonly<Record<string, string>>;
}

export async function openStage(): Promise<Stage> {
  const project = await newProject();
  const http = await gitServer({ token: TOKEN });
  const ssh = await sshServer();
  const reader = await sshServer({ root: ssh.root, readOnly: true });
  const signingKey = project.directory.join("signing");
  await output("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "s", "-f", signingKey]);
  // The lines after the public half: a run of characters that is in the private one alone.
  const heart = (text: string) => text.split("\n").at(-4)?.slice(0, 40) as string;
  return {
    project,
    http,
    ssh,
    reader,
    signingKey,
    release: await project.build(),
    secrets: {
      token: TOKEN,
      "token in base64": Buffer.from(`x-access-token:${TOKEN}`).toString("base64").slice(0, 60),
      "deploy key": heart(ssh.clientKey),
      "signing key": heart(await readFile(signingKey, "utf8")),
    },
    async [Symbol.asyncDispose]() {
      for (const part of [reader, ssh, http, project]) await part[Symbol.asyncDispose]();
    },
  };
}

interface Setting {
  readonly stage: Stage;
  /** The bare repository, and a directory for whatever is needed. */
  readonly repository: string;
  readonly scratch: string;
}
interface Changes {
  readonly env?: Readonly<Record<string, string>>;
  /** Instead of the usual options of these names. */
  readonly options?: Readonly<Record<string, string | undefined>>;
  /** Seconds after which it is stopped by SIGTERM. */
  readonly stopAfter?: number;
}
export interface Scenario {
  readonly name: string;
  readonly via: "http" | "ssh";
  /** 0, or any code but 0. */
  readonly fails: boolean;
  readonly fault?: Fault;
  /** The server answers nothing but git, which first asks for its list of refs. */
  readonly byGit?: true;
  /** The server itself sends the token back: git's programs may pass it on among them, and nobody else. */
  readonly echoes?: true;
  readonly prepare?: (setting: Setting) => Promise<Changes | undefined>;
}

const hook =
  (text: string) =>
  async ({ repository }: Setting) => {
    const file = path.join(repository, "hooks", "pre-receive");
    await writeFile(file, `#!/bin/sh\ncat >/dev/null\n${text}\n`);
    await chmod(file, 0o755);
    return undefined;
  };
const options = (changed: Changes["options"]) => async () => (changed ? { options: changed } : {});
/** A PATH in which a program is this script. */
const withProgram =
  (name: string, script: string) =>
  async ({ scratch }: Setting) => {
    await writeFile(path.join(scratch, name), `#!/bin/sh\n${script}\n`);
    await chmod(path.join(scratch, name), 0o755);
    return { env: { PATH: `${scratch}:${process.env.PATH}` } };
  };
/** A file like an option's, but changed. */
const damaged =
  (option: string, change: (text: string) => string) =>
  async ({ stage, scratch }: Setting) => {
    const from = option === "ssh-key" ? stage.ssh.clientKeyFile : stage.signingKey;
    const file = path.join(scratch, "damaged");
    await writeFile(file, change(await readFile(from, "utf8")), { mode: 0o600 });
    return { options: { [option]: file } };
  };
const locked = (option: string) => async (setting: Setting) => {
  const changes = await damaged(option, (text) => text)(setting);
  await output("ssh-keygen", ["-q", "-p", "-N", "secret", "-f", path.join(setting.scratch, "damaged")]);
  return changes;
};
const releaseWith =
  (change: (release: string) => Promise<unknown>) =>
  async ({ stage, scratch }: Setting) => {
    const release = path.join(scratch, "release");
    await cp(stage.release, release, { recursive: true });
    await change(release);
    return { options: { release } };
  };
export const SCENARIOS: readonly Scenario[] = [
  { name: "success", via: "http", fails: false },
  { name: "success by git", via: "http", fails: false, byGit: true },
  { name: "success", via: "ssh", fails: false },
  { name: "dry run", via: "ssh", fails: false, prepare: options({ "dry-run": "" }) },
  { name: "hook refuses", via: "http", fails: true, prepare: hook("echo no >&2; exit 1") },
  {
    name: "hook repeats the token",
    via: "http",
    fails: true,
    echoes: true,
    prepare: hook(`echo ${TOKEN} >&2; exit 1`),
  },
  { name: "hook refuses", via: "ssh", fails: true, prepare: hook("echo no >&2; exit 1") },
  ...[401, 403, 404, 413, 429, 500, 503, 302].map((status): Scenario => {
    const fault = { status, headers: { location: "http://127.0.0.1:9/", "www-authenticate": "Basic" } };
    return {
      name: `status ${status}`,
      via: "http",
      fails: true,
      fault,
      ...(status % 2 === 1 ? { byGit: true as const } : {}),
    };
  }),
  { name: "cut", via: "http", fails: true, fault: { cutAfterBytes: 10, direction: "response" } },
  {
    name: "cut, by git",
    via: "http",
    fails: true,
    fault: { cutAfterBytes: 10, direction: "response" },
    byGit: true,
  },
  {
    name: "stopped",
    via: "http",
    fails: true,
    fault: { stallAfterBytes: 0, direction: "response" },
    byGit: true,
    prepare: async () => ({ stopAfter: 3 }),
  },
  {
    name: "stopped",
    via: "ssh",
    fails: true,
    prepare: async (setting) => {
      await hook("sleep 8")(setting);
      return { stopAfter: 3 };
    },
  },
  { name: "nobody listens", via: "http", fails: true, prepare: options({ repository: "http://127.0.0.1:9/www.git" }) },
  { name: "no such scheme", via: "http", fails: true, prepare: options({ repository: `ftp://x:${TOKEN}@host/r` }) },
  {
    name: "token in the address, no repository",
    via: "http",
    fails: true,
    prepare: async ({ stage }) => {
      const url = stage.http.repositoryUrl("nowhere").replace("//", `//x:${TOKEN}@`);
      return { options: { repository: url } };
    },
  },
  {
    name: "invalid manifest",
    via: "ssh",
    fails: true,
    prepare: releaseWith((release) => writeFile(path.join(release, "manifest.json"), "{}")),
  },
  {
    name: "other bytes",
    via: "http",
    fails: true,
    prepare: releaseWith((release) => writeFile(path.join(release, "kernels", "www.hvt"), "x")),
  },
  { name: "no release", via: "ssh", fails: true, prepare: options({ release: "/nowhere" }) },
  { name: "bad branch", via: "http", fails: true, prepare: options({ branch: "-x" }) },
  {
    name: "git is killed",
    via: "http",
    fails: true,
    byGit: true,
    prepare: async (setting) => {
      const real = (await output("which", ["git"])).trim();
      const script = `case "$*" in *version*) exec ${real} "$@";; esac; kill -9 $$`;
      return withProgram("git", script)(setting);
    },
  },
  { name: "git is old", via: "http", fails: true, prepare: withProgram("git", "echo git version 2.1.0") },
  { name: "ssh breaks", via: "ssh", fails: true, prepare: withProgram("ssh", 'echo "$*" >&2; env >&2; exit 255') },
  { name: "ssh-keygen breaks", via: "ssh", fails: true, prepare: withProgram("ssh-keygen", "echo broken >&2; exit 1") },
  {
    name: "disk full",
    via: "http",
    fails: true,
    byGit: true,
    prepare: async (setting) => {
      const full = "fatal: write error: No space left on device";
      const script = `case "$1" in version) echo git version 2.40.0;; *) echo "${full}" >&2; exit 128;; esac`;
      return withProgram("git", script)(setting);
    },
  },
  {
    name: "wrong key",
    via: "ssh",
    fails: true,
    prepare: async ({ stage }) => ({ options: { "ssh-key": stage.signingKey } }),
  },
  {
    name: "read-only key",
    via: "ssh",
    fails: true,
    prepare: async ({ stage, repository }) => ({
      options: {
        repository: stage.reader.url(path.basename(repository, ".git")),
        "ssh-key": stage.reader.clientKeyFile,
        "known-hosts": stage.reader.knownHostsFile,
      },
    }),
  },
  { name: "unknown host key", via: "ssh", fails: true, prepare: options({ "known-hosts": undefined }) },
  {
    name: "no repository",
    via: "ssh",
    fails: true,
    prepare: async ({ stage }) => ({ options: { repository: stage.ssh.url("nowhere") } }),
  },
  {
    name: "deploy key without line ends",
    via: "ssh",
    fails: true,
    prepare: damaged("ssh-key", (text) => text.replaceAll("\n", " ")),
  },
  { name: "deploy key cut", via: "ssh", fails: true, prepare: damaged("ssh-key", (text) => text.slice(0, 300)) },
  { name: "deploy key locked", via: "ssh", fails: true, prepare: locked("ssh-key") },
  {
    name: "signing key in base64",
    via: "ssh",
    fails: true,
    prepare: damaged("signing-key", (text) => Buffer.from(text).toString("base64")),
  },
  { name: "signing key locked", via: "ssh", fails: true, prepare: locked("signing-key") },
];

let runs = 0;

/** Runs a scenario; every place where a secret was seen, and what was wrong with how it ended. */
export async function leaksOf(stage: Stage, scenario: Scenario): Promise<readonly string[]> {
  const name = `www${runs++}`;
  const scratch = stage.project.directory.join(name);
  const [TMPDIR, HOME, trace] = [path.join(scratch, "tmp"), path.join(scratch, "home"), path.join(scratch, "trace")];
  for (const directory of [TMPDIR, HOME]) await mkdir(directory, { recursive: true });
  const root = scenario.via === "http" ? stage.http.root : stage.ssh.root;
  const repository = await createBareRepository(root, name);
  const changes = (await scenario.prepare?.({ stage, repository, scratch })) ?? {};
  stage.http.fault = (request) => {
    if (!request.path.includes(name)) return undefined;
    const isGit = stage.http.requests.some(({ method, path: at }) => method === "GET" && at.includes(name));
    return scenario.byGit && !isGit ? { status: 501 } : scenario.fault;
  };
  const given: Readonly<Record<string, string | undefined>> = {
    release: stage.release,
    "signing-key": stage.signingKey,
    repository: scenario.via === "http" ? stage.http.repositoryUrl(name) : stage.ssh.url(name),
    ...(scenario.via === "ssh" ? { "ssh-key": stage.ssh.clientKeyFile, "known-hosts": stage.ssh.knownHostsFile } : {}),
    ...changes.options,
  };
  const flags = Object.entries(given).flatMap(([flag, value]) =>
    value === undefined ? [] : value === "" ? [`--${flag}`] : [`--${flag}`, value],
  );
  const calls = "--trace=execve,execveat,openat,creat,write,pwrite64,writev,pwritev,sendto,sendmsg";
  const strace = ["-f", "-qq", "-y", "-s", "65536", "-o", trace, calls, "--signal=none"];
  const program = [process.execPath, CLI, "deploy", ...flags];
  const stop = changes.stopAfter === undefined ? [] : ["timeout", "-s", "TERM", String(changes.stopAfter)];
  const env = gitEnvironment({ UNIKERNEL_DEPLOY_TOKEN: TOKEN, TMPDIR, HOME, ...changes.env });
  const ran = await run(TRACER, [...strace, ...stop, ...program], {
    cwd: stage.project.source,
    env,
    timeoutMs: 120_000,
  });
  const lines = (await readFile(trace, "latin1")).split("\n");
  const shown = Object.entries(stage.secrets).flatMap(([secret, text]) => [
    ...(`${ran.stdout}${ran.stderr}`.includes(text) ? [`${secret} in the log`] : []),
    ...lines
      .filter((line) => line.includes(text) && !isAllowed(line, { lines, flags, scenario }))
      .map((line) => `${secret}: ${line.slice(0, 160)}`),
  ]);
  const left = await run("grep", [
    "-rlF",
    ...Object.values(stage.secrets).flatMap((text) => ["-e", text]),
    TMPDIR,
    HOME,
  ]);
  const files = left.stdout.split("\n").filter((file) => file !== "");
  return [...shown, ...files.map((file) => `left in ${file}`), ...endingProblems(ran, scenario)];
}

interface Seen {
  readonly lines: readonly string[];
  readonly flags: readonly string[];
  readonly scenario: Scenario;
}

/** Connections carry the token; a key is written to its file, which was made with mode 0600; an argument of ours is the user's. */
function isAllowed(line: string, { lines, flags, scenario }: Seen): boolean {
  if (scenario.echoes && /^\d+ +write\(\d+<pipe:/.test(line)) return true;
  if (/^\d+ +(?:write|writev|sendto|sendmsg)\(\d+<(?:TCP|socket|UNIX)/.test(line)) return true;
  const [, file] = /^\d+ +p?write(?:64)?\(\d+<([^>]*\/unikernel-deploy-(?:ssh|sign)-[^/]*\/key)>/.exec(line) ?? [];
  if (file !== undefined)
    return lines.some((other) => other.includes(`"${file}", O_WRONLY|O_CREAT`) && other.includes(", 0600)"));
  // A token in the address on the command line is where the user put it; from there on it is our business.
  return / execve\(/.test(line) && line.includes(CLI) && flags.some((flag) => flag.includes(TOKEN));
}

function endingProblems({ code, stdout, stderr }: Ran, { fails }: Scenario): string[] {
  if (/^\s+at .*\(|This is a fault/m.test(stderr + stdout)) return [`a stack: ${stderr.slice(-300)}`];
  return (code !== 0) === fails ? [] : [`exit code ${code}: ${stderr.slice(-300)}`];
}

/** Runs all, or the first so many; prints a table. */
export async function soak(count: number): Promise<boolean> {
  const missing = cannotLook();
  if (missing) throw new Error(missing);
  await using stage = await openStage();
  let bad = 0;
  for (const scenario of SCENARIOS.slice(0, count)) {
    const leaks = await leaksOf(stage, scenario);
    if (leaks.length > 0) bad++;
    process.stdout.write(
      `${scenario.via.padEnd(4)} ${scenario.name.padEnd(40)} ${leaks.length === 0 ? "nothing" : leaks.join("\n     ")}\n`,
    );
  }
  process.stdout.write(`${SCENARIOS.slice(0, count).length} runs, ${bad} with a leak or another end than expected\n`);
  return bad === 0;
}
