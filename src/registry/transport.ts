/** Requests to one repository of a registry: authorized, asked again where that may help, refused in our words. */
import { DeployError } from "../errors.ts";
import type { Log } from "../util/log.ts";
import { type Credentials, credentialsOf, isLoopback, type RegistryAddress } from "./address.ts";
import { authorizer } from "./authorize.ts";
import { type Answer, type Circumstances, exchange, type Request, Transient } from "./exchange.ts";
import { type Asked, refusal } from "./refusal.ts";
import { retryAfter, retrying } from "./retry.ts";

export interface Call {
  readonly method: Request["method"];
  /** Below `/v2/NAME/`, or where the registry said. */
  readonly at: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Request["body"];
  /** "blob sha256:…": what a refusal is about. */
  readonly purpose: string;
  readonly kind: Asked["kind"];
  /** Statuses that are answers; any other throws. */
  readonly expect: readonly number[];
}

export interface Transport {
  readonly address: RegistryAddress;
  /** One try. Throws `Transient` for what may go well the next time. */
  once(call: Call): Promise<Answer>;
  /** As often as is worth it; the whole answer, of at most `limit` bytes. */
  ask(call: Call, limit?: number): Promise<{ status: number; headers: Headers; bytes: Buffer }>;
  retrying<T>(work: () => Promise<T>): Promise<T>;
  /** An address that the registry sent, relative to the one that was asked; throws where credentials could leak. */
  follow(location: string | null, from: URL): URL;
  url(at: string): URL;
}

export interface TransportOptions {
  readonly address: RegistryAddress;
  readonly credentials: Credentials | undefined;
  readonly writes: boolean;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
  readonly signal: AbortSignal | undefined;
  readonly random: () => number;
}

/** What a refusal has to say (bytes). */
const MAX_REFUSAL = 64 * 1024;
/** Blobs are often kept elsewhere; nobody needs more steps than this. */
const MAX_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

export function openTransport(options: TransportOptions): Transport {
  const { address, log, signal, random } = options;
  const circumstances: Circumstances = { address: address.text, signal, env: options.env };
  const credentials = credentialsOf(address, options.credentials);
  const authorize = authorizer({ address, credentials, writes: options.writes }, circumstances);
  const { origin } = address;
  const url = (at: string) => new URL(`${origin}/v2/${address.name}/${at}`);

  /** With the header only where it belongs: to the registry itself. */
  async function authorized(call: Call, target: URL): Promise<Answer> {
    const { method, headers, body, kind } = call;
    const send = () => {
      const authorization = target.origin === origin ? authorize.header(kind) : undefined;
      return exchange(
        {
          method,
          url: target,
          headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) },
          ...(body ? { body } : {}),
        },
        circumstances,
      );
    };
    const answer = await send();
    if (answer.status !== 401 || target.origin !== origin) return answer;
    const challenge = answer.headers.get("www-authenticate");
    let isMet: boolean;
    try {
      isMet = await authorize.meet(kind, challenge);
    } catch (error) {
      await answer.discard();
      throw error;
    }
    if (!isMet) return answer;
    await answer.discard();
    return send();
  }

  async function redirected(call: Call, target: URL): Promise<Answer> {
    const mayFollow = call.method === "GET" || call.method === "HEAD";
    let at = target;
    for (let step = 0; ; step++) {
      const answer = await authorized(call, at);
      if (!mayFollow || !REDIRECTS.has(answer.status)) return answer;
      await answer.discard();
      if (step === MAX_REDIRECTS)
        throw refusal({ ...call, address: address.text, authorized: true }, answer.status, "");
      at = follow(answer.headers.get("location"), at);
    }
  }

  function follow(location: string | null, from: URL): URL {
    const to = location !== null && URL.canParse(location, from.href) ? new URL(location, from) : undefined;
    const registry = new URL(origin);
    // Behind a proxy that ends TLS a registry may not know how it is reached.
    if (to?.protocol === "http:" && to.host === registry.host) to.protocol = registry.protocol;
    const plainAllowed =
      registry.protocol === "http:" && (address.text.startsWith("oci+http:") || (to && isLoopback(to)));
    if (to && (to.protocol === "https:" || (to.protocol === "http:" && plainAllowed))) {
      to.username = "";
      to.password = "";
      return to;
    }
    throw new DeployError("REPOSITORY_UNREACHABLE", `${address.text} sends us to an address that is not https`, {
      hint: "the registry (or a proxy before it) has to be told its own address",
    });
  }

  async function once(call: Call): Promise<Answer> {
    const answer = await redirected(call, typeof call.at === "string" ? url(call.at) : call.at);
    const { status, headers } = answer;
    if (call.expect.includes(status)) return answer;
    const body = await answer.bytes(MAX_REFUSAL).catch(() => Buffer.alloc(0));
    const asked = { ...call, address: address.text, authorized: credentials !== undefined };
    const failure = refusal(asked, status, body.toString("utf8"));
    // A blob that two deploys send at once is not always found at once: ours is there, and the registry has said so.
    const lags = call.kind === "push" && /\bMANIFEST_BLOB_UNKNOWN\b/.test(body.toString("latin1"));
    const mayPass = lags || status === 408 || status === 429 || (status >= 500 && status !== 501 && status !== 507);
    throw mayPass ? new Transient(failure, retryAfter(headers)) : failure;
  }

  const again = <T>(work: () => Promise<T>) =>
    retrying(work, {
      random,
      signal,
      onRetry: (reason, wait) => log.info(`${reason}; asking again in ${(wait / 1000).toFixed(1)} s`),
    });

  return {
    address,
    once,
    retrying: again,
    follow,
    url,
    ask: (call, limit = MAX_REFUSAL) =>
      again(async () => {
        const answer = await once(call);
        const bytes = call.method === "HEAD" ? Buffer.alloc(0) : await answer.bytes(limit);
        if (call.method === "HEAD") await answer.discard();
        return { status: answer.status, headers: answer.headers, bytes };
      }),
  };
}
