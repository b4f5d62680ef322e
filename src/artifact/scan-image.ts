/** One pass over an image somebody else made: its digest, and the files in it with their git blob ids. */
import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync } from "node:fs";
import type { Extent, ImageEntry, ImageFormat } from "../image/format.ts";
import type { IndexEntry } from "../image/index-file.ts";
import type { ByteSource } from "../util/bytes.ts";
import { fileSource, ioError, readFully } from "../util/files.ts";
import { besideSha256, nextTurn } from "./beside.ts";
import { blobHash } from "./blob-id.ts";
import { ForwardReader } from "./forward-reader.ts";
import { type Proof, proveImage } from "./prove-image.ts";
import { readEntry } from "./read-entry.ts";

export interface ScannedImage {
  readonly size: number;
  readonly sha256: string;
  readonly index: readonly IndexEntry[];
  /** Where a text stands that was looked for on the way; not there where it was not. */
  readonly marks?: readonly number[];
}

/** An image of which it is known that it is what its format makes of the index. */
export type ProvenImage = ScannedImage & Proof;

/** Throws IMAGE_INVALID where `format` cannot read the image, IO_FAILED where the disk cannot. */
export async function scanImage(file: string, format: ImageFormat): Promise<ScannedImage> {
  return withFile(file, async (fd) => {
    const { size } = fstatSync(fd);
    const { sha256, result } = await besideSha256(fd, [{ offset: 0, size }], () => indexOf(fd, size, format));
    return { size, sha256: sha256[0] as string, index: result };
  });
}

/**
 * As `scanImage`, of an image that comes with its index. Where the image is, byte for byte, what the format makes of files
 * with these names, sizes and ids, there is nothing to be read out of it, and its proof comes along; of any other image
 * the index counts for nothing. `mark` is looked for where that costs no time.
 */
export async function scanClaimed(
  file: string,
  format: ImageFormat,
  claimed: readonly IndexEntry[],
  mark?: string,
): Promise<ScannedImage | ProvenImage> {
  return withFile(file, async (fd) => {
    const { size } = fstatSync(fd);
    const read = async () => {
      const proof = await proveImage(fd, size, format, claimed);
      return proof ? { index: claimed, ...proof } : { index: await indexOf(fd, size, format) };
    };
    const { sha256, marks, result } = await besideSha256(fd, [{ offset: 0, size }], read, mark);
    return { size, sha256: sha256[0] as string, ...result, ...(marks ? { marks } : {}) };
  });
}

async function withFile<T>(file: string, work: (fd: number) => Promise<T>): Promise<T> {
  const fd = openForReading(file);
  try {
    return await work(fd);
  } finally {
    closeSync(fd);
  }
}

async function indexOf(fd: number, size: number, format: ImageFormat): Promise<readonly IndexEntry[]> {
  const source = fileSource(fd, size);
  const entries = [...format.list(source)];
  return inOneRunEach(entries) ? idsInOrder(fd, entries) : blobIds(source, entries);
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

/** Bytes between two turns of the rest of the process. */
const TURN = 64 * 1024 * 1024;

async function idsInOrder(fd: number, entries: readonly ImageEntry[]): Promise<IndexEntry[]> {
  const reader = new ForwardReader(fd);
  const index: IndexEntry[] = [];
  let told = 0;
  for (const { path, size, offset } of entries) {
    // Where an empty file is means nothing.
    const id = size === 0 ? blobHash(0).digest("hex") : reader.blobId(offset, size);
    if (id === undefined) throw ioError(`cannot read ${path}`, new Error("the image became shorter"));
    index.push({ path, size, id });
    if (size > 0 && offset - told > TURN) {
      told = offset;
      await nextTurn();
    }
  }
  return index;
}

/** For files that are compressed, in pieces or in no order: a look at each of them. */
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
  const id = blobHash(entry.size);
  for await (const chunk of readEntry(source, entry)) {
    sha256.update(chunk);
    id.update(chunk);
  }
  return { size: entry.size, sha256: sha256.digest("hex"), id: id.digest("hex") };
}

/** Digest and git blob id of a file (or of a range of it), in one pass. */
export interface FileDigests {
  readonly size: number;
  readonly sha256: string;
  readonly id: string;
}

const CHUNK = 1024 * 1024;

/** Reads `size` bytes from `offset`, the whole file by default; throws IO_FAILED when there are fewer. */
export function digestFile(file: string, range?: Extent): FileDigests {
  const fd = openForReading(file);
  try {
    const { offset, size } = range ?? { offset: 0, size: fstatSync(fd).size };
    const sha256 = createHash("sha256");
    const id = blobHash(size);
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

/**
 * As `digestFile`, of many ranges: sha256 and ids at the same time. Throws IO_FAILED where the file ends within one.
 */
export async function digestRanges(file: string, ranges: readonly Extent[]): Promise<readonly FileDigests[]> {
  return withFile(file, async (fd) => {
    const { sha256, result } = await besideSha256(fd, ranges, async () => {
      const reader = new ForwardReader(fd);
      const ids: string[] = [];
      for (const { offset, size } of ranges) {
        const id = reader.blobId(offset, size);
        if (id === undefined) throw ioError(`cannot read ${file}`, new Error(`it ends before byte ${offset + size}`));
        ids.push(id);
        await nextTurn();
      }
      return ids;
    });
    return ranges.map(({ size }, i) => ({ size, sha256: sha256[i] as string, id: result[i] as string }));
  });
}

function openForReading(file: string): number {
  try {
    return openSync(file, "r");
  } catch (error) {
    throw ioError(`cannot read ${file}`, error);
  }
}
