/**
 * Writes a docteur image. Its first bytes and its size depend on what compression makes of every file, so the objects go
 * to a scratch file beside the image first. Memory holds one small file, or a window of a large one, and 100 bytes for
 * each object.
 */
import { createHash } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createDeflate, deflateSync } from "node:zlib";
import { crc32 } from "../image/crc32.ts";
import { docteurHeader, nextBlock, PACK_OFFSET } from "../image/docteur.ts";
import { gitCommit, type GitObject, gitTrees } from "../image/git-objects.ts";
import type { IndexEntry } from "../image/index-file.ts";
import { OBJECT_TYPE, objectHeader, PACK_HEADER, type PackedObject, packHeader, packIndex } from "../image/pack.ts";
import type { FileTree } from "../image/tree.ts";
import { ioError, readFully, tempDir } from "../util/files.ts";
import { ImageWriter } from "../util/image-writer.ts";
import type { SiteFile } from "./read-tree.ts";
import { siteBytes } from "./site-bytes.ts";
import type { BuiltImage } from "./write-image.ts";

/** Files up to this size are compressed at once; both ways give a stream that depends on the file alone. */
const AT_ONCE = 4 * 1024 * 1024;
const CHUNK = 256 * 1024;
/** After this many bytes of the site the rest of the process gets its turn. */
const TURN = 16 * 1024 * 1024;

/** Throws what reading the files or writing the image throws. The tree has to have passed the format's `check`. */
export async function writeDocteur(
  files: FileTree<SiteFile>,
  out: string,
  options: { readonly mode?: number; readonly onProgress?: (done: number) => void } = {},
): Promise<BuiltImage> {
  // Beside the image: what may not leave memory (/run) does not leave it here either.
  using directory = tempDir(`.${path.basename(out)}`, path.dirname(out));
  using scratch = new Scratch(path.join(directory.path, "objects"));
  const index: IndexEntry[] = [];
  let done = 0;
  let turn = TURN;
  for (const file of files) {
    const id = file.size <= AT_ONCE ? addAtOnce(scratch, file) : await addStreaming(scratch, file);
    index.push({ path: file.path, size: file.size, id });
    done += file.size;
    if (done < turn) continue;
    turn = done + TURN;
    options.onProgress?.(done);
    await new Promise(setImmediate);
  }
  const trees = gitTrees(index);
  const commit = gitCommit((trees.at(-1) as GitObject).id);
  for (const tree of trees) scratch.add("tree", tree);
  scratch.add("commit", commit);
  const image = assemble(scratch, commit.id, new ImageWriter(out, options.mode));
  return { ...image, index };
}

function addAtOnce(scratch: Scratch, file: SiteFile): string {
  const bytes = Buffer.concat([...siteBytes(file, AT_ONCE)]);
  const id = createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
  if (!scratch.has(id)) scratch.add("blob", { id, bytes });
  return id;
}

async function addStreaming(scratch: Scratch, file: SiteFile): Promise<string> {
  const hash = createHash("sha1").update(`blob ${file.size}\0`);
  const object = scratch.begin("blob", file.size);
  const read = function* () {
    for (const chunk of siteBytes(file, CHUNK)) {
      hash.update(chunk);
      yield chunk;
    }
  };
  await pipeline(Readable.from(read(), { objectMode: false }), createDeflate({ chunkSize: CHUNK }), async (stream) => {
    for await (const chunk of stream as AsyncIterable<Buffer>) object.write(chunk);
  });
  const id = hash.digest("hex");
  object.end(id);
  return id;
}

/** The objects of the pack one after the other, without the pack's header. */
class Scratch implements Disposable {
  readonly objects: PackedObject[] = [];
  readonly #ids = new Set<string>();
  readonly #file: string;
  readonly #fd: number;
  /** Bytes that count; an object that turns out to be there already is written over. */
  size = 0;

  constructor(file: string) {
    this.#file = file;
    try {
      this.#fd = openSync(file, "wx+", 0o600);
    } catch (error) {
      throw ioError(`cannot write ${file}`, error);
    }
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  add(type: keyof typeof OBJECT_TYPE, { id, bytes }: GitObject): void {
    const object = this.begin(type, bytes.length);
    object.write(deflateSync(bytes));
    object.end(id);
  }

  /** An object whose id is known when its bytes are. */
  begin(type: keyof typeof OBJECT_TYPE, size: number): { write(bytes: Uint8Array): void; end(id: string): void } {
    let at = this.size;
    let crc = 0;
    const write = (bytes: Uint8Array) => {
      crc = crc32(bytes, crc);
      this.#write(bytes, at);
      at += bytes.length;
    };
    write(objectHeader(OBJECT_TYPE[type], size));
    return {
      write,
      end: (id) => {
        if (this.#ids.has(id)) return;
        this.#ids.add(id);
        this.objects.push({ id, offset: PACK_HEADER + this.size, crc });
        this.size = at;
      },
    };
  }

  #write(bytes: Uint8Array, at: number): void {
    try {
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(this.#fd, bytes, done, bytes.length - done, at + done);
      }
    } catch (error) {
      throw ioError(`cannot write ${this.#file}`, error);
    }
  }

  /** What was written and counts; each chunk lasts until the next. */
  *read(): Generator<Uint8Array> {
    const buffer = Buffer.allocUnsafe(CHUNK);
    for (let at = 0; at < this.size; ) {
      const length = readFully(this.#fd, buffer, Math.min(CHUNK, this.size - at), at);
      if (length === 0) throw ioError(`cannot read ${this.#file}`, new Error(`it ends at byte ${at}`));
      yield buffer.subarray(0, length);
      at += length;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

/** Header, pack, index, and zeros up to the next block. */
function assemble(scratch: Scratch, commit: string, image: ImageWriter) {
  using writer = image;
  const packEnd = PACK_OFFSET + PACK_HEADER + scratch.size + 20;
  const indexAt = nextBlock(packEnd);
  const checksum = createHash("sha1");
  const pack = (bytes: Uint8Array) => {
    checksum.update(bytes);
    writer.bytes(bytes);
  };
  writer.bytes(docteurHeader(commit, indexAt));
  pack(packHeader(scratch.objects.length));
  for (const chunk of scratch.read()) pack(chunk);
  const trailer = checksum.digest();
  writer.bytes(trailer);
  writer.zeros(indexAt - packEnd);
  const index = packIndex(scratch.objects, trailer);
  writer.bytes(index);
  writer.zeros(nextBlock(indexAt + index.length) - indexAt - index.length);
  return writer.finish();
}
