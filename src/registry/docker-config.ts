/** Credentials that `docker login` left: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`. */
import { readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import type { Log } from "../util/log.ts";
import type { Credentials } from "./address.ts";
import { plainText } from "./refusal.ts";

/** Such a file is some kilobytes (bytes). */
const MAX_CONFIG = 1024 * 1024;

/**
 * What the file has for a registry's host. Programs that keep credentials are not asked, which a warning says where it
 * matters; a file that cannot be read is passed over with one as well.
 */
export function dockerCredentials(host: string, env: NodeJS.ProcessEnv, log: Log): Credentials | undefined {
  const file = path.join(env.DOCKER_CONFIG || path.join(env.HOME || homedir(), ".docker"), "config.json");
  let text: string;
  try {
    const stat = statSync(file, { throwIfNoEntry: false });
    if (!stat?.isFile() || stat.size > MAX_CONFIG) return undefined;
    text = readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
  const found = credentialsFor(host, text);
  if (found.kind === "found") return found.credentials;
  if (found.kind === "helper") {
    log.warning(
      `${file} keeps the credentials for ${host} in ${plainText(found.helper)}, which is not asked: set UNIKERNEL_DEPLOY_TOKEN where the registry wants them`,
    );
  }
  if (found.kind === "invalid") log.warning(`${file} is passed over: ${found.reason}`);
  return undefined;
}

export type DockerEntry =
  | { readonly kind: "found"; readonly credentials: Credentials }
  | { readonly kind: "helper"; readonly helper: string }
  | { readonly kind: "none" }
  | { readonly kind: "invalid"; readonly reason: string };

/** Reads `auths`, `credHelpers` and `credsStore`. Pure. */
export function credentialsFor(host: string, text: string): DockerEntry {
  let config: Record<string, unknown>;
  try {
    config = objectOf(JSON.parse(text));
  } catch {
    return { kind: "invalid", reason: "it is not JSON" };
  }
  const auths = objectOf(config.auths);
  const entry = keysOf(host).flatMap((key) => (Object.hasOwn(auths, key) ? [objectOf(auths[key])] : []))[0];
  const auth = entry?.auth;
  if (typeof auth === "string" && auth !== "") {
    const [username = "", ...password] = Buffer.from(auth, "base64").toString("utf8").split(":");
    // Some versions of docker pad what they write.
    const credentials = { username, password: password.join(":").replace(/\0+$/, "") };
    if (credentials.password === "") return { kind: "invalid", reason: `its entry for ${host} has no password` };
    return { kind: "found", credentials };
  }
  const helper =
    keysOf(host).map((key) => objectOf(config.credHelpers)[key])[0] ?? (entry ? config.credsStore : undefined);
  if (typeof helper === "string" && helper !== "") return { kind: "helper", helper: `docker-credential-${helper}` };
  return { kind: "none" };
}

/** Docker's own registry has a name of its own there. */
function keysOf(host: string): readonly string[] {
  const names = [host, `https://${host}`, `https://${host}/v1/`, `https://${host}/v2/`];
  return host === "docker.io" ? ["https://index.docker.io/v1/", ...names] : names;
}

const objectOf = (value: unknown): Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
