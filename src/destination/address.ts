/** Addresses of repositories as people write them, with the credentials taken out: what is left may be shown. */
import { statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { DeployError } from "../errors.ts";
import { TOKEN } from "../registry/address.ts";

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
  if (repository.startsWith("-") || /[\u0000-\u001f]/.test(repository))
    throw refuse(JSON.stringify(withoutCredentials(repository)), "not the address of a repository");
  if (/^(?:https?|ssh|file):\/\/./i.test(repository) || isScpForm(repository)) return speakable(repository);
  const shown = withoutCredentials(repository);
  if (/^[a-z][a-z0-9+.-]*:/i.test(repository)) throw refuse(shown, "an address this program does not speak");
  const local = path.resolve(directory, repository);
  if (isPath(repository)) return local;
  if (repository.includes("@") && !isDirectory(local))
    throw refuse(shown, "no directory, and for another address https:// or a path behind : is missing");
  if (!/^[\w.-]+\/[\w.-]+$/.test(repository) || isDirectory(local)) return local;
  const name = repository.replace(/\.git$/, "");
  const host = (server ?? "https://github.com").replace(/\/+$/, "");
  const hostname = hostnameOf(host);
  // The port of the web server is not that of ssh.
  return ssh ? `git@${hostname}:${name}.git` : `${host}/${name}.git`;
}

/** The host of the server that jobs run on. Throws USAGE where GITHUB_SERVER_URL is no address. */
export function hostnameOf(server: string): string {
  if (URL.canParse(server)) return new URL(server).hostname;
  throw new DeployError("USAGE", `GITHUB_SERVER_URL: expected an address such as https://github.com, found ${server}`, {
    hint: "unset it, or name the repository with its whole address",
  });
}

/** Throws USAGE for what git or ssh would take for something else, and for a secret where none is asked for. */
function speakable(address: string): string {
  const shown = withoutCredentials(address);
  // ssh takes a host or user that begins with a dash for an option (CVE-2017-1000117); git refuses too, less clearly.
  if (/^ssh:\/\/(?:[^/]*@)?-|^-|^[^/:]*@-/.test(address))
    throw refuse(JSON.stringify(shown), "not the address of a repository");
  if (/^ssh:\/\/[^/]*:[^/]*@/i.test(address)) throw refuse(shown, "no password goes to ssh; give a deploy key");
  // What stands before a password's slash would be the host.
  if (/^https?:\/\/[^/@]*:[^/@]*\/[^@]*[^/@]@/i.test(address))
    throw refuse(shown, "in a user name or token / is written %2F, and in a path @ is written %40");
  if (/^file:/i.test(address) && !isDecodable(address)) throw refuse(shown, "expected file:///PATH, on this machine");
  if (/^ssh:/i.test(address) && !isDecodable(address)) throw refuse(shown, "not written as a URL is (% is %25 there)");
  return address;
}

/** Whether a path can be had from it. */
function isDecodable(address: string): boolean {
  try {
    const text = /^file:/i.test(address) ? fileURLToPath(address) : decodeURIComponent(address);
    return !text.includes("\0");
  } catch {
    return false;
  }
}

const refuse = (shown: string, what: string) => new DeployError("USAGE", `${shown}: ${what}`, { hint: ADDRESSES });

const ADDRESSES = "owner/name, https://host/owner/name, git@host:owner/name, ssh://…, or a path";

const isScpForm = (address: string) => /^[\w.-]+@[\w.-]+:(?!\/\/)/.test(address) && !TOKEN.test(address);

const isPath = (address: string) => /^[./]/.test(address);

const isDirectory = (file: string) => statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;

/** An address, however it is misspelt, without the user and token that stand in it. */
export function withoutCredentials(address: string): string {
  if (isPath(address)) return address;
  const [, scheme = "", rest = ""] = /^((?:https?|ssh|file|oci(?:\+http)?):?\/+)?(.*)$/is.exec(address) ?? [];
  const at = rest.lastIndexOf("@");
  const user = rest.slice(0, at);
  const isSecret = at > 0 && !user.endsWith("/") && (scheme !== "" || !/^[\w.-]+$/.test(user) || TOKEN.test(user));
  return isSecret ? scheme + rest.slice(at + 1) : address;
}

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

/** user:token, a token alone where the user stands, and what GitHub's oldest instructions say: token:x-oauth-basic. */
function credentialsOf(username: string, password: string): Pick<Address, "username" | "token"> {
  if (password === "x-oauth-basic") return { username: "", token: username };
  if (password !== "") return { username, token: password };
  return TOKEN.test(username) ? { username: "", token: username } : { username, token: "" };
}

const isGitlab = ({ hostname }: URL, { username, token }: Pick<Address, "username" | "token">) =>
  /(?:^|\.)gitlab\./.test(hostname) || /^(?:oauth2|gitlab-ci-token)$/.test(username) || /^gl[a-z]+-/.test(token);
