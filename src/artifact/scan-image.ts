/** One pass over an image somebody else made: its digest, and the files in it with their git blob ids. */
import { createHash, type Hash } from "node:crypto";
import { closeSync, fstatSync, openSync } from "node:fs";
import type { ImageEntry, ImageFormat } from "../image/format.ts";
import type { IndexEntry } from "../image/index-file.ts";
import type { ByteSource } from "../util/bytes.ts";
import { fileSource, ioError, readFully } from "../util/files.ts";
import { readEntry } from "./read-entry.ts";

export interface ScannedImage {
  readonly size: number;
  readonly sha256: string;
  readonly index: readonly IndexEntry[];
}

const CHUNK = 1024 * 1024;

/** Throws IMAGE_INVALID where `format` cannot read the image, IO_FAILED where the disk cannot. */
export async function scanImage(file: string, format: ImageFormat): Promise<ScannedImage> {
  const fd = openForReading(file);
  try {
    const { size } = fstatSync(fd);
    const entries = [...format.list(fileSource(fd, size))];
    const ids = new BlobIds(inOneRunEach(entries) ? entries : []);
    const image = createHash("sha256");
    const buffer = Buffer.allocUnsafe(CHUNK);
    for (let offset = 0; offset < size; ) {
      const chunk = buffer.subarray(0, readFully(fd, buffer, Math.min(CHUNK, size - offset), offset));
      if (chunk.length === 0) break;
      image.update(chunk);
      ids.update(chunk, offset);
      offset += chunk.length;
      if (offset % (64 * CHUNK) === 0) await new Promise(setImmediate);
    }
    const index = inOneRunEach(entries) ? ids.finish() : await blobIds(fileSource(fd, size), entries);
    return { size, sha256: image.digest("hex"), index };
  } finally {
    closeSync(fd);
  }
}

/** Whether the files stand one behind the other as they are, so that one pass sees each in turn. */
function inOneRunEach(entries: readonly ImageEntry[]): boolean {
  let end = 0;
  return entries.every(({ offset, size, stored }) => {
    if (size === 0) return true;
    const behind = offset >= end && stored === undefined;
    end = offset + size;
    return behind;
  });
}

/** For files that are compressed, in pieces or in no order: a second look at the image. */
async function blobIds(source: ByteSource, entries: readonly ImageEntry[]): Promise<IndexEntry[]> {
  const index: IndexEntry[] = [];
  for (const entry of entries) {
    const { id } = await digestEntry(source, entry);
    index.push({ path: entry.path, size: entry.size, id });
  }
  return index;
}

/** Digest and git blob id of a file in an image, however it is stored; throws IMAGE_INVALID where it is damaged. */
export async function digestEntry(source: ByteSource, entry: ImageEntry): Promise<FileDigests> {
  const sha256 = createHash("sha256");
  const id = createHash("sha1").update(`blob ${entry.size}\0`);
  for await (const chunk of readEntry(source, entry)) {
    sha256.update(chunk);
    id.update(chunk);
  }
  return { size: entry.size, sha256: sha256.digest("hex"), id: id.digest("hex") };
}

/** Git blob ids of byte ranges of a stream, the ranges in ascending order. */
class BlobIds {
  readonly #entries: readonly ImageEntry[];
  readonly #index: IndexEntry[] = [];
  #hash: Hash | undefined;

  constructor(entries: readonly ImageEntry[]) {
    this.#entries = entries;
  }

  update(chunk: Buffer, offset: number): void {
    const end = offset + chunk.length;
    for (;;) {
      const entry = this.#entries[this.#index.length];
      if (entry?.size === 0) {
        // Where an empty file is means nothing.
        this.#take(entry);
        continue;
      }
      if (!entry || entry.offset >= end) return;
      this.#hash ??= createHash("sha1").update(`blob ${entry.size}\0`);
      const entryEnd = entry.offset + entry.size;
      this.#hash.update(chunk.subarray(Math.max(0, entry.offset - offset), Math.min(chunk.length, entryEnd - offset)));
      if (entryEnd > end) return;
      this.#take(entry);
    }
  }

  finish(): readonly IndexEntry[] {
    for (const entry of this.#entries.slice(this.#index.length)) this.#take(entry);
    return this.#index;
  }

  #take({ path, size }: ImageEntry): void {
    const hash = this.#hash ?? createHash("sha1").update(`blob ${size}\0`);
    this.#index.push({ path, size, id: hash.digest("hex") });
    this.#hash = undefined;
  }
}

/** Digest and git blob id of a file (or of a range of it), in one pass. */
export interface FileDigests {
  readonly size: number;
  readonly sha256: string;
  readonly id: string;
}

/** Reads `size` bytes from `offset`, the whole file by default; throws IO_FAILED when there are fewer. */
export function digestFile(file: string, range?: { readonly offset: number; readonly size: number }): FileDigests {
  const fd = openForReading(file);
  try {
    const { offset, size } = range ?? { offset: 0, size: fstatSync(fd).size };
    const sha256 = createHash("sha256");
    const id = createHash("sha1").update(`blob ${size}\0`);
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, Math.max(size, 1)));
    for (let done = 0; done < size; ) {
      const length = readFully(fd, buffer, Math.min(buffer.length, size - done), offset + done);
      if (length === 0) throw ioError(`cannot read ${file}`, new Error(`it ends at byte ${offset + done}`));
      const chunk = buffer.subarray(0, length);
      sha256.update(chunk);
      id.update(chunk);
      done += length;
    }
    return { size, sha256: sha256.digest("hex"), id: id.digest("hex") };
  } finally {
    closeSync(fd);
  }
}

function openForReading(file: string): number {
  try {
    return openSync(file, "r");
  } catch (error) {
    throw ioError(`cannot read ${file}`, error);
  }
}
