/**
 * A stand-in for the cache service of GitHub Actions, version 2: the Twirp calls that reserve, finish and look up an
 * entry, and the few operations on Azure block blobs that carry the archives. `@actions/cache` works with it unchanged.
 */
import { createHash, randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { readBody, sendJson, serve } from "./http.ts";

const SERVICE = "/twirp/github.actions.results.api.v1.CacheService/";

/** A request as the service saw it. */
export interface CacheRequest {
  readonly method: string;
  readonly path: string;
  /** The Twirp call, or undefined for an operation on a blob. */
  readonly call: string | undefined;
  readonly bytes: number;
}

/** A finished entry. `version` is a digest of what is cached and how it is compressed. */
export interface CacheEntry {
  readonly key: string;
  readonly version: string;
  readonly archive: Uint8Array;
}

/** What `cacheService` is given. */
export interface CacheServiceOptions {
  /** The runtime token of the job. */
  readonly token?: string;
  /** Answer a request with this status instead; undefined lets it pass. 5xx makes the client wait and retry. */
  readonly fault?: (request: CacheRequest) => number | undefined;
}

/** A running service. */
export interface CacheService extends AsyncDisposable {
  readonly url: string;
  /** The variables by which an action finds the service. */
  readonly env: Readonly<Record<string, string>>;
  readonly requests: readonly CacheRequest[];
  /** The finished entries, oldest first. */
  readonly entries: readonly CacheEntry[];
  /** Keys that were reserved but never finished. */
  unfinished(): string[];
}

/** Start a service with no entries: `await using cache = await cacheService()`. */
export async function cacheService(options: CacheServiceOptions = {}): Promise<CacheService> {
  const token = options.token ?? "runtime-token";
  const store = new Store();
  const requests: CacheRequest[] = [];
  const loopback = await serve(async (request, response) => {
    const body = await readBody(request);
    const url = new URL(request.url ?? "/", loopback.url);
    const call = url.pathname.startsWith(SERVICE) ? url.pathname.slice(SERVICE.length) : undefined;
    const record = { method: request.method ?? "GET", path: url.pathname, call, bytes: body.length };
    requests.push(record);
    const status = options.fault?.(record);
    if (status !== undefined) sendJson(response, status, { code: "unavailable", msg: "fault on demand" });
    else if (call === undefined) answerBlob({ store, url, request, response, body });
    else if (request.headers.authorization !== `Bearer ${token}`) sendJson(response, 401, { code: "unauthenticated" });
    else answerCall(store, call, { body, response, base: loopback.url });
  });
  return {
    url: loopback.url,
    env: { ACTIONS_CACHE_SERVICE_V2: "1", ACTIONS_RESULTS_URL: `${loopback.url}/`, ACTIONS_RUNTIME_TOKEN: token },
    requests,
    entries: store.entries,
    unfinished: () => [...store.reserved.values()].map(({ key }) => key),
    [Symbol.asyncDispose]: () => loopback[Symbol.asyncDispose](),
  };
}

interface Name {
  readonly key: string;
  readonly version: string;
}

class Store {
  readonly entries: (CacheEntry & { readonly blob: string })[] = [];
  /** Entries under way, by the blob that is being filled. */
  readonly reserved = new Map<string, Name>();
  readonly blobs = new Map<string, Buffer>();
  readonly blocks = new Map<string, Buffer>();

  find({ key, version }: Name) {
    return this.entries.find((entry) => entry.key === key && entry.version === version);
  }

  /** The newest entry whose key begins with the earliest prefix that any key begins with. */
  findByPrefix(prefixes: readonly string[], version: string) {
    const candidates = this.entries.filter((entry) => entry.version === version);
    for (const prefix of prefixes) {
      const newest = candidates.findLast(({ key }) => key.startsWith(prefix));
      if (newest) return newest;
    }
    return undefined;
  }

  /** Turn the reserved entry into a finished one; false where nothing of that size was uploaded. */
  finish(name: Name, size: number): string | undefined {
    const blob = [...this.reserved].find(([, { key, version }]) => key === name.key && version === name.version)?.[0];
    const archive = blob === undefined ? undefined : this.blobs.get(blob);
    if (blob === undefined || archive?.length !== size) return undefined;
    this.reserved.delete(blob);
    this.entries.push({ key: name.key, version: name.version, archive, blob });
    return blob;
  }
}

interface Call {
  readonly body: Buffer;
  readonly response: ServerResponse;
  readonly base: string;
}

/** Field names are those of the protocol's definition, as the service itself answers. */
function answerCall(store: Store, call: string, { body, response, base }: Call): void {
  const message = JSON.parse(body.toString()) as Name & { restore_keys?: string[]; size_bytes?: string };
  const { key, version } = message;
  if (call === "CreateCacheEntry") {
    if (store.find(message))
      return sendJson(response, 409, { code: "already_exists", msg: "cache entry already exists" });
    const blob = randomUUID();
    store.reserved.set(blob, { key, version });
    sendJson(response, 200, { ok: true, signed_upload_url: `${base}/blob/${blob}?sig=upload` });
  } else if (call === "FinalizeCacheEntryUpload") {
    const blob = store.finish(message, Number(message.size_bytes));
    if (blob === undefined) sendJson(response, 400, { code: "invalid_argument", msg: "size mismatch" });
    // A 64-bit number, which JSON carries as a string.
    else sendJson(response, 200, { ok: true, entry_id: String(store.entries.length) });
  } else if (call === "GetCacheEntryDownloadURL") {
    const hit = store.find(message) ?? store.findByPrefix(message.restore_keys ?? [], version);
    const url = hit ? `${base}/blob/${hit.blob}?sig=download` : "";
    sendJson(response, 200, { ok: hit !== undefined, signed_download_url: url, matched_key: hit?.key ?? "" });
  } else sendJson(response, 404, { code: "bad_route", msg: `no such call: ${call}` });
}

interface BlobRequest {
  readonly store: Store;
  readonly url: URL;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: Buffer;
}

function answerBlob({ store, url, request, response, body }: BlobRequest): void {
  const blob = /^\/blob\/([0-9a-f-]+)$/.exec(url.pathname)?.[1];
  if (blob === undefined) return sendJson(response, 404, {});
  if (request.method === "PUT") {
    if (!store.reserved.has(blob)) return sendStorageError(response, 403, "AuthenticationFailed");
    if (!upload(store, { blob, url, body })) return sendStorageError(response, 400, "InvalidBlockList");
    response.writeHead(201, { ...storageHeaders(blob), "content-md5": md5(body) }).end();
    return;
  }
  const content = store.blobs.get(blob);
  if (content) download(request, response, { blob, content });
  else sendStorageError(response, 404, "BlobNotFound");
}

/** Put Blob, Put Block or Put Block List, as the query says; false for a list that names an unknown block. */
function upload(store: Store, { blob, url, body }: { blob: string; url: URL; body: Buffer }): boolean {
  const operation = url.searchParams.get("comp");
  if (operation === "block") store.blocks.set(`${blob} ${url.searchParams.get("blockid")}`, body);
  else if (operation === "blocklist") {
    const ids = [...body.toString().matchAll(/<(?:Latest|Uncommitted)>([^<]+)</g)].map((match) => match[1]);
    const blocks = ids.map((id) => store.blocks.get(`${blob} ${id}`));
    if (!blocks.every((block) => block !== undefined)) return false;
    store.blobs.set(blob, Buffer.concat(blocks));
  } else store.blobs.set(blob, body);
  return true;
}

function download(
  request: IncomingMessage,
  response: ServerResponse,
  { blob, content }: { blob: string; content: Buffer },
): void {
  const wanted = request.headers["x-ms-range"] ?? request.headers.range ?? "";
  const range = /^bytes=(\d+)-(\d*)$/.exec(String(wanted));
  const first = Number(range?.[1] ?? 0);
  const last = Math.min(Number(range?.[2] || Number.POSITIVE_INFINITY), content.length - 1);
  if (range && first > last) return sendStorageError(response, 416, "InvalidRange");
  response.writeHead(range ? 206 : 200, {
    ...storageHeaders(blob),
    "accept-ranges": "bytes",
    "content-length": last + 1 - first,
    ...(range ? { "content-range": `bytes ${first}-${last}/${content.length}` } : {}),
  });
  response.end(request.method === "HEAD" ? undefined : content.subarray(first, last + 1));
}

function storageHeaders(blob: string): Record<string, string> {
  return {
    etag: `"${blob}"`,
    "last-modified": new Date().toUTCString(),
    "x-ms-blob-type": "BlockBlob",
    "x-ms-request-id": randomUUID(),
    "x-ms-version": "2025-01-05",
  };
}

function sendStorageError(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { "content-type": "application/xml", "x-ms-error-code": code });
  response.end(`<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code></Error>`);
}

function md5(bytes: Buffer): string {
  return createHash("md5").update(bytes).digest("base64");
}
