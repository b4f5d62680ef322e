/** What is asked of upload-pack under protocol version 2 (gitprotocol-v2): some refs, and some objects without files. */
import type { Refs } from "../work-repository.ts";
import type { GitObject } from "./object.ts";
import { readPack } from "./pack-read.ts";
import { decodeLines, DELIMITER, encodeLine, FLUSH, type PktLine } from "./pkt-line.ts";
import { type Transport, WireRefusal } from "./transport.ts";

const AGENT = ["agent=git/unikernel-deploy", "object-format=sha1"];

export interface FoundRefs {
  readonly refs: Refs;
  /** What annotated tags point at, by ref name. */
  readonly peeled: Refs;
}

/** Those of the refs that exist, and all that begin with a name that ends in a slash; the server sends no others. */
export async function listRefs(transport: Transport, names: readonly string[]): Promise<FoundRefs> {
  const request = encodeRequest("ls-refs", ["peel", ...names.map((name) => `ref-prefix ${name}`)]);
  const refs = new Map<string, string>();
  const peeled = new Map<string, string>();
  for (const line of linesOf(await transport.fetch(request))) {
    const [id, name, ...attributes] = (line?.toString("utf8").trimEnd() ?? "").split(" ");
    if (id === undefined || name === undefined || !/^[0-9a-f]{40}$/.test(id)) continue;
    if (!isWanted(name, names)) continue;
    refs.set(name, id);
    const target = attributes.find((attribute) => attribute.startsWith("peeled:"))?.slice("peeled:".length);
    if (target !== undefined) peeled.set(name, target);
  }
  return { refs, peeled };
}

/** The same from what receive-pack lists; it does not say what tags point at. */
export async function advertisedRefs(transport: Transport, names: readonly string[]): Promise<FoundRefs> {
  const refs = new Map<string, string>();
  for (const line of linesOf((await transport.advertised?.()) ?? FLUSH)) {
    const match = /^([0-9a-f]{40}) ([^\0\n]+)/.exec(line?.toString("utf8") ?? "");
    if (match && isWanted(match[2] as string, names)) refs.set(match[2] as string, match[1] as string);
  }
  return { refs, peeled: new Map() };
}

const isWanted = (name: string, names: readonly string[]) =>
  names.some((wanted) => (wanted.endsWith("/") ? name.startsWith(wanted) : name === wanted));

export interface FetchOptions {
  /** Commits (or tags of them) come with their trees, and without history or files. */
  readonly what: "commits" | "files";
  /** Commits that are at hand, with their trees. */
  readonly have: readonly string[];
  readonly known: (id: string) => GitObject | undefined;
}

/** The objects that are wanted, and what comes with them, by id. */
export async function fetchObjects(
  transport: Transport,
  wants: readonly string[],
  { what, have, known }: FetchOptions,
): Promise<ReadonlyMap<string, GitObject>> {
  const request = encodeRequest("fetch", [
    ...(have.length > 0 ? ["thin-pack"] : []),
    "no-progress",
    "ofs-delta",
    ...have.map((id) => `shallow ${id}`),
    ...(what === "commits" ? ["deepen 1", "filter blob:none"] : []),
    ...wants.map((id) => `want ${id}`),
    ...have.map((id) => `have ${id}`),
    "done",
  ]);
  const lines = linesOf(await transport.fetch(request));
  const start = lines.findIndex((line) => line?.toString("latin1") === "packfile\n");
  if (start < 0) throw new WireRefusal("an answer without a pack");
  const bands = lines.slice(start + 1).filter((line) => line !== undefined);
  const failure = bands.find((line) => line[0] === 3);
  if (failure) throw new WireRefusal(failure.toString("utf8", 1).trim());
  const pack = Buffer.concat(bands.filter((line) => line[0] === 1).map((line) => line.subarray(1)));
  return readPack(pack, known);
}

/** Whether a request asks for refs, not for objects. */
export const isAboutRefs = (request: Buffer) => request.includes("command=ls-refs\n");

function encodeRequest(command: string, args: readonly string[]): Buffer {
  const head = [`command=${command}`, ...AGENT].map((line) => encodeLine(`${line}\n`));
  return Buffer.concat([...head, DELIMITER, ...args.map((line) => encodeLine(`${line}\n`)), FLUSH]);
}

function linesOf(answer: Buffer): readonly PktLine[] {
  const lines = decodeLines(answer);
  if (!lines) throw new WireRefusal("an answer that is not of git's protocol");
  const failure = lines.find((line) => line?.toString("latin1", 0, 4) === "ERR ");
  if (failure) throw new WireRefusal(failure.toString("utf8", 4).trim());
  return lines;
}
