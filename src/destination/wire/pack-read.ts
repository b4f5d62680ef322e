/** The objects in a pack that a server sent (gitformat-pack, version 2), deltas resolved. Pure; the bytes are hostile. */
import { createHash } from "node:crypto";
import zlib from "node:zlib";
import { applyDelta } from "./delta.ts";
import { type GitObject, objectId, type ObjectType } from "./object.ts";
import { WireRefusal } from "./transport.ts";

const TYPES: Readonly<Record<number, ObjectType>> = { 1: "commit", 2: "tree", 3: "blob", 4: "tag" };
const OFFSET_DELTA = 6;
const REF_DELTA = 7;
/** Trees, commits, and a few small files; more is no answer to what was asked. */
const MAX_OBJECT = 64 * 1024 * 1024;
const MAX_TOTAL = 256 * 1024 * 1024;
const MAX_OBJECTS = 200_000;

/** Objects by id. `known` gives bases that are not in the pack. Throws WireRefusal for what is no pack. */
export function readPack(pack: Buffer, known: (id: string) => GitObject | undefined): ReadonlyMap<string, GitObject> {
  if (pack.length < 32 || pack.toString("latin1", 0, 4) !== "PACK" || pack.readUInt32BE(4) !== 2)
    throw damaged("no pack");
  const end = pack.length - 20;
  const sum = createHash("sha1").update(pack.subarray(0, end)).digest();
  if (!sum.equals(pack.subarray(end))) throw damaged("its checksum is another");
  const count = pack.readUInt32BE(8);
  if (count > MAX_OBJECTS) throw damaged(`${count} objects`);
  const objects = new Map<string, GitObject>();
  const byOffset = new Map<number, GitObject>();
  let total = 0;
  let at = 12;
  for (let i = 0; i < count; i++) {
    const entry = readEntry(pack, at, end);
    const base =
      entry.type !== OFFSET_DELTA && entry.type !== REF_DELTA
        ? undefined
        : entry.base === undefined
          ? byOffset.get(at - entry.distance)
          : (objects.get(entry.base) ?? known(entry.base));
    const object = base ? { type: base.type, bytes: applyDelta(base.bytes, entry.bytes) } : plain(entry);
    total += object?.bytes.length ?? 0;
    if (!object || total > MAX_TOTAL) throw damaged(object ? "too large" : `object ${i} has no base`);
    byOffset.set(at, object);
    objects.set(objectId(object), object);
    at = entry.end;
  }
  return objects;
}

interface Entry {
  readonly type: number;
  /** Id of a delta's base, or how far before it stands. */
  readonly base: string | undefined;
  readonly distance: number;
  readonly bytes: Buffer;
  readonly end: number;
}

function plain({ type, bytes }: Entry): GitObject | undefined {
  const name = TYPES[type];
  return name && { type: name, bytes };
}

function readEntry(pack: Buffer, start: number, limit: number): Entry {
  let at = start;
  const next = () => {
    if (at >= limit) throw damaged("it ends early");
    return pack[at++] as number;
  };
  let byte = next();
  const type = (byte >> 4) & 7;
  let size = byte & 15;
  for (let scale = 16; byte & 0x80; scale *= 128) {
    byte = next();
    size += (byte & 0x7f) * scale;
    if (size > MAX_OBJECT) throw damaged(`an object of ${size} bytes`);
  }
  let base: string | undefined;
  let distance = 0;
  if (type === REF_DELTA) {
    base = pack.toString("hex", at, at + 20);
    at += 20;
  } else if (type === OFFSET_DELTA) {
    byte = next();
    distance = byte & 0x7f;
    while (byte & 0x80) {
      byte = next();
      distance = (distance + 1) * 128 + (byte & 0x7f);
      if (distance > start) throw damaged("a base before the pack");
    }
  }
  const { bytes, used } = inflate(pack.subarray(at, limit), size);
  return { type, base, distance, bytes, end: at + used };
}

function inflate(stream: Buffer, size: number): { bytes: Buffer; used: number } {
  let result: { buffer: Buffer; engine: { bytesWritten: number } };
  try {
    const options = { info: true, maxOutputLength: Math.max(size, 1), chunkSize: Math.max(size + 1, 64) };
    result = zlib.inflateSync(stream, options) as unknown as typeof result;
  } catch {
    throw damaged("a stream that is not zlib, or is too long");
  }
  if (result.buffer.length !== size) throw damaged(`${result.buffer.length} bytes where ${size} were announced`);
  return { bytes: result.buffer, used: result.engine.bytesWritten };
}

const damaged = (what: string) => new WireRefusal(`the server's pack is damaged: ${what}`);
