/** How a deployment repository is reached: addresses, tokens, keys, host keys, proxies, and the programs for it. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, mkdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { createServer as createHttpServer, request as httpRequest } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { connect } from "node:net";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { openAccess } from "../../src/destination/access.ts";
import { DeployError } from "../../src/errors.ts";
import { readPrivateKey } from "../../src/util/ssh-key.ts";
import { gitServer } from "../support/git-server.ts";
import { type Loopback, listen } from "../support/http.ts";
import { git, output, type Ran, run } from "../support/process.ts";
import { newProject, type Project, runCli, sync } from "../support/project.ts";
import { createBareRepository } from "../support/repository.ts";
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

const deploy = (repository: string, env: Readonly<Record<string, string>> = {}, ...more: string[]) =>
  runCli(project.source, ["deploy", "--release", release, "--repository", repository, "--json", ...more], env);
const errorOf = ({ stdout }: Ran) => JSON.parse(stdout).error as { code: string; message: string; hint: string };
const thrownBy = (act: () => unknown): DeployError => {
  try {
    act();
  } catch (error) {
    if (error instanceof DeployError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
};

describe("an address", () => {
  const opened = (repository: string, more: Partial<Parameters<typeof openAccess>[0]> = {}) =>
    openAccess({ repository, directory: "/nowhere", env: {}, ...more });
  const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  const ghp = `ghp_${"a".repeat(36)}`;

  for (const [address, url, authorization] of [
    [`https://${ghp}@github.com/o/r`, "https://github.com/o/r", basic("x-access-token", ghp)],
    [`https://${ghp}:@github.com/o/r.git`, "https://github.com/o/r.git", basic("x-access-token", ghp)],
    [`https://${ghp}:x-oauth-basic@github.com/o/r`, "https://github.com/o/r", basic("x-access-token", ghp)],
    [`https://x-access-token:${ghp}@github.com/o/r`, "https://github.com/o/r", basic("x-access-token", ghp)],
    [`https://somebody:${ghp}@ghe.example/o/r/`, "https://ghe.example/o/r", basic("somebody", ghp)],
    ["https://oauth2:t@gitlab.com/g/s/p", "https://gitlab.com/g/s/p.git", basic("oauth2", "t")],
    ["https://oauth2:t@git.example/g/p.git", "https://git.example/g/p.git", basic("oauth2", "t")],
    ["https://u:glpat-1@git.example:8443/sub/g/p", "https://git.example:8443/sub/g/p.git", basic("u", "glpat-1")],
    ["https://u:p%40ss@git.example/r", "https://git.example/r", basic("u", "p@ss")],
    ["http://forgejo.example:3000/git/o/r?x=1#y", "http://forgejo.example:3000/git/o/r", undefined],
  ] as const) {
    test(`${address.replace(ghp, "TOKEN")} is ${url}`, () => {
      using access = opened(address);
      assert.equal(access.url, url);
      assert.equal(access.authorization, authorization);
      assert.doesNotMatch(access.url, /@/);
    });
  }

  test("of a user alone takes the token that is given besides", () => {
    using access = opened("https://oauth2@git.example/g/p", { token: "secret" });
    assert.equal(access.authorization, basic("oauth2", "secret"));
    assert.equal(access.url, "https://git.example/g/p.git");
  });

  test("that carries a token uses that one, not the job's", () => {
    using access = opened(`https://${ghp}@github.com/o/r`, { token: "ghs_of-the-job" });
    assert.equal(access.authorization, basic("x-access-token", ghp));
  });

  test("owner/name is on the server of the job, with a path and a port if it has one", () => {
    const at = (GITHUB_SERVER_URL: string) => opened("o/r", { env: { GITHUB_SERVER_URL } }).url;
    assert.equal(opened("o/r").url, "https://github.com/o/r.git");
    assert.equal(at("https://ghe.example"), "https://ghe.example/o/r.git");
    assert.equal(at("https://forgejo.example:3000/git/"), "https://forgejo.example:3000/git/o/r.git");
    using byKey = opened("o/r.git", { server: "https://forgejo.example:3000", sshKey: KEY() });
    assert.equal(byKey.url, "git@forgejo.example:o/r.git");
  });

  for (const address of [
    "--upload-pack=touch /tmp/x",
    "-oProxyCommand=touch",
    "ssh://-oProxyCommand=touch/x",
    "git@-oProxyCommand:x",
    "ext::sh -c touch% /tmp/x",
    "ftp://user:secret@host/r",
    "https://",
    "https://u:%zz@host/",
    "o/r\nhttps://evil.example",
    "x-access-token:secret@github.com/o/r",
    "u:secret@github.com/o/r",
    "ghp_secret@github.com/o/r",
    "ghp_secret@github.com:o/r",
    "https:/u:secret@github.com/o/r",
    "https//u:secret@github.com/o/r",
    "https://u:12/secret@localhost:1/x",
    "ssh://u:secret@localhost/x",
    "ssh://localhost/%zz",
    "file://u:secret@host/x",
    "file://host/x",
    "file:///a%2fb",
    "file:///%zz",
    "file:///a%00b",
  ]) {
    test(`${JSON.stringify(address)} is refused, and shows no credentials`, () => {
      const { code, message } = thrownBy(() => opened(address));
      assert.equal(code, "USAGE");
      assert.doesNotMatch(message, /secret/);
    });
  }

  for (const [address, url] of [
    ["/srv/no@where", "/srv/no@where"],
    ["./no@where", "/nowhere/no@where"],
    ["https://ghe.example:8443/@me/repo", "https://ghe.example:8443/@me/repo"],
    ["git@host:a@b", "git@host:a@b"],
    ["ssh://git@host:22/a@b", "ssh://git@host:22/a@b"],
    ["file:///srv/a%20b", "file:///srv/a%20b"],
  ] as const) {
    test(`${address} has no credentials in it`, () => {
      assert.equal(opened(address).url, url);
    });
  }

  test("of the job's server has to be one", () => {
    for (const more of [{}, { sshKey: KEY() }]) {
      const error = thrownBy(() => opened("o/r", { env: { GITHUB_SERVER_URL: "garbage" }, ...more }));
      assert.deepEqual([error.code, /GITHUB_SERVER_URL/.test(error.message)], ["USAGE", true]);
    }
  });

  test("of the web and a deploy key do not go together, and the hint says what does", () => {
    const error = thrownBy(() => opened("https://github.com/o/r", { sshKey: KEY() }));
    assert.equal(error.code, "USAGE");
    assert.match(error.hint ?? "", /git@host:owner\/name\.git/);
  });
});

let key: string | undefined;
/** A private key, made once. */
function KEY(): string {
  key ??= execFileSync(
    "sh",
    ["-c", 'd=$(mktemp -d); ssh-keygen -q -t ed25519 -N "" -C c -f $d/k; cat $d/k; rm -r $d'],
    { encoding: "utf8" },
  );
  return key;
}

describe("a key as it is pasted", () => {
  for (const [what, mangle] of [
    ["with CRLF", (text: string) => text.replaceAll("\n", "\r\n")],
    ["without its last line end", (text: string) => text.trimEnd()],
    ["with blanks around it", (text: string) => `\n  \t${text}  \n\n`],
    ["indented, as from YAML", (text: string) => text.replaceAll(/^/gm, "    ")],
    ["with blanks at line ends", (text: string) => text.replaceAll("\n", "  \n")],
  ] as const) {
    test(`${what} is mended`, () => {
      assert.equal(readPrivateKey(mangle(KEY())), KEY());
    });
  }

  for (const [what, mangle, said] of [
    ["a public key", () => "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoq me@here", /public key/],
    ["base64 of the key", (text: string) => Buffer.from(text).toString("base64"), /base64 of a key/],
    ["only the middle", (text: string) => text.split("\n").slice(1, -2).join("\n"), /lacks its BEGIN and END/],
    ["all on one line", (text: string) => text.replaceAll("\n", " "), /lost its line ends/],
    ["written out as JSON", (text: string) => JSON.stringify(text).slice(1, -1), /written out/],
    ["without its end", (text: string) => text.split("\n").slice(0, -2).join("\n"), /ends before its END/],
    ["with a line missing", (text: string) => text.split("\n").toSpliced(3, 1).join("\n"), /damaged/],
    ["PuTTY's", () => "PuTTY-User-Key-File-3: ssh-ed25519\n", /PuTTY/],
    ["an empty file", () => "\n", /is empty/],
    ["something else", () => "hunter2", /is not a private key/],
  ] as const) {
    test(`${what} is told, without a word of it`, () => {
      const given = mangle(KEY());
      const error = thrownBy(() => readPrivateKey(given));
      assert.equal(error.code, "KEY_INVALID");
      assert.match(error.message, said);
      const body = KEY().split("\n")[2] as string;
      assert.ok(!`${error.message}${error.hint}`.includes(body.slice(0, 20)));
    });
  }

  for (const form of ["RFC4716", "PEM", "PKCS8"]) {
    test(`with a passphrase is told (${form})`, async () => {
      await using dir = await tempDir("key");
      const type = form === "RFC4716" ? ["-t", "ed25519"] : ["-t", "rsa", "-b", "2048", "-m", form];
      await output("ssh-keygen", ["-q", ...type, "-N", "secret", "-f", dir.join("key")]);
      const text = await readFile(dir.join("key"), "utf8");
      assert.match(thrownBy(() => readPrivateKey(text)).message, /has a passphrase/);
    });
  }

  test("of every kind that ssh-keygen makes is taken", async () => {
    await using dir = await tempDir("key");
    for (const args of ["-t ed25519", "-t rsa -b 2048", "-t rsa -b 2048 -m PEM", "-t ecdsa", "-t ecdsa -m PKCS8"]) {
      const file = dir.join(args.replaceAll(/\W+/g, ""));
      await output("ssh-keygen", ["-q", ...args.split(" "), "-N", "", "-f", file]);
      const text = await readFile(file, "utf8");
      assert.equal(readPrivateKey(text), text);
    }
  });
});

describe("known-hosts", () => {
  const opened = (knownHosts: string) =>
    openAccess({ repository: "git@host:r", sshKey: KEY(), knownHosts, directory: "/", env: {} });

  test("may have comments, hashed names, ports, markers and CRLF", async () => {
    const line = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    using access = opened(
      `# host:22 SSH-2.0\r\n\r\n|1|a=|b= ssh-ed25519 ${line}\r\n[host]:2222 ssh-ed25519 ${line} c\r\n@cert-authority *.example ssh-ed25519 ${line}`,
    );
    const directory = path.dirname(access.env.UNIKERNEL_DEPLOY_SSH_CONFIG as string);
    const hosts = path.join(directory, "known_hosts");
    assert.doesNotMatch(await readFile(hosts, "utf8"), /\r/);
    const found = await run("ssh-keygen", ["-F", "[host]:2222", "-f", hosts]);
    assert.equal(found.code, 0);
    for (const host of ["github.com", "[ssh.github.com]:443"]) {
      assert.equal((await output("ssh-keygen", ["-l", "-F", host, "-f", hosts])).match(/SHA256:/g)?.length, 3);
    }
    // As GitHub publishes it.
    const prints = await output("ssh-keygen", ["-l", "-F", "github.com", "-f", hosts]);
    assert.match(prints, /SHA256:\+DiY3wvvV6TuJJhbpZisF\/zLDA0zPMSvHdkr4UvCOqU/);
    for (const file of ["key", "known_hosts", "config"]) {
      assert.equal((await stat(path.join(directory, file))).mode & 0o777, 0o600);
    }
  });

  test("in any other form is told line by line", () => {
    const error = thrownBy(() =>
      opened("ssh-ed25519 AAAAC3NzaC1l\nSHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU\ngithub.com"),
    );
    assert.equal(error.code, "KEY_INVALID");
    assert.deepEqual(error.problems, [
      "line 1 begins with the key; the host's name stands before it",
      "line 2 is a fingerprint, not a key",
      "line 3 is not of the form HOST TYPE KEY",
    ]);
  });
});

describe("a token in the address", () => {
  test("of a repository in a group, with and without .git, is used and not shown", async () => {
    await using server = await gitServer({ token: TOKEN });
    const repository = await server.createRepository("sub/group/team/www");
    const plain = server.repositoryUrl("sub/group/team/www");
    for (const user of ["git", "oauth2", "x-access-token"]) {
      server.reset();
      const ran = await deploy(plain.replace("//", `//${user}:${TOKEN}@`));
      assert.equal(ran.code, 0, ran.stderr);
      assert.ok(server.requests.every((request) => request.user === undefined || request.user === user));
      assert.doesNotMatch(ran.stdout + ran.stderr, new RegExp(TOKEN));
    }
    // As GitLab does: what lacks .git is sent on.
    server.fault = ({ path }) =>
      path.includes(".git/") ? undefined : { status: 301, headers: { location: `${plain}/info/refs` } };
    const without = await deploy(plain.replace("//", `//oauth2:${TOKEN}@`).replace(/\.git$/, ""));
    assert.equal(without.code, 0, without.stderr);
    const moved = await deploy(plain.replace("//", `//git:${TOKEN}@`).replace(/\.git$/, ""));
    assert.equal(errorOf(moved).code, "REPOSITORY_UNREACHABLE");
    assert.match(errorOf(moved).hint, /\.git/);
    assert.equal(await git(repository, "rev-list", "--count", "main"), "1");
  });
});

describe("a deploy key", { skip: sshServerMissing() }, () => {
  test("with CRLF works, from a temporary directory with blanks and percents in its name", async () => {
    await using server = await sshServer();
    const repository = await server.createRepository("www");
    await using dir = await tempDir("keys");
    const [TMPDIR, keyFile] = [dir.join("a b %h 'c'"), dir.join("key")];
    await mkdir(TMPDIR);
    await writeFile(keyFile, server.clientKey.replaceAll("\n", "\r\n").trimEnd());
    const more = ["--ssh-key", keyFile, "--known-hosts", server.knownHostsFile];
    const ran = await deploy(server.url("www"), { TMPDIR }, ...more);
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(await git(repository, "rev-list", "--count", "main"), "1");
    assert.deepEqual(await readdirOf(TMPDIR), []);
  });

  test("connects once to read and to write, and once for each where the temporary directory leaves no room for a socket", async () => {
    await using server = await sshServer();
    await server.createRepository("www");
    await using dir = await tempDir("keys");
    const long = dir.join("x".repeat(100));
    await mkdir(long);
    const more = ["--ssh-key", server.clientKeyFile, "--known-hosts", server.knownHostsFile, "--no-cache", "--force"];
    let before = 0;
    for (const [TMPDIR, connections] of [
      [dir.path, 1],
      [dir.path, 1],
      [long, 2],
    ] as const) {
      const ran = await deploy(server.url("www"), { TMPDIR }, ...more);
      assert.equal(ran.code, 0, ran.stderr);
      assert.equal(server.connections - before, connections);
      before = server.connections;
    }
  });

  test("is of no use where the server's git dies in the middle, and that is told at once", async () => {
    await using server = await sshServer();
    const repository = await server.createRepository("www");
    const more = ["--ssh-key", server.clientKeyFile, "--known-hosts", server.knownHostsFile, "--no-cache", "--force"];
    assert.equal((await deploy(server.url("www"), {}, ...more)).code, 0);
    const tip = await git(repository, "rev-parse", "main");
    const hook = path.join(repository, "hooks", "pre-receive");
    await writeFile(hook, "#!/bin/sh\nkill -9 $PPID\n");
    await chmod(hook, 0o755);
    const ran = await deploy(server.url("www"), {}, ...more);
    assert.equal(ran.code, 3, ran.stdout);
    assert.equal(await git(repository, "rev-parse", "main"), tip);
    await rm(hook);
    assert.equal((await deploy(server.url("www"), {}, ...more)).code, 0);
  });
});

const readdirOf = async (directory: string) =>
  (await output("ls", ["-A", directory])).split("\n").filter((name) => name !== "");

describe("a proxy", () => {
  test("is used for http where http_proxy names one, and not where no_proxy does", async () => {
    await using server = await gitServer({ token: TOKEN });
    await server.createRepository("www");
    await using proxy = await httpProxy();
    const url = server.repositoryUrl("www", "git");
    const through = await deploy(url, { http_proxy: proxy.url });
    assert.equal(through.code, 0, through.stderr);
    assert.equal(proxy.requests, server.requests.length);
    assert.ok(proxy.requests > 0);
    await project.commit();
    const next = await project.build();
    const again = await runCli(project.source, ["deploy", "--release", next, "--repository", url, "--json"], {
      http_proxy: proxy.url,
    });
    assert.equal(again.code, 0, again.stderr);
    assert.equal(proxy.requests, server.requests.length, "a request avoided the proxy");
    const before = proxy.requests;
    const around = await deploy(url, { http_proxy: proxy.url, no_proxy: "127.0.0.1" });
    assert.equal(around.code, 0, around.stderr);
    assert.equal(proxy.requests, before);
    release = next;
  });

  test("is used for https by CONNECT, and its refusal is told as its own", async () => {
    await using server = await gitServer({ token: TOKEN });
    await server.createRepository("www");
    await using dir = await tempDir("tls");
    await using front = await tlsFront(dir.path, server.url);
    await using proxy = await httpProxy("user:password");
    const url = `https://git:${TOKEN}@127.0.0.1:${front.port}/www.git`;
    const env = { GIT_SSL_CAINFO: dir.join("cert.pem") };
    const https_proxy = proxy.url.replace("//", "//user:password@");
    const through = await deploy(url, { ...env, https_proxy });
    assert.equal(through.code, 0, through.stderr);
    assert.ok(proxy.tunnels > 0);
    assert.doesNotMatch(through.stderr, /password/);
    const refused = await deploy(url, { ...env, https_proxy: proxy.url });
    assert.equal(errorOf(refused).code, "REPOSITORY_UNREACHABLE");
    assert.match(errorOf(refused).message, /proxy/);
    const untrusted = await deploy(url);
    assert.match(errorOf(untrusted).message, /certificate/);
    assert.match(errorOf(untrusted).hint, /GIT_SSL_CAINFO/);
  });
});

interface Proxy extends Loopback {
  readonly url: string;
  readonly requests: number;
  readonly tunnels: number;
}

/** Passes plain requests and tunnels on; with `credentials`, only to those who give them. */
async function httpProxy(credentials?: string): Promise<Proxy> {
  const seen = { requests: 0, tunnels: 0 };
  const expected = credentials && `Basic ${Buffer.from(credentials).toString("base64")}`;
  const server = createHttpServer((request, response) => {
    seen.requests++;
    const onward = httpRequest(
      request.url as string,
      { method: request.method as string, headers: request.headers },
      (answer) => {
        response.writeHead(answer.statusCode as number, answer.headers);
        answer.pipe(response);
      },
    );
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  });
  server.on("connect", (request, client, head: Buffer) => {
    client.on("error", () => {});
    if (expected && request.headers["proxy-authorization"] !== expected) {
      client.end(
        'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="p"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
      );
      return;
    }
    seen.tunnels++;
    const [host, port] = (request.url as string).split(":");
    const upstream = connect(Number(port), host as string, () => {
      client.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      upstream.write(head);
      upstream.pipe(client).pipe(upstream);
    });
    upstream.on("error", () => client.destroy());
  });
  const loopback = await listen(server);
  return {
    ...loopback,
    url: `http://127.0.0.1:${loopback.port}`,
    get requests() {
      return seen.requests;
    },
    get tunnels() {
      return seen.tunnels;
    },
  };
}

/** A TLS server with a certificate of its own (cert.pem in `directory`) before an http one. */
async function tlsFront(directory: string, target: string): Promise<Loopback> {
  const [cert, keyFile] = [path.join(directory, "cert.pem"), path.join(directory, "key.pem")];
  const subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  await output("openssl", ["req", "-x509", ...kind, ...subject, "-keyout", keyFile, "-out", cert]);
  const server = createHttpsServer(
    { cert: await readFile(cert), key: await readFile(keyFile) },
    (request, response) => {
      const { method, headers, url } = request;
      const onward = httpRequest(new URL(url as string, target), { method: method as string, headers }, (answer) => {
        response.writeHead(answer.statusCode as number, answer.headers);
        answer.pipe(response);
      });
      onward.on("error", () => response.destroy());
      request.pipe(onward);
    },
  );
  return listen(server);
}

describe("what a machine has", () => {
  /** A PATH with links to these programs, and with scripts. */
  async function pathWith(
    directory: string,
    programs: readonly string[],
    scripts: Readonly<Record<string, string>> = {},
  ) {
    const bin = path.join(directory, "bin");
    await rm(bin, { recursive: true, force: true });
    await mkdir(bin);
    for (const name of programs) await symlink(await output("which", [name]), path.join(bin, name));
    for (const [name, text] of Object.entries(scripts)) {
      await writeFile(path.join(bin, name), `#!/bin/sh\n${text}\n`);
      await chmod(path.join(bin, name), 0o755);
    }
    return bin;
  }

  test("git that is too old is told in one line, with what was found and what is needed", async () => {
    await using dir = await tempDir("path");
    const repository = await createBareRepository(dir.path, "www");
    for (const version of ["2.31.8", "1.8.3.1", "2.9.5 (Apple Git-154)"]) {
      const PATH = await pathWith(dir.path, ["sh"], { git: `echo "git version ${version}"` });
      const ran = await deploy(repository, { PATH });
      assert.equal(ran.code, 3);
      assert.equal(errorOf(ran).code, "PROGRAM_MISSING");
      assert.equal(errorOf(ran).message, `git ${version} is too old: 2.32 or newer is needed`);
      assert.match(errorOf(ran).hint, /apt-get install git/);
      assert.equal(ran.stderr.trim().split("\n").length, 2, ran.stderr);
    }
    const README = await readFile(path.join(import.meta.dirname, "..", "..", "README.md"), "utf8");
    assert.match(README, /git 2\.32/);
  });

  test("no git and no ssh are told in one line each", async () => {
    await using dir = await tempDir("path");
    const repository = await createBareRepository(dir.path, "www");
    const noGit = await deploy(repository, { PATH: await pathWith(dir.path, ["sh"]) });
    assert.match(errorOf(noGit).message, /^git is not installed or not in PATH$/);
    const noSsh = { PATH: await pathWith(dir.path, ["sh", "git"]) };
    await writeFile(dir.join("key"), KEY());
    const byKey = await deploy("git@example.org:r.git", noSsh, "--ssh-key", dir.join("key"));
    assert.equal(errorOf(byKey).code, "PROGRAM_MISSING");
    assert.match(errorOf(byKey).message, /^ssh is not in PATH/);
    const byAgent = await deploy("git@example.org:r.git", noSsh);
    assert.equal(errorOf(byAgent).code, "PROGRAM_MISSING");
    const noKeygen = await deploy(repository, noSsh, "--signing-key", dir.join("key"));
    assert.match(errorOf(noKeygen).message, /^ssh-keygen is not installed/);
    const old = {
      PATH: await pathWith(dir.path, ["sh", "git"], { "ssh-keygen": "echo 'unknown option -- Y' >&2; exit 1" }),
    };
    const oldKeygen = await deploy(repository, old, "--signing-key", dir.join("key"));
    assert.match(errorOf(oldKeygen).message, /OpenSSH 8\.1 or newer/);
  });
});

describe("a signing key", () => {
  test("may be in an ssh-agent, named by its public half", async () => {
    await using dir = await tempDir("agent");
    const repository = await createBareRepository(dir.path, "www");
    const socket = dir.join("agent");
    await output("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "deployer", "-f", dir.join("key")]);
    await output("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "other", "-f", dir.join("other")]);
    const agent = await output("ssh-agent", ["-s", "-a", socket]);
    const pid = /SSH_AGENT_PID=(\d+)/.exec(agent)?.[1] as string;
    const env = { SSH_AUTH_SOCK: socket };
    try {
      await output("ssh-add", ["-q", dir.join("key")], { env: { ...process.env, ...env } });
      await rm(dir.join("key"));
      const other = await deploy(repository, env, "--signing-key", dir.join("other.pub"));
      assert.equal(errorOf(other).code, "KEY_INVALID");
      assert.match(errorOf(other).hint, /ssh-add -L/);
      const nobody = await deploy(repository, {}, "--signing-key", dir.join("key.pub"));
      assert.equal(errorOf(nobody).code, "KEY_INVALID");
      assert.match(errorOf(nobody).message, /no ssh-agent/);
      assert.equal(await git(repository, "for-each-ref"), "");
      const ran = await deploy(repository, env, "--signing-key", dir.join("key.pub"));
      assert.equal(ran.code, 0, ran.stderr);
    } finally {
      process.kill(Number(pid));
    }
    const [type, text] = (await readFile(dir.join("key.pub"), "utf8")).split(" ");
    await writeFile(dir.join("allowed"), `deployer ${type} ${text}\n`);
    const host = await sync(dir.join("host"), repository, `allowed-signers: ${dir.join("allowed")}\n`);
    assert.equal(host.code, 0, host.stderr);
    assert.match(host.stdout, /"signer": "deployer"/);
  });

  test("that cannot sign is told before anything is done", async () => {
    await using dir = await tempDir("key");
    await writeFile(dir.join("key"), KEY().replaceAll("\n", " "));
    const ran = await deploy(dir.join("nowhere"), {}, "--signing-key", dir.join("key"));
    assert.equal(errorOf(ran).code, "KEY_INVALID");
    assert.match(errorOf(ran).message, /the signing key \(signing-key\) lost its line ends/);
  });
});
