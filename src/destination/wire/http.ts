/** Smart HTTP (gitprotocol-http): every request stands for itself, so nothing is asked but what is needed. */
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../../errors.ts";
import type { Access } from "../access.ts";
import { Answer, type Transport, WireRefusal } from "./transport.ts";

/** Whether git would go through a proxy, or look at certificates in a way that we cannot. */
function isDetour(url: string, env: NodeJS.ProcessEnv): boolean {
  const { protocol, hostname } = new URL(url);
  if (protocol === "https:" && NO_CERTIFICATES.some((name) => env[name])) return true;
  const names = [`${protocol.slice(0, -1)}_proxy`, "all_proxy"];
  if (!names.some((name) => env[name] || env[name.toUpperCase()])) return false;
  const direct = (env["no_proxy"] || env["NO_PROXY"] || "").split(/[\s,]+/);
  return !direct.some(
    (host) => host === "*" || host === hostname || (host !== "" && hostname.endsWith(suffixOf(host))),
  );
}

const NO_CERTIFICATES = ["GIT_SSL_NO_VERIFY", "GIT_SSL_CAPATH", "GIT_SSL_CERT"];

const suffixOf = (host: string) => (host.startsWith(".") ? host : `.${host}`);

/** A body up to here is sent with its length, which every server and proxy takes. */
const SMALL_BODY = 1024 * 1024;
/** Nothing came or went for so long (milliseconds). A forge may think about a large push for minutes. */
const SILENCE = 15 * 60 * 1000;

/** How often we wait because the server asks for it, and how long at most (seconds). */
const MAX_PAUSES = 3;
const MAX_PAUSE = 60;
/** What a server is given that is busy and does not say for how long (seconds). */
const DEFAULT_PAUSE = 2;

/** The server has not looked at the request, and says when it would (RFC 6585, section 4; RFC 9110, section 10.2.3). */
class Busy extends WireRefusal {
  readonly seconds: number;

  constructor(status: number, retryAfter: string | undefined) {
    super(`status ${status}`);
    this.seconds = /^\d{1,6}$/.test(retryAfter ?? "") ? Number(retryAfter) : DEFAULT_PAUSE;
  }
}

/** For a repository that is reached by plain http or https with the credentials we were given; else undefined. */
export function httpTransport({ url, authorization, env }: Access): Transport | undefined {
  if (!/^https?:\/\//.test(url) || authorization === undefined || isDetour(url, env)) return undefined;
  const base = url.replace(/\/+$/, "");
  let kept: http.Agent | undefined;
  const post = async (service: string, body: Body, again: boolean, pauses = MAX_PAUSES): Promise<Buffer> => {
    try {
      return await request(
        { url: `${base}/${service}`, service, authorization, agent: (kept ??= agentFor(base, env)) },
        body,
      );
    } catch (error) {
      if (again && isStale(error)) return post(service, body, false, pauses);
      if (error instanceof Busy && pauses > 0 && Buffer.isBuffer(body) && error.seconds <= MAX_PAUSE) {
        await sleep(error.seconds * 1000);
        return post(service, body, again, pauses - 1);
      }
      throw error instanceof WireRefusal ? error : new WireRefusal(messageOf(error), { cause: error });
    }
  };
  return {
    fetch: (bytes) => post("git-upload-pack", bytes, true),
    push: async (body) => post("git-receive-pack", await shortened(body), false),
    // A connection that nobody uses keeps no process from ending, and serves the next question.
    [Symbol.dispose]() {},
  };
}

function agentFor(url: string, env: NodeJS.ProcessEnv): http.Agent {
  if (!url.startsWith("https:")) return new http.Agent({ keepAlive: true });
  const authorities = env["GIT_SSL_CAINFO"];
  return new https.Agent({ keepAlive: true, ...(authorities ? { ca: readFileSync(authorities) } : {}) });
}

type Body = Buffer | AsyncIterable<Buffer>;

interface Target {
  readonly url: string;
  readonly service: string;
  readonly authorization: string;
  readonly agent: http.Agent;
}

async function request({ url, service, authorization, agent }: Target, body: Body): Promise<Buffer> {
  const headers = {
    "content-type": `application/x-${service}-request`,
    accept: `application/x-${service}-result`,
    "user-agent": "git/unikernel-deploy",
    ...(service === "git-upload-pack" ? { "git-protocol": "version=2" } : {}),
    ...(Buffer.isBuffer(body) ? { "content-length": body.length } : {}),
    authorization,
  };
  const { request: open } = url.startsWith("https:") ? https : http;
  const sent = open(url, { method: "POST", headers, agent, timeout: SILENCE });
  sent.on("timeout", () => sent.destroy(new Error(`no answer for ${SILENCE / 60_000} minutes`)));
  const answered = new Promise<Buffer>((resolve, reject) => {
    sent.on("error", (error) => reject(Object.assign(error, { reused: sent.reusedSocket })));
    sent.on("response", (response) => {
      if (response.statusCode === 200) readAnswer(response).then(resolve, reject);
      else {
        response.resume();
        const { statusCode: status = 0 } = response;
        const isBusy = status === 429 || status === 503;
        reject(isBusy ? new Busy(status, response.headers["retry-after"]) : new WireRefusal(`status ${status}`));
        sent.destroy();
      }
    });
  });
  // A server may answer, and refuse, before it has read everything.
  if (Buffer.isBuffer(body)) sent.end(body);
  else pipeline(Readable.from(body), sent).catch((error: unknown) => sent.destroy(error as Error));
  return answered;
}

async function readAnswer(response: http.IncomingMessage): Promise<Buffer> {
  const answer = new Answer();
  for await (const chunk of response as AsyncIterable<Buffer>) answer.add(chunk);
  return answer.bytes();
}

/** A connection that was kept and that the server has closed meanwhile. */
function isStale(error: unknown): boolean {
  return error instanceof Error && "reused" in error && error.reused === true;
}

/** The body as one buffer where it is small. */
async function shortened(body: AsyncIterable<Buffer>): Promise<Body> {
  const iterator = body[Symbol.asyncIterator]();
  const first: Buffer[] = [];
  for (let size = 0; size <= SMALL_BODY; ) {
    const { value, done } = await iterator.next();
    if (done) return Buffer.concat(first);
    first.push(value);
    size += value.length;
  }
  return (async function* () {
    yield* first;
    yield* { [Symbol.asyncIterator]: () => iterator };
  })();
}
