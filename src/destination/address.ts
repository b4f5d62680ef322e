/** Addresses of repositories as people write them, with the credentials taken out: what is left may be shown. */
import { statSync } from "node:fs";
import path from "node:path";
import { DeployError } from "../errors.ts";

export interface AddressInputs {
  /** https, http, ssh or git@host:path address, a path, or owner/name on `server`. May carry user:token@. */
  readonly repository: string;
  /** Where owner/name lives, e.g. https://github.com. */
  readonly server?: string | undefined;
  /** Whether owner/name is reached by ssh. */
  readonly ssh: boolean;
  /** What relative paths are relative to. */
  readonly directory: string;
}

export interface Address {
  /** Without credentials. */
  readonly url: string;
  readonly transport: "http" | "ssh" | "local";
  /** "" where the address has none. */
  readonly username: string;
  /** "" where the address has none. */
  readonly token: string;
}

/** Throws USAGE for what is no address. */
export function readAddress(inputs: AddressInputs): Address {
  const address = resolve(inputs);
  if (/^https?:\/\//i.test(address)) return httpAddress(address);
  const transport = address.startsWith("ssh://") || isScpForm(address) ? "ssh" : "local";
  return { url: address, transport, username: "", token: "" };
}

function resolve({ repository, server, ssh, directory }: AddressInputs): string {
  if (repository.startsWith("-") || /[\u0000-\u001f]/.test(repository)) {
    throw new DeployError(
      "USAGE",
      `${JSON.stringify(withoutCredentials(repository))} is not the address of a repository`,
      {
        hint: ADDRESSES,
      },
    );
  }
  if (/^(?:https?|ssh|file):\/\/./i.test(repository) || isScpForm(repository)) return optionless(repository);
  if (/^[a-z][a-z0-9+.-]*:/i.test(repository)) {
    throw new DeployError("USAGE", `${withoutCredentials(repository)}: an address this program does not speak`, {
      hint: ADDRESSES,
    });
  }
  const local = path.resolve(directory, repository);
  if (!/^[\w.-]+\/[\w.-]+$/.test(repository) || repository.startsWith(".") || isDirectory(local)) return local;
  const name = repository.replace(/\.git$/, "");
  const host = (server ?? "https://github.com").replace(/\/+$/, "");
  // The port of the web server is not that of ssh.
  return ssh ? `git@${new URL(host).hostname}:${name}.git` : `${host}/${name}.git`;
}

/** ssh takes a host or user that begins with a dash for an option (CVE-2017-1000117); git refuses too, less clearly. */
function optionless(address: string): string {
  if (!/^ssh:\/\/(?:[^/]*@)?-|^-|^[^/:]*@-/.test(address)) return address;
  throw new DeployError("USAGE", `${JSON.stringify(withoutCredentials(address))} is not the address of a repository`, {
    hint: ADDRESSES,
  });
}

const ADDRESSES = "owner/name, https://host/owner/name, git@host:owner/name, ssh://…, or a path";

const isScpForm = (address: string) => /^[\w.-]+@[\w.-]+:(?!\/\/)/.test(address);

const isDirectory = (file: string) => statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;

/** Text in which an address may stand, without the user and token that stand in the address. */
export const withoutCredentials = (text: string) => text.replaceAll(/\/\/[^/\s]*@/g, "//");

function httpAddress(address: string): Address {
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
  Object.assign(url, { username: "", password: "", search: "", hash: "" });
  url.pathname = url.pathname.replace(/\/+$/, "");
  const credentials = credentialsOf(username, password);
  // GitLab answers an address without .git with a redirect, and no credentials are sent after one.
  if (isGitlab(url, credentials) && !url.pathname.endsWith(".git")) url.pathname += ".git";
  return { url: url.href, transport: "http", ...credentials };
}

const TOKEN = /^(?:gh[a-z]_|github_pat_|gl[a-z]+-)|^[A-Za-z0-9_.-]{20,}$/;

/** user:token, a token alone where the user stands, and what GitHub's oldest instructions say: token:x-oauth-basic. */
function credentialsOf(username: string, password: string): Pick<Address, "username" | "token"> {
  if (password === "x-oauth-basic") return { username: "", token: username };
  if (password !== "") return { username, token: password };
  return TOKEN.test(username) ? { username: "", token: username } : { username, token: "" };
}

const isGitlab = ({ hostname }: URL, { username, token }: Pick<Address, "username" | "token">) =>
  /(?:^|\.)gitlab\./.test(hostname) || /^(?:oauth2|gitlab-ci-token)$/.test(username) || /^gl[a-z]+-/.test(token);
