/** One request to a guest, its answer compared with the image as it comes. */
import { createHash } from "node:crypto";
import http from "node:http";
import { messageOf } from "../../errors.ts";
import type { Endpoint } from "../../tender/ready.ts";
import type { ByteSource } from "../../util/bytes.ts";
import { formatDuration } from "../../util/size.ts";
import type { Page } from "./pages.ts";
import type { Mismatch } from "./report.ts";

export interface Fetcher {
  readonly endpoint: Endpoint;
  /** Keeps connections open between requests. */
  readonly agent: http.Agent;
  /** The images, as the pages number them. */
  readonly images: readonly ByteSource[];
  /** Without a byte for this long, a request has failed (milliseconds). */
  readonly stall: number;
  /** Aborted when the guest ends. */
  readonly gone: AbortSignal;
}

export interface Fetched {
  /** Of `performance.now()`; undefined where nothing came. */
  readonly firstByte: number | undefined;
  /** Bytes of the body. */
  readonly bytes: number;
  readonly mismatch: Mismatch | undefined;
  /** Set when nothing came for too long. */
  readonly stalled: boolean;
}

/** Fetches a page and compares it with its bytes in the image. Never throws. */
export function fetchPage(fetcher: Fetcher, page: Page): Promise<Fetched> {
  return request(fetcher, page.target, 200, page);
}

/** Asks for what is not there: only 404 will do. Never throws. */
export function fetchMissing(fetcher: Fetcher, target: string): Promise<Fetched> {
  return request(fetcher, target, 404, undefined);
}

async function request(fetcher: Fetcher, target: string, status: number, page: Page | undefined): Promise<Fetched> {
  const first = await attempt(fetcher, target, status, page);
  // A server may close a kept connection in the moment in which it is used again; that says nothing against it.
  return first.closedReused ? attempt(fetcher, target, status, page) : first;
}

interface Attempt extends Fetched {
  readonly closedReused: boolean;
}

function attempt(
  { endpoint, agent, images, stall, gone }: Fetcher,
  target: string,
  status: number,
  page: Page | undefined,
): Promise<Attempt> {
  return new Promise((resolve) => {
    const comparison = page ? compareWith(images[page.volume] as ByteSource, page) : undefined;
    let firstByte: number | undefined;
    let bytes = 0;
    let done = false;
    const finish = (
      what: Omit<Mismatch, "path"> | undefined,
      more: { stalled?: boolean; closedReused?: boolean } = {},
    ) => {
      if (done) return;
      done = true;
      const mismatch = what && { path: target, ...what };
      resolve({ firstByte, bytes, mismatch, stalled: more.stalled ?? false, closedReused: more.closedReused ?? false });
      if (what) message.destroy();
    };
    const progress = () => (page && firstByte !== undefined ? ` after ${bytes} of ${page.size} bytes` : "");
    const message = http.get({ ...endpoint, path: target, agent, signal: gone }, (response) => {
      firstByte = performance.now();
      if (response.statusCode !== status) {
        const found = response.statusCode ?? 0;
        return finish({ message: `status ${found}, expected ${status}`, status: found });
      }
      response.on("data", (chunk: Buffer) => {
        const wrong = comparison?.take(chunk);
        bytes += chunk.length;
        if (wrong) finish(wrong);
      });
      response.on("end", () => finish(comparison?.end()));
      response.on("error", (error) =>
        finish({ message: `broke off${progress()}: ${messageOf(error)}`, ...(page ? { offset: bytes } : {}) }),
      );
    });
    message.setTimeout(stall, () => {
      const what = `${firstByte === undefined ? "no answer" : "hangs"}${progress()}: nothing came for ${formatDuration(stall)}`;
      finish({ message: what, ...(firstByte === undefined ? {} : { offset: bytes }) }, { stalled: true });
    });
    message.on("error", (error) => {
      if (gone.aborted) return finish({ message: `the guest ended${progress()}` });
      const code = (error as NodeJS.ErrnoException).code;
      finish(
        { message: `no answer: ${messageOf(error)}` },
        { closedReused: message.reusedSocket && code === "ECONNRESET" && firstByte === undefined },
      );
    });
  });
}

/** Compares a body, chunk by chunk, with a page's bytes in the image, and at its end with the page's git blob id. */
function compareWith(image: ByteSource, page: Page) {
  let position = 0;
  const hash = createHash("sha1").update(`blob ${page.size}\0`);
  /** Only the id will tell; what is too long can be told at once. */
  const take = (chunk: Buffer) => {
    hash.update(chunk);
    position += chunk.length;
    return position > page.size ? { message: `longer than its ${page.size} bytes`, offset: page.size } : undefined;
  };
  return {
    take(chunk: Buffer): Omit<Mismatch, "path"> | undefined {
      if (page.scattered) return take(chunk);
      const expected = image.read(page.offset + position, Math.min(chunk.length, page.size - position));
      hash.update(chunk);
      const start = position;
      position += chunk.length;
      if (chunk.equals(expected)) return undefined;
      const at = firstDifference(chunk, expected);
      const offset = start + at;
      if (at === expected.length) return { message: `longer than its ${page.size} bytes`, offset };
      return {
        message: `differs from the image at byte ${offset} of ${page.size}: ${hex(chunk[at])}, expected ${hex(expected[at])}`,
        offset,
      };
    },
    end(): Omit<Mismatch, "path"> | undefined {
      if (position < page.size) return { message: `ends after ${position} of ${page.size} bytes`, offset: position };
      const id = hash.digest("hex");
      if (id === page.id) return undefined;
      const what = page.scattered ? "differs from" : "has the image's bytes, but not those of";
      return { message: `${what} the file the release was built from (blob ${id}, expected ${page.id})` };
    },
  };
}

function firstDifference(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i;
  return length;
}

const hex = (byte: number | undefined) => `0x${(byte ?? 0).toString(16).padStart(2, "0")}`;
