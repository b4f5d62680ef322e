/** Blobs: sent in one piece unless they are there, read and verified as they come, resumed after a cut. */
import { createHash, type Hash } from "node:crypto";
import { DeployError } from "../errors.ts";
import { type Answer, Transient } from "./exchange.ts";
import type { Transport } from "./transport.ts";

export interface BlobSource {
  /** `sha256:<hex>` */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  /** Opened anew for each try. */
  open(): AsyncIterable<Uint8Array>;
}

export interface BlobName {
  readonly digest: string;
  readonly size: number;
}

export async function hasBlob(transport: Transport, digest: string): Promise<boolean> {
  const { status } = await transport.ask(headOf(digest));
  return status === 200;
}

const headOf = (digest: string) =>
  ({
    method: "HEAD",
    at: `blobs/${checkedDigest(digest)}`,
    purpose: `to say whether it has blob ${digest}`,
    kind: "pull",
    expect: [200, 404],
  }) as const;

/**
 * So often a registry is asked whether it has a blob, though it fails. One that was killed while it took note of the blob
 * fails each time, until the blob is sent again.
 */
const MAX_QUESTIONS = 3;

/** Bytes sent: 0 where the blob was there. What arrived twice half is sent whole the third time. */
export function putBlob(transport: Transport, blob: BlobSource): Promise<number> {
  const purpose = `blob ${blob.digest}`;
  let asked = 0;
  return transport.retrying(async () => {
    if (asked++ < MAX_QUESTIONS) {
      const head = await transport.once(headOf(blob.digest));
      await head.discard();
      asked = 0;
      if (head.status === 200) return 0;
    }
    const call = { purpose, kind: "push" } as const;
    const opened = await transport.once({ ...call, method: "POST", at: "blobs/uploads/", expect: [202] });
    await opened.discard();
    const at = transport.follow(opened.headers.get("location"), transport.url("blobs/uploads/"));
    at.searchParams.set("digest", blob.digest);
    const headers = { "content-type": "application/octet-stream" };
    const put = await transport.once({ ...call, method: "PUT", at, headers, body: blob, expect: [201] });
    await put.discard();
    return blob.size;
  });
}

/** Cuts in a row that brought nothing worth speaking of. */
const MAX_CUTS = 6;
const WORTH = 1024 * 1024;

/**
 * The bytes of a blob. Nothing is to be believed before the end: throws DIGEST_MISMATCH there, or as soon as there are
 * more bytes than `size`.
 */
export async function* readBlob(transport: Transport, { digest, size }: BlobName): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  const state = { done: 0 };
  let cuts = 0;
  while (state.done < size || cuts === 0) {
    const before = state.done;
    try {
      yield* pour(transport, { digest, size }, hash, state);
      break;
    } catch (error) {
      if (!(error instanceof Transient)) throw error;
      cuts = state.done - before >= WORTH ? 1 : cuts + 1;
      if (cuts > MAX_CUTS) throw error.failure;
    }
  }
  const found = `sha256:${hash.digest("hex")}`;
  if (state.done !== size) throw mismatch(transport, digest, `${size} bytes, found ${state.done}`);
  if (found !== digest) throw mismatch(transport, digest, `that digest, found ${found}`);
}

/** One answer's worth of it, from where we are. */
async function* pour(transport: Transport, { digest, size }: BlobName, hash: Hash, state: { done: number }) {
  const from = state.done;
  const answer = await transport.retrying(() =>
    transport.once({
      method: "GET",
      at: `blobs/${checkedDigest(digest)}`,
      headers: from > 0 ? { range: `bytes=${from}-` } : {},
      purpose: `blob ${digest}`,
      kind: "pull",
      expect: from > 0 ? [200, 206] : [200],
    }),
  );
  let skip = answer.status === 206 ? from - rangeStart(answer) : from;
  if (skip < 0) throw mismatch(transport, digest, `bytes from ${from}, found others`);
  try {
    for await (const chunk of answer.chunks()) {
      const bytes = chunk.subarray(Math.min(skip, chunk.length));
      skip -= chunk.length - bytes.length;
      if (bytes.length === 0) continue;
      if (state.done + bytes.length > size) throw mismatch(transport, digest, `${size} bytes, found more`);
      hash.update(bytes);
      state.done += bytes.length;
      yield bytes;
    }
  } finally {
    await answer.discard();
  }
}

/** Bytes that the caller verifies; undefined where the registry answers with anything but that range. */
export function readRange(
  transport: Transport,
  { digest }: BlobName,
  offset: number,
  length: number,
): Promise<Buffer | undefined> {
  return transport.retrying(async () => {
    const answer = await transport.once({
      method: "GET",
      at: `blobs/${checkedDigest(digest)}`,
      headers: { range: `bytes=${offset}-${offset + length - 1}` },
      purpose: `blob ${digest}`,
      kind: "pull",
      expect: [200, 206, 416],
    });
    if (answer.status === 206 && rangeStart(answer) === offset) {
      const bytes = await answer.bytes(length);
      return bytes.length === length ? bytes : undefined;
    }
    await answer.discard();
    return undefined;
  });
}

/** `bytes 100-199/200`; an answer that does not say where it begins is of no use. */
function rangeStart({ headers }: Answer): number {
  const start = /^bytes (\d{1,15})-/.exec(headers.get("content-range") ?? "")?.[1];
  return start === undefined ? Number.POSITIVE_INFINITY : Number(start);
}

function mismatch({ address }: Transport, digest: string, expected: string): DeployError {
  return new DeployError("DIGEST_MISMATCH", `${address.text}: blob ${digest}: expected ${expected}`, {
    hint: "the registry, or something before it, gave other bytes than were pushed: nothing of them is used",
  });
}

/** Throws DIGEST_MISMATCH for what is no sha256 digest: it goes into an address. */
export function checkedDigest(digest: string): string {
  if (/^sha256:[0-9a-f]{64}$/.test(digest)) return digest;
  throw new DeployError("DIGEST_MISMATCH", `expected a sha256 digest, found ${JSON.stringify(digest.slice(0, 100))}`, {
    hint: "other algorithms are not used by releases",
  });
}
