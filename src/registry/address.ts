/** Addresses of repositories in OCI registries: `oci://HOST[:PORT]/NAME`. Pure. */
import { DeployError } from "../errors.ts";

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export interface RegistryAddress {
  /** As the user knows it, without credentials: `oci://ghcr.io/owner/www`. */
  readonly text: string;
  /** `https://ghcr.io` */
  readonly origin: string;
  /** Host and port as the user wrote them: `docker.io`. */
  readonly host: string;
  /** `owner/www` (distribution-spec, "Pulling manifests"). */
  readonly name: string;
  /** What stands before the host: a user name and a token, either of which may be "". */
  readonly credentials?: Credentials;
}

/** Whether an address is one of a registry. */
export const isRegistryAddress = (address: string): boolean => /^oci(?:\+http)?:\/\//.test(address);

const HINT = "an address such as oci://ghcr.io/owner/www, or oci://localhost:5000/www";
const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/;
const LOOPBACK = /^(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]+)?$/i;
/** Host and name together have at most this many characters, as clients take them. */
const MAX_LENGTH = 255;

/** Throws USAGE for what is no address. Plain http is for this machine, and for whoever writes `oci+http://`. */
export function parseAddress(address: string): RegistryAddress {
  const [, scheme, userinfo, host = "", name = ""] =
    /^(oci(?:\+http)?):\/\/(?:([^@/]*)@)?([^/]*)\/?(.*)$/s.exec(address) ?? [];
  if (scheme === undefined) throw new DeployError("USAGE", "not the address of a registry", { hint: HINT });
  // What is shown has no credentials in it, and nothing of a line that has none of the form.
  if (!HOST.test(host))
    throw new DeployError("USAGE", `${scheme}://…: not the name of a registry's host`, { hint: HINT });
  const text = `${scheme}://${host}/${name}`;
  if (!NAME.test(name) || host.length + name.length > MAX_LENGTH) throw badName(host, name);
  const plain = scheme === "oci+http" || LOOPBACK.test(host);
  const origin = `${plain ? "http" : "https"}://${host === "docker.io" ? "registry-1.docker.io" : host}`;
  if (!URL.canParse(origin))
    throw new DeployError("USAGE", `${text}: there can be no host or port ${host}`, { hint: HINT });
  return {
    text,
    origin: new URL(origin).origin,
    host,
    name,
    ...(userinfo ? { credentials: parseUserinfo(userinfo) } : {}),
  };
}

/** Whether an origin is on this machine, where plain http gives nothing away. */
export const isLoopback = (url: URL): boolean => LOOPBACK.test(url.host);

function badName(host: string, name: string): DeployError {
  if (/@(?!sha256:)/.test(name)) {
    return new DeployError(
      "USAGE",
      "the user name or token in the address is not written as in a URL: / is %2F there",
      {
        hint: HINT,
      },
    );
  }
  const shown = JSON.stringify(name.slice(0, MAX_LENGTH));
  if (name === "") return new DeployError("USAGE", `oci://${host}: no name of a repository`, { hint: HINT });
  const isLong = host.length + name.length > MAX_LENGTH;
  if (!isLong && NAME.test(name.replace(/(?::[\w.-]+)?(?:@sha256:[0-9a-f]+)?$/, ""))) {
    return new DeployError("USAGE", `${shown}: a repository's name has no tag or digest`, {
      hint: "leave it out: deploys move the tags themselves",
    });
  }
  const hint = NAME.test(name.toLowerCase()) ? `write it in lower case: oci://${host}/${name.toLowerCase()}` : HINT;
  return new DeployError("USAGE", `${shown} is not the name of a repository in a registry`, { hint });
}

/** What stands alone in the place of a user and is a token, or begins like one of a forge. */
export const TOKEN = /^(?:gh[a-z]_|github_pat_|gl[a-z]+-)|^[A-Za-z0-9_.-]{20,}$/;

/** user:token, a user alone, or a token alone in its place. */
function parseUserinfo(userinfo: string): Credentials {
  const [first = "", ...rest] = userinfo.split(":");
  try {
    const [username, password] = [decodeURIComponent(first), decodeURIComponent(rest.join(":"))];
    return password === "" && TOKEN.test(username) ? { username: "", password: username } : { username, password };
  } catch {
    throw new DeployError("USAGE", "the user name or token in the address is not written as in a URL", { hint: HINT });
  }
}

/** What to show a registry: what stands in the address, and what was given for the rest. */
export function credentialsOf(
  { credentials }: RegistryAddress,
  given: Credentials | undefined,
): Credentials | undefined {
  const password = credentials?.password || given?.password;
  return password ? { username: credentials?.username || given?.username || "", password } : undefined;
}
