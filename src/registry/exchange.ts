/** One request and its answer: bounded, watched, never following a redirect by itself. */
import { Readable } from "node:stream";
import { DeployError, messageOf } from "../errors.ts";

export interface Request {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "DELETE";
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Opened anew for each try. */
  readonly body?: { readonly size: number; open(): AsyncIterable<Uint8Array> };
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The body as it comes; cut off where the connection broke, which throws `Transient`. */
  chunks(): AsyncIterable<Uint8Array>;
  /** The whole body; throws IO_FAILED for one that is larger than `limit` bytes. */
  bytes(limit: number): Promise<Buffer>;
  /** Lets go of the connection. */
  discard(): Promise<void>;
}

/** Something that may go well the next time. */
export class Transient extends Error {
  /** What to tell the user where it does not. */
  readonly failure: DeployError;
  /** Milliseconds that the server wants us to wait. */
  readonly after: number;

  constructor(failure: DeployError, after = 0) {
    super(failure.message, { cause: failure });
    this.failure = failure;
    this.after = after;
  }
}

export interface Circumstances {
  /** Names the server in messages. */
  readonly address: string;
  readonly signal: AbortSignal | undefined;
  readonly env: NodeJS.ProcessEnv;
}

/** A server that neither takes nor sends anything for this long is not waited for (milliseconds). */
const PATIENCE = 60_000;
/** What has been sent is then hashed, and moved into its place: at 50 MB/s a part of some gigabytes takes a minute. */
const PATIENCE_AFTER_UPLOAD = 280_000;

/** Sends one request. Throws `Transient` where the connection fails, CANCELLED where `signal` says so. */
export async function exchange(request: Request, circumstances: Circumstances): Promise<Answer> {
  const { address, signal } = circumstances;
  const watch = watchdog(signal);
  const { body } = request;
  const broken = (error: unknown) => connectionError(error, circumstances);
  try {
    const response = await fetch(request.url, {
      method: request.method,
      headers: {
        "user-agent": "unikernel-deploy",
        // What is asked for is named by its digest: as it is, please.
        "accept-encoding": "identity",
        ...(body ? { "content-length": String(body.size) } : {}),
        ...request.headers,
      },
      ...(body && body.size > 0 ? { body: Readable.toWeb(Readable.from(watched(body, watch))), duplex: "half" } : {}),
      redirect: "manual",
      signal: watch.signal,
    } as RequestInit);
    watch.touch();
    return answerOf(response, watch, broken, address);
  } catch (error) {
    watch.stop();
    throw broken(error);
  }
}

async function* watched(body: NonNullable<Request["body"]>, watch: Watchdog): AsyncGenerator<Uint8Array> {
  for await (const chunk of body.open()) {
    watch.touch();
    yield chunk;
  }
  watch.touch(PATIENCE_AFTER_UPLOAD);
}

function answerOf(response: Response, watch: Watchdog, broken: (error: unknown) => Error, address: string): Answer {
  const body = response.body as unknown as ReadableStream<Uint8Array> | null;
  async function* chunks() {
    try {
      for await (const chunk of body ?? []) {
        watch.touch();
        yield chunk;
      }
    } catch (error) {
      throw broken(error);
    } finally {
      watch.stop();
    }
  }
  return {
    status: response.status,
    headers: response.headers,
    chunks,
    async bytes(limit) {
      const kept: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of chunks()) {
        size += chunk.length;
        if (size > limit) throw new DeployError("IO_FAILED", `${address} answered with more than ${limit} bytes`);
        kept.push(chunk);
      }
      return Buffer.concat(kept);
    },
    async discard() {
      watch.stop();
      await body?.cancel().catch(() => {});
    },
  };
}

interface Watchdog {
  readonly signal: AbortSignal;
  /** Something moved; the next thing may take this long. */
  touch(patience?: number): void;
  stop(): void;
}

function watchdog(outer: AbortSignal | undefined): Watchdog {
  const controller = new AbortController();
  const bark = () => controller.abort(new Error("nothing came or went for too long"));
  // The connection that it watches keeps the process, not the timer.
  let timer = setTimeout(bark, PATIENCE).unref();
  return {
    signal: outer ? AbortSignal.any([outer, controller.signal]) : controller.signal,
    touch(patience = PATIENCE) {
      clearTimeout(timer);
      timer = setTimeout(bark, patience).unref();
    },
    stop: () => clearTimeout(timer),
  };
}

/** Failures that asking again does not mend. */
const LASTING = /^(?:ENOTFOUND|CERT_|ERR_TLS|ERR_SSL|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH|ERR_INVALID)/;

function connectionError(error: unknown, { address, signal, env }: Circumstances): Error {
  if (error instanceof DeployError || error instanceof Transient) return error;
  if (signal?.aborted) return new DeployError("CANCELLED", "cancelled", { cause: error });
  // A file that changed while it was sent is no fault of the connection.
  const code = codeOf(error);
  if (code === "UND_ERR_REQ_CONTENT_LENGTH_MISMATCH") {
    return new DeployError("FILE_CHANGED", "a file changed while it was sent", { hint: "run again", cause: error });
  }
  const failure = new DeployError("REPOSITORY_UNREACHABLE", `${address} could not be reached: ${reasonOf(error)}`, {
    hint: env.HTTPS_PROXY || env.https_proxy ? PROXY : "check the address and the network, then run again",
    cause: error,
  });
  return LASTING.test(code) || isBadPort(error) ? failure : new Transient(failure);
}

/** Ports that fetch asks nobody at, as those of other protocols (Fetch standard, "Port blocking"). It has no code for that. */
const isBadPort = (error: unknown) => messageOf(causeOf(error)) === "bad port";

const PROXY = "to go through HTTPS_PROXY, set NODE_USE_ENV_PROXY=1 (Node 24); else check the address and the network";

function causeOf(error: unknown): unknown {
  return error instanceof Error && error.cause instanceof Error ? causeOf(error.cause) : error;
}

function codeOf(error: unknown): string {
  const cause = causeOf(error);
  return cause instanceof Error && "code" in cause ? String(cause.code) : "";
}

function reasonOf(error: unknown): string {
  const cause = causeOf(error);
  return messageOf(cause) || codeOf(cause) || "no connection";
}
