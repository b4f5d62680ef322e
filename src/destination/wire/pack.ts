/** A git pack, written as a stream (gitformat-pack, version 2). Objects may be deltas against what the server has. */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import zlib from "node:zlib";
import type { ObjectType } from "./object.ts";

/** An object whole, its bytes at hand or in chunks; or a delta against an object of that id. */
export type PackObject =
  | { readonly type: ObjectType; readonly size: number; readonly chunks: () => Iterable<Uint8Array> }
  | { readonly type: "delta"; readonly base: string; readonly delta: () => Uint8Array };

const TYPE_NUMBERS: Readonly<Record<ObjectType, number>> = { commit: 1, tree: 2, blob: 3, tag: 4 };
/** A delta whose base is named by its id. */
const REF_DELTA = 7;
/** Up to here a deflate in one go is the quickest; larger objects pass through in pieces. */
const SMALL = 1024 * 1024;
/** What goes through here is little, and travels. */
const BEST = { level: 9 };

/** The pack, piece by piece; memory does not grow with an object. `onPacked` learns of bytes that are in it, uncompressed. */
export async function* encodePack(
  objects: readonly PackObject[],
  onPacked: (bytes: number) => void = () => {},
): AsyncGenerator<Buffer> {
  const hash = createHash("sha1");
  for await (const chunk of packBody(objects, onPacked)) {
    hash.update(chunk);
    yield chunk;
  }
  yield hash.digest();
}

async function* packBody(objects: readonly PackObject[], onPacked: (bytes: number) => void): AsyncGenerator<Buffer> {
  const header = Buffer.alloc(12);
  header.write("PACK", "latin1");
  header.writeUInt32BE(2, 4);
  header.writeUInt32BE(objects.length, 8);
  yield header;
  for (const object of objects) {
    if (object.type === "delta") {
      const delta = object.delta();
      yield Buffer.concat([
        entryHeader(REF_DELTA, delta.length),
        Buffer.from(object.base, "hex"),
        zlib.deflateSync(delta, BEST),
      ]);
      onPacked(delta.length);
    } else {
      yield entryHeader(TYPE_NUMBERS[object.type], object.size);
      yield* deflated(object.chunks(), object.size, onPacked);
    }
  }
}

async function* deflated(
  chunks: Iterable<Uint8Array>,
  size: number,
  onPacked: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  if (size <= SMALL) {
    yield zlib.deflateSync(Buffer.concat([...chunks]), BEST);
    onPacked(size);
    return;
  }
  const counted = (function* () {
    for (const chunk of chunks) {
      yield chunk;
      onPacked(chunk.length);
    }
  })();
  for await (const chunk of Readable.from(counted).compose(zlib.createDeflate())) yield chunk as Buffer;
}

/** Type and size: four bits of the size beside the type, then seven a byte. */
function entryHeader(type: number, size: number): Buffer {
  const bytes: number[] = [];
  let byte = (type << 4) | (size % 16);
  let left = Math.floor(size / 16);
  while (left > 0) {
    bytes.push(byte | 0x80);
    byte = left % 128;
    left = Math.floor(left / 128);
  }
  bytes.push(byte);
  return Buffer.from(bytes);
}
