/**
 * How a repository is reached: its address, and the credentials in the one place each may be. A token goes into the
 * environment of git as a header; a key into a file of mode 0600 that is removed at the end, also after an error.
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { DeployError } from "../errors.ts";
import { sweepTemporaries } from "../util/cleanup.ts";
import { tempDir } from "../util/files.ts";
import { gitConfigEnvironment, gitEnvironment } from "../util/git.ts";
import { requireGit } from "../util/git-version.ts";
import { findProgram } from "../util/programs.ts";
import { readPrivateKey } from "../util/ssh-key.ts";
import { readAddress } from "./address.ts";
import { knownHostsFile } from "./host-keys.ts";

export interface AccessInputs {
  /** https, http, ssh or git@host:path address, a path, or owner/name on `server`. May carry user:token@. */
  readonly repository: string;
  /** For http and https; one that stands in the address wins. */
  readonly token?: string | undefined;
  /** A private key (PEM text), for ssh. */
  readonly sshKey?: string | undefined;
  /** Lines of a known_hosts file for hosts other than github.com. */
  readonly knownHosts?: string | undefined;
  /** Where owner/name lives, e.g. https://github.com; GITHUB_SERVER_URL of `env` if absent. */
  readonly server?: string | undefined;
  /** What relative paths are relative to. */
  readonly directory: string;
  readonly env: NodeJS.ProcessEnv;
}

export interface Access extends Disposable {
  /** The address without credentials, as given to git. */
  readonly url: string;
  readonly env: NodeJS.ProcessEnv;
  /** The Authorization header that git sends, where a token was given. */
  readonly authorization?: string;
  /** Texts to remove from every message. */
  readonly secrets: readonly string[];
}

/** Throws USAGE for an address that is none, KEY_INVALID for a key that is none. Remove it when done. */
export function openAccess(inputs: AccessInputs): Access {
  sweepTemporaries();
  const { env, sshKey, knownHosts } = inputs;
  const server = inputs.server ?? (env.GITHUB_SERVER_URL || undefined);
  const address = readAddress({ ...inputs, server, ssh: sshKey !== undefined });
  // Judged also where they are not needed: a key that nobody uses is a mistake that somebody should hear of.
  const key = sshKey === undefined ? undefined : readPrivateKey(sshKey);
  const hosts = knownHostsFile(knownHosts);
  const base = gitEnvironment(env);
  if (address.transport === "ssh" && key !== undefined) return sshAccess(address.url, key, hosts, base);
  const token = address.token || inputs.token;
  const { url, username } = address;
  if (address.transport === "http" && key !== undefined) {
    throw new DeployError("USAGE", `a deploy key was given, and ${url} is not reached by ssh`, {
      hint: "write the address as owner/name or git@host:owner/name.git, or leave the key out",
    });
  }
  if (address.transport !== "http" || !token) {
    return { url, env: { ...base, ...gitConfigEnvironment(OURS) }, secrets: [], [Symbol.dispose]() {} };
  }
  const basic = Buffer.from(`${username || "x-access-token"}:${token}`).toString("base64");
  const authorization = `Basic ${basic}`;
  const config: [string, string][] = [
    ...OURS,
    [`http.${new URL(url).origin}/.extraHeader`, `Authorization: ${authorization}`],
    // After a redirect git would send the header to wherever it leads.
    ["http.followRedirects", "false"],
  ];
  const secrets = [...new Set([token, encodeURIComponent(token), basic])];
  return {
    url,
    env: { ...base, ...ISOLATED, ...gitConfigEnvironment(config) },
    authorization,
    secrets,
    [Symbol.dispose]() {},
  };
}

/** Throws PROGRAM_MISSING where git or ssh is not here, or too old: before anything is built, and in one line. */
export async function requirePrograms({ url, env }: Access): Promise<void> {
  await requireGit(env);
  if (!env.UNIKERNEL_DEPLOY_SSH_CONFIG || findProgram("ssh", env.PATH)) return;
  throw new DeployError("PROGRAM_MISSING", `ssh is not in PATH, and ${url} is reached by it`, {
    hint: "install an OpenSSH client (Debian: apt-get install openssh-client), or give a token and an https address",
  });
}

/** Nothing came or went for so long (seconds). */
const SILENCE = 15 * 60;

const OURS: readonly [string, string][] = [
  ["core.hooksPath", "/dev/null"],
  ["gc.auto", "0"],
  ["maintenance.auto", "false"],
  // A server may think about a large push for minutes; one that says nothing for longer is gone.
  ["http.lowSpeedLimit", "1"],
  ["http.lowSpeedTime", String(SILENCE)],
];

/**
 * With credentials of ours, nothing of the machine's configuration may add a second Authorization header, ask a helper,
 * lead to another address or start another ssh.
 */
const ISOLATED = { GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" };

function sshAccess(url: string, key: string, hosts: string, base: NodeJS.ProcessEnv): Access {
  const directory = tempDir("unikernel-deploy-ssh");
  try {
    const write = (name: string, text: string) => {
      const file = path.join(directory.path, name);
      writeFileSync(file, text, { mode: 0o600 });
      // In a configuration of ssh % begins a token.
      return file.replaceAll("%", "%%");
    };
    const options = [
      "IdentitiesOnly yes",
      `IdentityFile "${write("key", key)}"`,
      "IdentityAgent none",
      `UserKnownHostsFile "${write("known_hosts", hosts)}"`,
      "GlobalKnownHostsFile /dev/null",
      "StrictHostKeyChecking yes",
      "BatchMode yes",
      "ConnectTimeout 30",
      "ServerAliveInterval 60",
      `ServerAliveCountMax ${SILENCE / 60}`,
    ];
    write("config", `Host *\n${options.map((line) => `  ${line}\n`).join("")}`);
    return {
      url,
      // git hands this text to a shell; it is the same text whatever the path is.
      env: {
        ...base,
        ...ISOLATED,
        ...gitConfigEnvironment(OURS),
        GIT_SSH_COMMAND: 'ssh -F "$UNIKERNEL_DEPLOY_SSH_CONFIG"',
        GIT_SSH_VARIANT: "ssh",
        UNIKERNEL_DEPLOY_SSH_CONFIG: path.join(directory.path, "config"),
      },
      secrets: [],
      [Symbol.dispose]: () => directory[Symbol.dispose](),
    };
  } catch (error) {
    directory[Symbol.dispose]();
    throw error;
  }
}
