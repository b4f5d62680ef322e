/** A push: the commands and the pack to receive-pack (gitprotocol-pack), and what it says to them. */
import type { Raced, RefUpdate } from "../work-repository.ts";
import { encodePack, type PackObject } from "./pack.ts";
import { decodeLines, encodeLine, FLUSH } from "./pkt-line.ts";
import { type Transport, WireRefusal } from "./transport.ts";

export type WireResult = { readonly kind: "pushed"; readonly bytes: number } | Raced;

const NOTHING = "0".repeat(40);
const CAPABILITIES = "report-status atomic side-band-64k object-format=sha1 agent=git/unikernel-deploy";

/** Pushes `objects` and moves the refs, all or none. Throws WireRefusal for every other answer. */
export async function receivePack(
  transport: Transport,
  updates: readonly RefUpdate[],
  objects: readonly PackObject[],
  onPacked: (bytes: number) => void,
): Promise<WireResult> {
  let bytes = 0;
  const body = (async function* () {
    for await (const chunk of request(updates, objects, onPacked)) {
      bytes += chunk.length;
      yield chunk;
    }
  })();
  return judge(await transport.push(body), updates, bytes);
}

async function* request(
  updates: readonly RefUpdate[],
  objects: readonly PackObject[],
  onPacked: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  yield Buffer.concat([
    ...updates.map(({ name, id, expected }, i) => {
      const command = `${expected ?? NOTHING} ${id ?? NOTHING} ${name}`;
      return encodeLine(i === 0 ? `${command}\0 ${CAPABILITIES}` : command);
    }),
    FLUSH,
  ]);
  // Where refs are only removed, no pack follows.
  if (updates.some(({ id }) => id !== undefined)) yield* encodePack(objects, onPacked);
}

/** "unpack ok", then "ok REF" or "ng REF reason" for each command. */
function judge(answer: Buffer, updates: readonly RefUpdate[], bytes: number): WireResult {
  const report = reportLines(answer);
  if (report === undefined) throw new WireRefusal("an answer that is not a report");
  const refused = report.filter((line) => line.startsWith("ng "));
  if (refused.length > 0) {
    const why = new WireRefusal(refused.join("; "));
    // What git says of one ref it says of all in an atomic push, and names the one at most in the second side band.
    const raced = refused.some((line) =>
      /failed to update ref|incorrect old value|cannot lock|already exists|atomic transaction failed/.test(line),
    );
    if (raced) return { kind: "raced", why };
    throw why;
  }
  const done = new Set(report.filter((line) => line.startsWith("ok ")).map((line) => line.slice(3)));
  if (report.includes("unpack ok") && updates.every(({ name }) => done.has(name))) return { kind: "pushed", bytes };
  throw new WireRefusal(report.join("; "));
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
