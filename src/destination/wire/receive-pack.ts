/**
 * A push in one request: the commands and the pack to `git-receive-pack` of a smart HTTP server (gitprotocol-http,
 * gitprotocol-pack), without asking for its list of refs first, which grows with every deployment.
 */
import { Readable } from "node:stream";
import { messageOf } from "../../errors.ts";
import type { Access } from "../access.ts";
import type { RefUpdate } from "../work-repository.ts";
import { encodePack, type PackObject } from "./pack.ts";
import { decodeLines, encodeLine, FLUSH } from "./pkt-line.ts";

export type WireResult =
  | { readonly kind: "pushed"; readonly bytes: number }
  | { readonly kind: "raced" }
  /** The server answered as none should that speaks this; git itself then tries, and says why if it fails too. */
  | { readonly kind: "unclear"; readonly reason: string };

/** Variables that send git another way than a plain request would go. */
const DETOURS = [
  "http_proxy",
  "https_proxy",
  "all_proxy",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "ALL_PROXY",
  "GIT_SSL_CAINFO",
  "GIT_SSL_NO_VERIFY",
];

/** Whether a repository is reached by plain http or https, with the credentials we were given. */
export function speaksWire({ url, authorization, env }: Access): boolean {
  return /^https?:\/\//.test(url) && authorization !== undefined && !DETOURS.some((name) => env[name]);
}

const NOTHING = "0".repeat(40);
const CAPABILITIES = "report-status atomic side-band-64k object-format=sha1 agent=unikernel-deploy";
/** An answer is a few lines a ref. */
const MAX_ANSWER = 1024 * 1024;

/** Pushes `objects` and moves the refs, all or none. Never throws for what the server does. */
export async function receivePack(
  url: string,
  authorization: string | undefined,
  updates: readonly RefUpdate[],
  objects: readonly PackObject[],
): Promise<WireResult> {
  let bytes = 0;
  const body = (async function* () {
    for await (const chunk of request(updates, objects)) {
      bytes += chunk.length;
      yield chunk;
    }
  })();
  try {
    const response = await fetch(`${url.replace(/\/+$/, "")}/git-receive-pack`, {
      method: "POST",
      headers: {
        "content-type": "application/x-git-receive-pack-request",
        accept: "application/x-git-receive-pack-result",
        ...(authorization ? { authorization } : {}),
      },
      body: Readable.toWeb(Readable.from(body)),
      duplex: "half",
      redirect: "manual",
    } as RequestInit);
    if (response.status !== 200) return { kind: "unclear", reason: `status ${response.status}` };
    return judge(await answerOf(response), updates, bytes);
  } catch (error) {
    return { kind: "unclear", reason: messageOf(error) };
  }
}

async function* request(updates: readonly RefUpdate[], objects: readonly PackObject[]): AsyncGenerator<Buffer> {
  yield Buffer.concat([
    ...updates.map(({ name, id, expected }, i) => {
      const command = `${expected ?? NOTHING} ${id ?? NOTHING} ${name}`;
      return encodeLine(i === 0 ? `${command}\0 ${CAPABILITIES}` : command);
    }),
    FLUSH,
  ]);
  yield* encodePack(objects);
}

async function answerOf(response: Response): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > MAX_ANSWER) throw new Error(`an answer of more than ${MAX_ANSWER} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** "unpack ok", then "ok REF" or "ng REF reason" for each command. */
function judge(answer: Buffer, updates: readonly RefUpdate[], bytes: number): WireResult {
  const report = reportLines(answer);
  if (report === undefined) return { kind: "unclear", reason: "an answer that is not a report" };
  const refused = report.filter((line) => line.startsWith("ng "));
  if (refused.length > 0) {
    const raced = refused.some((line) =>
      /failed to update ref|incorrect old value|cannot lock|already exists/.test(line),
    );
    return raced ? { kind: "raced" } : { kind: "unclear", reason: refused.join("; ") };
  }
  const done = new Set(report.filter((line) => line.startsWith("ok ")).map((line) => line.slice(3)));
  if (report.includes("unpack ok") && updates.every(({ name }) => done.has(name))) return { kind: "pushed", bytes };
  return { kind: "unclear", reason: report.join("; ") };
}

/** The report inside the first side band; the second is progress, the third an error. */
function reportLines(answer: Buffer): string[] | undefined {
  const outer = decodeLines(answer);
  if (!outer) return undefined;
  const failure = outer.find((line) => line?.[0] === 3);
  if (failure) return [`ng - ${failure.toString("utf8", 1).trim()}`];
  const band = Buffer.concat(outer.flatMap((line) => (line?.[0] === 1 ? [line.subarray(1)] : [])));
  return decodeLines(band)?.flatMap((line) => (line ? [line.toString("utf8").trimEnd()] : []));
}
