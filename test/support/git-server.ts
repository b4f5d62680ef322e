/**
 * A forge's git over HTTP: `git http-backend` behind node's HTTP server, with basic authentication, a count of the bytes
 * of every request, and faults on demand. Nothing is buffered, so a cut connection looks the same as a real one.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { text } from "node:stream/consumers";
import { type Chunks, type Fault, impaired } from "./faults.ts";
import { serve } from "./http.ts";
import { createBareRepository, type RepositoryOptions } from "./repository.ts";
import { tempDir } from "./temp.ts";

/** A program of git that a client asks for. */
export type GitService = "git-upload-pack" | "git-receive-pack";

/** A request as the server saw it. The counts grow while the request lasts. */
export interface GitRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** What the client wants to run; undefined for a plain file. */
  readonly service: GitService | undefined;
  /** The user name of the basic authentication, right or wrong. */
  readonly user: string | undefined;
  /** Whether the token was right. */
  readonly authorized: boolean;
  /** The `git-protocol` header, e.g. `version=2`. */
  readonly protocol: string | undefined;
  /** The status that was answered; undefined until then. */
  readonly status: number | undefined;
  /** Bytes of the request's body, as sent: what git compressed counts compressed. */
  readonly bytesIn: number;
  /** Bytes of the response's body. */
  readonly bytesOut: number;
  /** What `git http-backend` had to say on stderr. */
  readonly stderr: string;
  /** Whether the whole body of the request has come. */
  readonly received: boolean;
  /** Whether nothing more will happen. */
  readonly done: boolean;
}

/** Decides about each request, before authentication; undefined lets it pass. The request waits for the answer. */
export type FaultHook = (request: GitRequest) => Fault | undefined | Promise<Fault | undefined>;

/** Sums over all requests since the start or the last `reset`. */
export interface Totals {
  readonly requests: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** Bytes on the wire since the start or the last `reset`, those of the HTTP headers among them. */
export interface Traffic {
  readonly sent: number;
  readonly received: number;
}

/** What `gitServer` is given. */
export interface GitServerOptions {
  /** The password that is accepted, with any user name. */
  readonly token: string;
  /** Whether a fetch needs no token, as for a public repository. */
  readonly anonymousRead?: boolean;
  readonly fault?: FaultHook;
  /** Where the repositories are; a directory of its own if absent. */
  readonly root?: string;
}

/** A running server. */
export interface GitServer extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** The directory that holds the repositories. */
  readonly root: string;
  /** Every request since the start or the last `reset`, in order of arrival. */
  readonly requests: readonly GitRequest[];
  /** May be changed at any time; requests under way keep the fault they began with. */
  fault: FaultHook | undefined;
  /** Make an empty bare repository, and return its path. */
  createRepository(name: string, options?: RepositoryOptions): Promise<string>;
  /** The URL of a repository; with a user name, one that carries the token as well. */
  repositoryUrl(name: string, user?: string): string;
  totals(): Totals;
  /** As the client sees it: `sent` is what came from it. */
  traffic(): Traffic;
  /** Forget the requests seen so far. */
  reset(): void;
}

type Recorded = { -readonly [Key in keyof GitRequest]: GitRequest[Key] };

/** Start a server: `await using server = await gitServer({ token: "secret" })`. */
export async function gitServer(options: GitServerOptions): Promise<GitServer> {
  const directory = await tempDir("git-server");
  const root = options.root ?? directory.path;
  const requests: Recorded[] = [];
  const sockets = new Set<Socket>();
  const loopback = await serve(async (request, response) => {
    const record = recordOf(request, options.token);
    requests.push(record);
    sockets.add(request.socket);
    const fault = await server.fault?.(record);
    const needsToken = record.service === "git-receive-pack" || options.anonymousRead !== true;
    try {
      if (fault && "status" in fault) answer(response, record, fault.status, fault.headers);
      else if (needsToken && !record.authorized) answer(response, record, 401, CHALLENGE);
      else await runBackend({ request, response, record, fault, root });
    } finally {
      record.done = true;
    }
  });
  const server: GitServer = {
    url: loopback.url,
    root,
    requests,
    fault: options.fault,
    createRepository: (name, repository) => createBareRepository(root, name, repository),
    repositoryUrl(name, user) {
      const url = new URL(`/${name}.git`, loopback.url);
      if (user !== undefined) Object.assign(url, { username: user, password: options.token });
      return url.href;
    },
    totals: () => ({
      requests: requests.length,
      bytesIn: requests.reduce((sum, { bytesIn }) => sum + bytesIn, 0),
      bytesOut: requests.reduce((sum, { bytesOut }) => sum + bytesOut, 0),
    }),
    traffic: () => ({
      sent: [...sockets].reduce((sum, { bytesRead }) => sum + bytesRead, 0),
      received: [...sockets].reduce((sum, { bytesWritten }) => sum + bytesWritten, 0),
    }),
    reset() {
      requests.splice(0);
      // A connection that is kept for the next request counts from its beginning: clients here do not keep theirs.
      sockets.clear();
    },
    async [Symbol.asyncDispose]() {
      await loopback[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
  return server;
}

const CHALLENGE = { "www-authenticate": 'Basic realm="git"' };

function answer(response: ServerResponse, record: Recorded, status: number, headers = {}): void {
  record.status = status;
  response.writeHead(status, headers).end();
}

function recordOf(request: IncomingMessage, token: string): Recorded {
  const url = new URL(request.url ?? "/", "http://server");
  const credentials = basicCredentials(request.headers.authorization);
  return {
    method: request.method ?? "GET",
    path: url.pathname,
    service: serviceOf(url),
    user: credentials?.user,
    authorized: credentials?.password === token,
    protocol: header(request.headers, "git-protocol"),
    status: undefined,
    bytesIn: 0,
    bytesOut: 0,
    stderr: "",
    received: false,
    done: false,
  };
}

function serviceOf(url: URL): GitService | undefined {
  const name = url.searchParams.get("service") ?? url.pathname.slice(url.pathname.lastIndexOf("/") + 1);
  return name === "git-upload-pack" || name === "git-receive-pack" ? name : undefined;
}

function basicCredentials(authorization: string | undefined): { user: string; password: string } | undefined {
  const encoded = /^basic (\S+)$/i.exec(authorization ?? "")?.[1];
  if (encoded === undefined) return undefined;
  const [user = "", ...password] = Buffer.from(encoded, "base64").toString().split(":");
  return { user, password: password.join(":") };
}

function header(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(", ") : value;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly record: Recorded;
  readonly fault: Fault | undefined;
  readonly root: string;
}

/** Let `git http-backend` answer. Either side may leave at any time; the other then sees the end of its stream. */
async function runBackend(exchange: Exchange): Promise<void> {
  const { request, response, record, fault } = exchange;
  const backend = spawn("git", ["http-backend"], { env: cgiEnvironment(exchange) });
  const exited = once(backend, "close");
  // The request outlives the backend's interest in it: destroying it would take the response's connection along.
  const sent = request.iterator({ destroyOnReturn: false });
  pipeline(
    counted(impaired(sent, "request", request.socket, fault), (bytes) => (record.bytesIn += bytes)),
    backend.stdin,
  ).then(
    () => (record.received = true),
    () => request.resume(),
  );
  const complaints = text(backend.stderr).then((stderr) => (record.stderr = stderr));
  const download = sendCgiAnswer(backend.stdout, exchange);
  // The upload is not waited for: once it has its answer, a client may leave without having sent everything.
  await Promise.allSettled([download, complaints, exited]);
  if (!response.headersSent) answer(response, record, 502);
}

/**
 * RFC 3875, section 4.1, and what git-http-backend(1) adds to it. Without CONTENT_LENGTH: of a request that ends too early the
 * backend would else wait for the rest for ever, reading its end again and again.
 */
function cgiEnvironment({ request, record, root }: Exchange): Record<string, string> {
  const url = new URL(request.url ?? "/", "http://server");
  const optional = {
    HTTP_CONTENT_ENCODING: header(request.headers, "content-encoding"),
    GIT_PROTOCOL: record.protocol,
    REMOTE_USER: record.authorized ? record.user || "token" : undefined,
  };
  return {
    PATH: process.env["PATH"] ?? "/usr/bin:/bin",
    HOME: "/nonexistent",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_PROJECT_ROOT: root,
    GIT_HTTP_EXPORT_ALL: "1",
    REQUEST_METHOD: record.method,
    PATH_INFO: decodeURIComponent(url.pathname),
    QUERY_STRING: url.search.slice(1),
    CONTENT_TYPE: header(request.headers, "content-type") ?? "",
    REMOTE_ADDR: "127.0.0.1",
    ...Object.fromEntries(
      Object.entries(optional).filter((entry): entry is [string, string] => entry[1] !== undefined),
    ),
  };
}

async function sendCgiAnswer(stdout: Readable, { request, response, record, fault }: Exchange): Promise<void> {
  const chunks = stdout.iterator() as AsyncIterableIterator<Buffer>;
  try {
    const { status, headers, rest } = await readCgiHead(chunks);
    record.status = status;
    response.writeHead(status, headers).flushHeaders();
    const body = impaired(prepended(rest, chunks), "response", request.socket, fault);
    await pipeline(
      counted(body, (bytes) => (record.bytesOut += bytes)),
      response,
    );
  } finally {
    // Where the client has left before the first byte, nobody reads on; the backend ends only when nobody can.
    stdout.destroy();
  }
}

const HEAD_END = "\r\n\r\n";

async function readCgiHead(chunks: AsyncIterableIterator<Buffer>) {
  let read = Buffer.alloc(0);
  while (!read.includes(HEAD_END)) {
    const next = await chunks.next();
    if (next.done) throw new Error("git http-backend ended without an answer");
    read = Buffer.concat([read, next.value]);
  }
  const end = read.indexOf(HEAD_END);
  const headers: Record<string, string> = {};
  for (const line of read.subarray(0, end).toString().split("\r\n")) {
    const colon = line.indexOf(":");
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  const { status = "200", ...rest } = headers;
  return { status: Number.parseInt(status, 10), headers: rest, rest: read.subarray(end + HEAD_END.length) };
}

async function* prepended(first: Buffer, rest: Chunks): Chunks {
  if (first.length > 0) yield first;
  yield* rest;
}

async function* counted(chunks: Chunks, count: (bytes: number) => void): Chunks {
  for await (const chunk of chunks) {
    count(chunk.length);
    yield chunk;
  }
}
