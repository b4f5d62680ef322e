/**
 * Git's pack file, version 2, and its index (git, Documentation/gitformat-pack.txt), as far as writing whole objects
 * needs: no deltas. Pure.
 */
import { createHash } from "node:crypto";

export const OBJECT_TYPE = { commit: 1, tree: 2, blob: 3 } as const;
export const PACK_HEADER = 12;
export const ID_BYTES = 20;
/** Offsets from here on go through a table of 64-bit ones. */
const LARGE_OFFSET = 0x8000_0000;

/** "PACK", version 2, number of objects. */
export function packHeader(objects: number): Buffer {
  const header = Buffer.from("PACK\0\0\0\u0002\0\0\0\0", "latin1");
  header.writeUInt32BE(objects, 8);
  return header;
}

/** What stands before an object's zlib stream: type, and size in groups of 4, 7, 7, … bits, lowest first. */
export function objectHeader(type: number, size: number): Buffer {
  const bytes: number[] = [];
  let byte = (type << 4) | (size % 16);
  // Division, because shifts end at 32 bits.
  for (let rest = Math.floor(size / 16); rest > 0; rest = Math.floor(rest / 128)) {
    bytes.push(byte | 0x80);
    byte = rest % 128;
  }
  bytes.push(byte);
  return Buffer.from(bytes);
}

/** An object in a pack. */
export interface PackedObject {
  /** Hex id. */
  readonly id: string;
  /** Of its header, from the "P" of "PACK". */
  readonly offset: number;
  /** CRC-32 of header and stream. */
  readonly crc: number;
}

/** The index, version 2, of a pack whose trailer is `checksum`. */
export function packIndex(objects: readonly PackedObject[], checksum: Uint8Array): Buffer {
  const sorted = objects.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const large = sorted.filter(({ offset }) => offset >= LARGE_OFFSET);
  const tables = 8 + 1024;
  const crcs = tables + ID_BYTES * sorted.length;
  const offsets = crcs + 4 * sorted.length;
  const end = offsets + 4 * sorted.length + 8 * large.length;
  const index = Buffer.alloc(end + 2 * ID_BYTES);
  index.write("\u00fftOc\0\0\0\u0002", 0, "latin1");
  const counts = new Uint32Array(256);
  let longs = 0;
  sorted.forEach(({ id, offset, crc }, i) => {
    index.write(id, tables + ID_BYTES * i, "hex");
    const first = index[tables + ID_BYTES * i] as number;
    counts[first] = (counts[first] as number) + 1;
    index.writeUInt32BE(crc, crcs + 4 * i);
    if (offset < LARGE_OFFSET) index.writeUInt32BE(offset, offsets + 4 * i);
    else {
      index.writeUInt32BE(LARGE_OFFSET + longs, offsets + 4 * i);
      index.writeBigUInt64BE(BigInt(offset), offsets + 4 * sorted.length + 8 * longs++);
    }
  });
  let sum = 0;
  counts.forEach((count, byte) => index.writeUInt32BE((sum += count), 8 + 4 * byte));
  index.set(checksum, end);
  index.set(
    createHash("sha1")
      .update(index.subarray(0, end + ID_BYTES))
      .digest(),
    end + ID_BYTES,
  );
  return index;
}
