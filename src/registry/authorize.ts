/**
 * The Authorization header of a registry: none, a user name and token, or what its token service gives for them
 * (distribution's token authentication). Where the service is, is the registry's word, which is not trusted: credentials
 * go to it over https only, or to this machine where the registry is here too, and never after a redirect.
 */
import { DeployError } from "../errors.ts";
import type { Credentials, RegistryAddress } from "./address.ts";
import { isLoopback } from "./address.ts";
import { type Challenge, parseChallenge } from "./challenge.ts";
import { type Circumstances, exchange, Transient } from "./exchange.ts";
import { type Asked, refusal } from "./refusal.ts";
import { retryAfter } from "./retry.ts";

export interface Authorizer {
  /** What to send with a request of this kind; undefined for nothing. */
  header(kind: Asked["kind"]): string | undefined;
  /** Meets the challenge of a 401; false where nothing more can be sent than was. */
  meet(kind: Asked["kind"], challenge: string | null): Promise<boolean>;
}

/** A token is some kilobytes at most (bytes). */
const MAX_TOKEN_ANSWER = 256 * 1024;
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/;

export interface AuthorizerOptions {
  readonly address: RegistryAddress;
  readonly credentials: Credentials | undefined;
  /** Whether to ask for the right to write from the start: a repository that does not exist yet cannot be read by right. */
  readonly writes: boolean;
}

export function authorizer(
  { address, credentials, writes }: AuthorizerOptions,
  circumstances: Circumstances,
): Authorizer {
  const basic = credentials && basicHeader(credentials);
  const headers = new Map<Asked["kind"], string>();
  const underWay = new Map<string, Promise<string>>();
  return {
    header: (kind) => headers.get(kind),
    async meet(kind, text) {
      const challenge = parseChallenge(text);
      const before = headers.get(kind);
      if (challenge?.scheme === "basic") {
        if (basic === undefined || before === basic) return false;
        headers.set(kind, basic);
        return true;
      }
      if (!challenge) return false;
      // Many requests at once meet the same challenge; one of them asks.
      const tokenFor = (scope: string) => {
        const asking =
          underWay.get(scope) ??
          fetchToken(address, challenge, { scope, kind, basic }, circumstances).finally(() => underWay.delete(scope));
        underWay.set(scope, asking);
        return asking;
      };
      const needed = scopeOf(challenge, address.name, kind);
      const wide = `repository:${address.name}:${ACTIONS.push}`;
      const token =
        writes && kind === "pull" && before === undefined
          ? await tokenFor(wide).catch((error: unknown) => {
              if (!(error instanceof DeployError) || error.code !== "REPOSITORY_DENIED") throw error;
              return tokenFor(needed);
            })
          : await tokenFor(needed);
      headers.set(kind, `Bearer ${token}`);
      return true;
    },
  };
}

const basicHeader = ({ username, password }: Credentials) =>
  `Basic ${Buffer.from(`${username || "x-access-token"}:${password}`).toString("base64")}`;

const ACTIONS = { pull: "pull", push: "pull,push", delete: "delete" } as const;

/** What the registry names, where that is a scope at all; else what the request needs. */
function scopeOf({ scope }: Challenge & { scheme: "bearer" }, name: string, kind: Asked["kind"]): string {
  return scope !== undefined && SCOPE.test(scope) ? scope : `repository:${name}:${ACTIONS[kind]}`;
}

interface Wanted {
  readonly scope: string;
  readonly kind: Asked["kind"];
  readonly basic: string | undefined;
}

async function fetchToken(
  address: RegistryAddress,
  { realm, service }: Challenge & { scheme: "bearer" },
  { scope, kind, basic }: Wanted,
  circumstances: Circumstances,
): Promise<string> {
  const url = realmUrl(address, realm);
  if (service !== undefined) url.searchParams.set("service", service);
  for (const each of scope.split(" ")) url.searchParams.append("scope", each);
  const headers = basic === undefined ? {} : { authorization: basic };
  const answer = await exchange({ method: "GET", url, headers }, circumstances);
  const asked: Asked = {
    address: `${address.text} (by its token service at ${url.origin})`,
    purpose: `a token to ${kind}`,
    kind,
    authorized: basic !== undefined,
  };
  const body = await answer.bytes(MAX_TOKEN_ANSWER);
  if (answer.status !== 200) {
    const failure = refusal(asked, answer.status, body.toString("utf8"));
    throw answer.status === 429 || answer.status >= 500 ? new Transient(failure, retryAfter(answer.headers)) : failure;
  }
  const token = tokenIn(body.toString("utf8"));
  if (token !== undefined) return token;
  throw new DeployError("REPOSITORY_UNREACHABLE", `${asked.address}: no token in the answer`, {
    hint: "is this a registry? Its token service answered with something else",
  });
}

/** Throws REPOSITORY_DENIED for a service that is not to be trusted with credentials. */
function realmUrl(address: RegistryAddress, realm: string): URL {
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  const registry = new URL(address.origin);
  const plainAllowed =
    registry.protocol === "http:" && (address.text.startsWith("oci+http:") || (url && isLoopback(url)));
  const allowed = url?.protocol === "https:" || (url?.protocol === "http:" && plainAllowed);
  if (url && allowed && url.username === "" && url.password === "") return url;
  throw new DeployError("REPOSITORY_DENIED", `${address.text} names a token service that credentials do not go to`, {
    problems: [`expected an https address, found ${JSON.stringify(realm.slice(0, 200))}`],
    hint: "the registry's own configuration names it (realm)",
  });
}

/** `token`, or `access_token` as OAuth calls it. Goes into a header, so it is of what a header may hold. */
function tokenIn(text: string): string | undefined {
  let token: unknown;
  try {
    const json = JSON.parse(text) as { token?: unknown; access_token?: unknown } | null;
    token = json?.token ?? json?.access_token;
  } catch {
    return undefined;
  }
  return typeof token === "string" && /^[\x21-\x7e]+$/.test(token) ? token : undefined;
}
