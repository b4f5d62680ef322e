/**
 * Writes a docteur image. Its first bytes and its size depend on what compression makes of every file, so the objects go
 * to a scratch file beside the image first. Memory holds one small file, or a window of a large one, and 100 bytes for
 * each object.
 */
import { createHash } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import path from "node:path";
import zlib from "node:zlib";
import { crc32 } from "../image/crc32.ts";
import { docteurHeader, nextBlock, PACK_OFFSET } from "../image/docteur.ts";
import { gitCommit, gitId, type GitObject, gitTrees } from "../image/git-objects.ts";
import type { IndexEntry } from "../image/index-file.ts";
import { OBJECT_TYPE, objectHeader, PACK_HEADER, type PackedObject, packHeader, packIndex } from "../image/pack.ts";
import type { FileTree } from "../image/tree.ts";
import { ioError, readFully, tempDir } from "../util/files.ts";
import { ImageWriter } from "../util/image-writer.ts";
import type { SiteFile } from "./read-tree.ts";
import { siteBytes } from "./site-bytes.ts";
import { type BuiltImage, contentOf } from "./write-image.ts";

/** Bytes of a file in memory. */
const WINDOW = 1024 * 1024;
const CHUNK = 64 * 1024;
/** Bytes of the site between two words of progress. */
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
  const packer = new Packer(scratch);
  let done = 0;
  let turn = TURN;
  for (const file of files) {
    const id = await packer.file(file);
    index.push({ path: file.path, size: file.size, id });
    done += file.size;
    if (done < turn) continue;
    turn = done + TURN;
    options.onProgress?.(done);
  }
  const trees = gitTrees(index);
  const commit = gitCommit((trees.at(-1) as GitObject).id);
  for (const tree of trees) await packer.add("tree", tree);
  await packer.add("commit", commit);
  const image = assemble(scratch, commit.id, new ImageWriter(out, options.mode));
  return { ...image, ...contentOf(index) };
}

/** Objects as they come, small files through one buffer and everything through one compressor. */
class Packer {
  readonly #scratch: Scratch;
  readonly #deflater = new Deflater();
  readonly #buffer = Buffer.allocUnsafe(WINDOW);

  constructor(scratch: Scratch) {
    this.#scratch = scratch;
  }

  /** Adds the content of a file unless it is there already; its git blob id. */
  async file(file: SiteFile): Promise<string> {
    return file.size <= WINDOW ? this.#small(file) : this.#large(file);
  }

  async add(type: keyof typeof OBJECT_TYPE, { id, bytes }: GitObject): Promise<void> {
    if (this.#scratch.has(id)) return;
    const object = this.#scratch.begin(type, bytes.length);
    await this.#deflater.run([bytes], (chunk) => object.write(chunk));
    object.end(id);
  }

  async #small(file: SiteFile): Promise<string> {
    let length = 0;
    for (const chunk of siteBytes(file, () => this.#buffer.subarray(length))) length += chunk.length;
    const bytes = this.#buffer.subarray(0, length);
    const id = gitId("blob", bytes);
    await this.add("blob", { id, bytes });
    return id;
  }

  /** Nobody knows whether the content is new before all of it was read: if it is not, the object is dropped again. */
  async #large(file: SiteFile): Promise<string> {
    const hash = createHash("sha1").update(`blob ${file.size}\0`);
    const object = this.#scratch.begin("blob", file.size);
    const hashed = function* (chunks: Iterable<Buffer>) {
      for (const chunk of chunks) {
        hash.update(chunk);
        yield chunk;
      }
    };
    await this.#deflater.run(hashed(siteBytes(file, () => this.#buffer)), (chunk) => object.write(chunk));
    const id = hash.digest("hex");
    object.end(id);
    return id;
  }
}

/** One zlib state for all streams: making one for each file would cost more memory than the files. */
class Deflater {
  readonly #deflate = zlib.createDeflate({ chunkSize: CHUNK });
  #take: (chunk: Buffer) => void = () => {};

  constructor() {
    this.#deflate.on("data", (chunk: Buffer) => this.#take(chunk));
  }

  /** Compresses `chunks` to one stream; a chunk is done with when the next is asked for. */
  async run(chunks: Iterable<Buffer>, take: (chunk: Buffer) => void): Promise<void> {
    this.#take = take;
    for (const chunk of chunks) {
      await new Promise<void>((resolve, reject) => {
        this.#deflate.write(chunk, (error) => (error ? reject(error) : resolve()));
      });
    }
    await new Promise<void>((resolve) => {
      this.#deflate.flush(zlib.constants.Z_FINISH, resolve);
    });
    this.#deflate.reset();
  }
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
