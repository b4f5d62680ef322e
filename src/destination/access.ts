/**
 * How a repository is reached: its address, and the credentials in the one place each may be. A token goes into the
 * environment of git as a header; a key into a file of mode 0600 that is removed at the end, also after an error.
 */
import { statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DeployError } from "../errors.ts";
import { tempDir } from "../util/files.ts";
import { gitConfigEnvironment, gitEnvironment } from "../util/git.ts";
import { GITHUB_HOST_KEYS } from "./host-keys.ts";

export interface AccessInputs {
  /** https, http, ssh or git@host:path address, a path, or owner/name on `server`. May carry user:token@. */
  readonly repository: string;
  readonly token?: string | undefined;
  /** A private key (PEM text), for ssh. */
  readonly sshKey?: string | undefined;
  /** Lines of a known_hosts file for hosts other than github.com. */
  readonly knownHosts?: string | undefined;
  /** Where owner/name lives, e.g. https://github.com. */
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
  const { url, credentials } = splitCredentials(resolveAddress(inputs));
  const token = inputs.token || credentials?.password;
  const isSsh = url.startsWith("ssh:") || isScpForm(url);
  const base = gitEnvironment(inputs.env);
  const config: [string, string][] = [
    ["core.hooksPath", "/dev/null"],
    ["gc.auto", "0"],
    ["maintenance.auto", "false"],
  ];
  if (isSsh && inputs.sshKey) return sshAccess(url, inputs.sshKey, inputs.knownHosts, base, config);
  if (!token || isSsh || !/^https?:/.test(url)) {
    return { url, env: { ...base, ...gitConfigEnvironment(config) }, secrets: [], [Symbol.dispose]() {} };
  }
  const basic = Buffer.from(`${credentials?.username || "x-access-token"}:${token}`).toString("base64");
  // Nothing of the machine's configuration may add a second Authorization header or ask a helper.
  const authorization = `Basic ${basic}`;
  config.push([`http.${new URL(url).origin}/.extraHeader`, `Authorization: ${authorization}`]);
  // After a redirect git would send the header to wherever it leads.
  config.push(["http.followRedirects", "false"]);
  const env = { ...base, ...ISOLATED, ...gitConfigEnvironment(config) };
  return { url, env, authorization, secrets: [token, basic], [Symbol.dispose]() {} };
}

const ISOLATED = { GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" };

function resolveAddress({ repository, server, sshKey, directory }: AccessInputs): string {
  if (repository.startsWith("-") || /[\u0000-\u001f]/.test(repository)) {
    throw new DeployError("USAGE", `${JSON.stringify(repository)} is not the address of a repository`, {
      hint: ADDRESSES,
    });
  }
  if (/^(?:https?|ssh|file):\/\/./.test(repository) || isScpForm(repository)) return repository;
  if (/^[a-z][a-z0-9+.-]*:/i.test(repository)) {
    throw new DeployError("USAGE", `${repository}: an address this program does not speak`, { hint: ADDRESSES });
  }
  const local = path.resolve(directory, repository);
  if (!/^[\w.-]+\/[\w.-]+$/.test(repository) || repository.startsWith(".") || isDirectory(local)) return local;
  const host = (server ?? "https://github.com").replace(/\/+$/, "");
  return sshKey ? `git@${new URL(host).host}:${repository}.git` : `${host}/${repository}.git`;
}

const ADDRESSES = "owner/name, https://host/owner/name, git@host:owner/name, ssh://…, or a path";

const isScpForm = (address: string) => /^[\w.-]+@[\w.-]+:(?!\/\/)/.test(address);

const isDirectory = (file: string) => statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;

/** An address with `user:token@` taken out of it, so that it can be shown and put into argv. */
function splitCredentials(address: string): { url: string; credentials?: { username: string; password: string } } {
  if (!/^https?:\/\//.test(address)) return { url: address };
  let url: URL;
  let username: string;
  let password: string;
  try {
    url = new URL(address);
    username = decodeURIComponent(url.username);
    password = decodeURIComponent(url.password);
  } catch {
    throw new DeployError("USAGE", "the repository's address is not a URL", { hint: ADDRESSES });
  }
  url.username = "";
  url.password = "";
  if (password !== "") return { url: url.href, credentials: { username, password } };
  // A token alone in the place of the user name is how some write it.
  return username === "" ? { url: url.href } : { url: url.href, credentials: { username: "", password: username } };
}

function sshAccess(
  url: string,
  key: string,
  knownHosts: string | undefined,
  base: NodeJS.ProcessEnv,
  config: [string, string][],
): Access {
  const directory = tempDir("unikernel-deploy-ssh");
  try {
    const write = (name: string, text: string) => {
      const file = path.join(directory.path, name);
      writeFileSync(file, text, { mode: 0o600 });
      return file;
    };
    const identity = write("key", normalizeKey(key));
    const hosts = write("known_hosts", `${GITHUB_HOST_KEYS}${knownHosts ? `${knownHosts.trim()}\n` : ""}`);
    const options = [
      "IdentitiesOnly yes",
      `IdentityFile "${identity}"`,
      "IdentityAgent none",
      `UserKnownHostsFile "${hosts}"`,
      "GlobalKnownHostsFile /dev/null",
      "StrictHostKeyChecking yes",
      "BatchMode yes",
      "ConnectTimeout 30",
    ];
    const ssh = write("config", `Host *\n${options.map((line) => `  ${line}\n`).join("")}`);
    return {
      url,
      // git hands this text to a shell; it is the same text whatever the path is.
      env: {
        ...base,
        ...ISOLATED,
        ...gitConfigEnvironment(config),
        GIT_SSH_COMMAND: 'ssh -F "$UNIKERNEL_DEPLOY_SSH_CONFIG"',
        GIT_SSH_VARIANT: "ssh",
        UNIKERNEL_DEPLOY_SSH_CONFIG: ssh,
      },
      secrets: [],
      [Symbol.dispose]: () => directory[Symbol.dispose](),
    };
  } catch (error) {
    directory[Symbol.dispose]();
    throw error;
  }
}

/** Secrets stores eat line ends; a key without its last one is not read. Throws KEY_INVALID for what is no private key. */
export function normalizeKey(key: string): string {
  const text = `${key.replaceAll("\r\n", "\n").trim()}\n`;
  if (/^-----BEGIN [A-Z ]*PRIVATE KEY-----\n[\s\S]+\n-----END [A-Z ]*PRIVATE KEY-----\n$/.test(text)) return text;
  const found = /^(?:ssh-|ecdsa-|sk-)/.test(text) ? "a public key" : "something else";
  throw new DeployError("KEY_INVALID", `the key is not a private key in OpenSSH or PEM form, but ${found}`, {
    hint: "give the whole file that ssh-keygen made without .pub, with its BEGIN and END lines",
  });
}
