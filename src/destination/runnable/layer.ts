/**
 * Layers: a tar of one file, in the profile of our tar volumes, which has no clock, owner or directory in it. Read a chunk
 * at a time, once for the digest and once for each time that it is sent.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { ioError } from "../../util/files.ts";
import { tar } from "../../image/tar.ts";
import type { Content } from "../contents.ts";
import { contentSize } from "../contents.ts";

/** A layer that can be sent. */
export interface Layer {
  /** `sha256:<hex>` */
  readonly digest: string;
  readonly size: number;
  open(): AsyncIterable<Uint8Array>;
}

const CHUNK = 1024 * 1024;

/** Hashes it. Throws SITE_UNREPRESENTABLE for a file of 8 GiB or more, IO_FAILED where it cannot be read. */
export async function makeLayer(path: string, content: Content): Promise<Layer> {
  const layout = tar.layout([{ path, size: contentSize(content) }]);
  const open = () => layerBytes(layout, content);
  const hash = createHash("sha256");
  for await (const chunk of open()) hash.update(chunk);
  return { digest: `sha256:${hash.digest("hex")}`, size: layout.size, open };
}

async function* layerBytes(layout: ReturnType<typeof tar.layout>, content: Content): AsyncGenerator<Uint8Array> {
  for (const piece of layout.pieces()) {
    if (piece.kind === "bytes") yield piece.bytes;
    else if (piece.kind === "zeros") yield Buffer.alloc(piece.length);
    else yield* contentBytes(content);
  }
}

async function* contentBytes(content: Content): AsyncGenerator<Uint8Array> {
  if ("bytes" in content) {
    yield content.bytes;
    return;
  }
  const { file, offset, size } = content;
  let done = 0;
  try {
    const stream = createReadStream(file, { start: offset, end: offset + size - 1, highWaterMark: CHUNK });
    for await (const chunk of stream) {
      done += (chunk as Buffer).length;
      yield chunk as Buffer;
    }
  } catch (error) {
    throw ioError(`cannot read ${file}`, error);
  }
  if (done !== size) throw ioError(`cannot read ${file}`, new Error(`it ends at byte ${offset + done}`));
}
