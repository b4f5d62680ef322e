/** The content of a file in an image, however the image stores it. */
import zlib from "node:zlib";
import { Readable } from "node:stream";
import { DeployError, messageOf } from "../errors.ts";
import type { Extent, ImageEntry } from "../image/format.ts";
import type { ByteSource } from "../util/bytes.ts";

const CHUNK = 256 * 1024;
/** Streams that give no more than this are inflated at once. */
const AT_ONCE = 4 * 1024 * 1024;

/**
 * The bytes in chunks; each lasts until the next is asked for. Throws IMAGE_INVALID where they are not all there or a
 * stream is damaged.
 */
export async function* readEntry(source: ByteSource, entry: ImageEntry): AsyncGenerator<Uint8Array> {
  const { size, offset, stored, path } = entry;
  if (stored?.kind === "zlib") yield* inflated(source, { offset, size: stored.length }, entry);
  else {
    let left = size;
    for (const extent of stored?.extents ?? [{ offset, size }]) {
      for (const chunk of chunksOf(source, extent)) {
        left -= chunk.length;
        yield chunk;
      }
    }
    if (left !== 0) throw damaged(path, `${left} of ${size} bytes are missing`);
  }
}

function* chunksOf(source: ByteSource, { offset, size }: Extent): Generator<Uint8Array> {
  for (let done = 0; done < size; done += CHUNK) yield source.read(offset + done, Math.min(CHUNK, size - done));
}

async function* inflated(source: ByteSource, stream: Extent, { path, size }: ImageEntry): AsyncGenerator<Uint8Array> {
  let left = size;
  try {
    if (size <= AT_ONCE && stream.size <= 2 * AT_ONCE) {
      const bytes = zlib.inflateSync(source.read(stream.offset, stream.size), { maxOutputLength: size + 1 });
      left -= bytes.length;
      yield bytes;
    } else {
      // Copies, because a source reuses its buffer while zlib still works on what it was given.
      const copies = function* () {
        for (const chunk of chunksOf(source, stream)) yield Buffer.from(chunk);
      };
      const inflate = zlib.createInflate({ chunkSize: CHUNK });
      const input = Readable.from(copies(), { objectMode: false });
      input.on("error", (error) => inflate.destroy(error));
      for await (const chunk of input.pipe(inflate) as AsyncIterable<Buffer>) {
        left -= chunk.length;
        if (left < 0) break;
        yield chunk;
      }
      input.destroy();
    }
  } catch (error) {
    throw error instanceof DeployError ? error : damaged(path, `a damaged zlib stream (${messageOf(error)})`);
  }
  if (left !== 0) throw damaged(path, `its stream has not the ${size} bytes announced`);
}

function damaged(path: string, what: string): DeployError {
  return new DeployError("IMAGE_INVALID", `${path}: ${what}`, {
    hint: "build the image again; if it was copied, compare its sha256 with the manifest's",
  });
}
