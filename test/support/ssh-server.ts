/**
 * A forge's git over SSH: a real OpenSSH server with one key that, like a deploy key, may fetch from and push to the
 * repositories and nothing else. A proxy in front of it counts the bytes.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { userInfo } from "node:os";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { type Loopback, listen } from "./http.ts";
import { output } from "./process.ts";
import { createBareRepository, type RepositoryOptions } from "./repository.ts";
import { type TempDir, tempDir } from "./temp.ts";

const SSHD = "/usr/sbin/sshd";

/** What `sshServer` is given. */
export interface SshServerOptions {
  /** Where the repositories are, to share them with another server; a directory of its own if absent. */
  readonly root?: string;
  /** Whether the key may fetch only. */
  readonly readOnly?: boolean;
}

/** A running server. */
export interface SshServer extends AsyncDisposable {
  /** The directory that holds the repositories. */
  readonly root: string;
  readonly port: number;
  /** The user to log in as: whoever runs the tests. */
  readonly user: string;
  /** The private key that is let in, as a file and as text. */
  readonly clientKeyFile: string;
  readonly clientKey: string;
  /** The server's own key as a line of a known_hosts file, and a file with this line. */
  readonly knownHosts: string;
  readonly knownHostsFile: string;
  /** Bytes on the wire since the start: encryption and handshakes included. */
  readonly bytes: { readonly in: number; readonly out: number };
  readonly connections: number;
  /** Make an empty bare repository, and return its path. */
  createRepository(name: string, options?: RepositoryOptions): Promise<string>;
  /** The URL of a repository. */
  url(name: string): string;
  /** A value for GIT_SSH_COMMAND that uses the key and trusts this server, or the hosts of another file. */
  sshCommand(options?: { readonly knownHostsFile?: string }): string;
  /** What sshd logged so far. */
  log(): string;
}

/** Why there can be no server on this machine, for `{ skip: sshServerMissing() }`; false if there can. */
export function sshServerMissing(): string | false {
  if (!existsSync(SSHD)) return `${SSHD} is missing (Debian: apt-get install openssh-server)`;
  if (!existsSync("/usr/bin/ssh")) return "/usr/bin/ssh is missing (Debian: apt-get install openssh-client)";
  return false;
}

/** Start a server: `await using server = await sshServer()`. Throws where `sshServerMissing` gives a reason. */
export async function sshServer(options: SshServerOptions = {}): Promise<SshServer> {
  const missing = sshServerMissing();
  if (missing) throw new Error(missing);
  const directory = await tempDir("ssh-server");
  const root = options.root ?? directory.join("repositories");
  await mkdir(root, { recursive: true });
  const hostKey = await makeKey(directory, "host_key");
  const clientKey = await makeKey(directory, "client_key");
  await writeAccess(directory, { root, clientKey: clientKey.public, readOnly: options.readOnly === true });
  const daemon = await startDaemon(directory);
  const proxy = await countingProxy(daemon.port);
  const knownHosts = `[127.0.0.1]:${proxy.port} ${hostKey.public}`;
  const knownHostsFile = directory.join("known_hosts");
  await writeFile(knownHostsFile, `${knownHosts}\n`);
  const user = userInfo().username;
  return {
    root,
    port: proxy.port,
    user,
    clientKeyFile: clientKey.file,
    clientKey: clientKey.private,
    knownHosts,
    knownHostsFile,
    get bytes() {
      return { in: proxy.traffic.in, out: proxy.traffic.out };
    },
    get connections() {
      return proxy.traffic.connections;
    },
    createRepository: (name, repository) => createBareRepository(root, name, repository),
    url: (name) => `ssh://${user}@127.0.0.1:${proxy.port}/${name}.git`,
    sshCommand: (trust = {}) => sshCommand(clientKey.file, trust.knownHostsFile ?? knownHostsFile),
    log: () => daemon.log(),
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await daemon.stop();
      await directory[Symbol.asyncDispose]();
    },
  };
}

function sshCommand(keyFile: string, knownHostsFile: string): string {
  const settings = {
    IdentitiesOnly: "yes",
    BatchMode: "yes",
    StrictHostKeyChecking: "yes",
    UserKnownHostsFile: knownHostsFile,
    GlobalKnownHostsFile: "/dev/null",
  };
  const flags = Object.entries(settings).map(([name, value]) => `-o ${name}=${value}`);
  return `ssh -F none -i ${keyFile} ${flags.join(" ")}`;
}

interface Key {
  readonly file: string;
  readonly private: string;
  /** Type and key, without the comment. */
  readonly public: string;
}

async function makeKey(directory: TempDir, name: string): Promise<Key> {
  const file = directory.join(name);
  await output("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", file]);
  const [type, key] = (await readFile(`${file}.pub`, "utf8")).split(" ");
  return { file, private: await readFile(file, "utf8"), public: `${type} ${key}` };
}

interface Access {
  readonly root: string;
  readonly clientKey: string;
  readonly readOnly: boolean;
}

/** The one key that is let in, and the one program that it can run. */
async function writeAccess(directory: TempDir, access: Access): Promise<void> {
  const program = directory.join("serve-git");
  await writeFile(program, forcedCommand(access));
  await chmod(program, 0o755);
  await writeFile(directory.join("authorized_keys"), `restrict,command="${program}" ${access.clientKey}\n`);
}

/** Refusals read as GitHub's do. */
function forcedCommand({ root, readOnly }: Access): string {
  const refuseWrites = `echo "ERROR: The key you are authenticating with has been marked as read only." >&2; exit 1`;
  return `#!/bin/sh
export PATH=${quote(process.env["PATH"] ?? "/usr/bin:/bin")} HOME=/nonexistent
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
case $SSH_ORIGINAL_COMMAND in
  "git-upload-pack '"*"'") ;;
  "git-receive-pack '"*"'") ${readOnly ? refuseWrites : ""} ;;
  *) echo "ERROR: This key serves git and nothing else." >&2; exit 1 ;;
esac
service=\${SSH_ORIGINAL_COMMAND%% *}
name=\${SSH_ORIGINAL_COMMAND#*\\'}
name=\${name%\\'}
name=\${name#/}
case $name in *..* | *\\'*) name= ;; esac
repository=${quote(root)}/\${name%.git}.git
if [ ! -d "$repository" ]; then
  echo "ERROR: Repository not found." >&2
  exit 1
fi
exec "$service" "$repository"
`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

interface Daemon {
  readonly port: number;
  log(): string;
  stop(): Promise<void>;
}

const ATTEMPTS = 5;

/** sshd cannot choose a port by itself, and the one that is free now may be taken a moment later: try again then. */
async function startDaemon(directory: TempDir): Promise<Daemon> {
  // Where sshd confines its unprivileged half; only root has one.
  if (process.getuid?.() === 0) await mkdir("/run/sshd", { recursive: true, mode: 0o755 });
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const config = directory.join("sshd_config");
    await writeFile(config, daemonConfig(directory, port));
    const child = spawn(SSHD, ["-D", "-e", "-f", config], { stdio: ["ignore", "ignore", "pipe"] });
    const lines: string[] = [];
    if (await listens(child, lines)) return { port, log: () => lines.join("\n"), stop: () => stop(child) };
    if (attempt === ATTEMPTS) throw new Error(`sshd did not start:\n${lines.join("\n")}`);
  }
}

function daemonConfig(directory: TempDir, port: number): string {
  return `ListenAddress 127.0.0.1
Port ${port}
HostKey ${directory.join("host_key")}
AuthorizedKeysFile ${directory.join("authorized_keys")}
PidFile none
# The keys are in a temporary directory, below one that everybody may write to.
StrictModes no
PermitRootLogin forced-commands-only
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
AcceptEnv GIT_PROTOCOL
# Below another shell bash leaves the user's start-up files alone; they may take longer than all that is tested.
SetEnv SHLVL=2
# Tests open connections faster than people do.
MaxStartups 100
LogLevel VERBOSE
`;
}

async function freePort(): Promise<number> {
  await using probe = await listen(createServer());
  return probe.port;
}

/** Collect the log; true once the daemon accepts connections, false if it ended before. */
function listens(child: ChildProcess, lines: string[]): Promise<boolean> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", () => resolve(false));
    if (!child.stderr) return;
    createInterface({ input: child.stderr }).on("line", (line) => {
      lines.push(line);
      if (line.startsWith("Server listening on")) resolve(true);
    });
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  const patience = new AbortController();
  const overdue = setTimeout(5000, undefined, { signal: patience.signal, ref: false }).then(
    () => child.kill("SIGKILL"),
    () => false,
  );
  await exited;
  patience.abort();
  await overdue;
}

interface CountingProxy extends Loopback {
  readonly traffic: { in: number; out: number; connections: number };
}

/** Pass connections on to `port` and count: `in` is what clients send, `out` what they receive. */
async function countingProxy(port: number): Promise<CountingProxy> {
  const traffic = { in: 0, out: 0, connections: 0 };
  const server = createServer((client) => {
    traffic.connections++;
    const daemon = connect(port, "127.0.0.1");
    client.on("data", (chunk: Buffer) => void (traffic.in += chunk.length));
    daemon.on("data", (chunk: Buffer) => void (traffic.out += chunk.length));
    client.pipe(daemon).pipe(client);
    // An end that breaks off takes the other one along.
    client.on("error", () => daemon.destroy()).on("close", () => daemon.destroy());
    daemon.on("error", () => client.destroy()).on("close", () => client.destroySoon());
  });
  return { ...(await listen(server)), traffic };
}
