/**
 * A pack with its index, read with bounded memory (git, Documentation/gitformat-pack.txt). Shares nothing with the
 * writer. Pure; the bytes are hostile.
 */
import { createHash } from "node:crypto";
import zlib from "node:zlib";
import type { ByteSource } from "../util/bytes.ts";
import type { Extent } from "./format.ts";

/** 36 bytes each in the index; a site of a million files is refused long before. */
const MAX_OBJECTS = 2_000_000;
/** Of a commit or tree that is held in memory. */
const MAX_OBJECT = 64 * 1024 * 1024;
/** Type and size of an object take at most ten bytes. */
const MAX_HEADER = 10;
const TYPES = ["", "commit", "tree", "blob", "tag", "", "offset delta", "reference delta"] as const;

export type PackInvalid = (offset: number, what: string) => Error;

export interface PackObject {
  readonly type: (typeof TYPES)[number];
  /** Bytes of the object itself. */
  readonly size: number;
  /** Its zlib stream. */
  readonly stream: Extent;
}

/** Where the pack and its index are in a source. */
export interface PackPlace {
  readonly pack: number;
  readonly index: number;
}

export class PackReader {
  readonly #source: ByteSource;
  readonly #place: PackPlace;
  readonly #invalid: PackInvalid;
  readonly #count: number;
  readonly #ids: Uint8Array;
  /** Where each object begins, by its number in the index; and all of them in order, then the end of the last. */
  readonly #offsets: Float64Array;
  readonly #boundaries: Float64Array;

  constructor(source: ByteSource, place: PackPlace, invalid: PackInvalid) {
    this.#source = source;
    this.#place = place;
    this.#invalid = invalid;
    const header = this.#view(place.pack, 12);
    if (header.getUint32(0) !== 0x5041434b || header.getUint32(4) !== 2)
      throw invalid(place.pack, "no pack of version 2");
    this.#count = header.getUint32(8);
    if (this.#count > MAX_OBJECTS) throw invalid(place.pack, `${this.#count} objects; at most ${MAX_OBJECTS} are read`);
    this.#checkIndexHeader();
    const ids = place.index + 8 + 1024;
    this.#ids = new Uint8Array(this.#view(ids, 20 * this.#count).buffer);
    this.#offsets = this.#readOffsets(ids + 24 * this.#count);
    // The last stream has its own end, so the trailer behind it does no harm.
    this.#boundaries = new Float64Array(this.#count + 1);
    this.#boundaries.set(this.#offsets);
    this.#boundaries[this.#count] = place.index - place.pack;
    this.#boundaries.sort();
  }

  #view(offset: number, size: number): DataView {
    const bytes = Uint8Array.from(this.#source.read(offset, size));
    if (bytes.length < size) throw this.#invalid(offset, `${size} bytes announced, ${bytes.length} left in the image`);
    return new DataView(bytes.buffer);
  }

  #checkIndexHeader(): void {
    const { index } = this.#place;
    const view = this.#view(index, 8 + 1024);
    if (view.getUint32(0) !== 0xff744f63 || view.getUint32(4) !== 2)
      throw this.#invalid(index, "no pack index of version 2");
    const total = view.getUint32(8 + 4 * 255);
    if (total !== this.#count) throw this.#invalid(index, `an index of ${total} objects for a pack of ${this.#count}`);
  }

  #readOffsets(at: number): Float64Array {
    const view = this.#view(at, 4 * this.#count);
    const offsets = new Float64Array(this.#count);
    for (let i = 0; i < this.#count; i++) {
      const value = view.getUint32(4 * i);
      const offset = value < 0x8000_0000 ? value : this.#largeOffset(at + 4 * this.#count + 8 * (value - 0x8000_0000));
      if (offset < 12 || this.#place.pack + offset >= this.#place.index) {
        throw this.#invalid(at + 4 * i, `an object at ${offset}, outside the pack`);
      }
      offsets[i] = offset;
    }
    return offsets;
  }

  #largeOffset(at: number): number {
    return Number(this.#view(at, 8).getBigUint64(0));
  }

  /** The object with the 20-byte id, if any; the header is looked at, the stream is not. */
  find(id: Uint8Array): PackObject | undefined {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >> 1;
      const order = Buffer.compare(this.#ids.subarray(20 * middle, 20 * middle + 20), id);
      if (order === 0) return this.#objectAt(this.#offsets[middle] as number);
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return undefined;
  }

  #objectAt(offset: number): PackObject {
    const at = this.#place.pack + offset;
    const head = Uint8Array.from(this.#source.read(at, MAX_HEADER));
    const first = head[0] as number;
    let size = first & 0x0f;
    let length = 1;
    for (let scale = 16; (head[length - 1] as number) & 0x80; scale *= 128) {
      const next = head[length];
      if (next === undefined || length >= MAX_HEADER - 1) throw this.#invalid(at, "an object's size without an end");
      size += (next & 0x7f) * scale;
      length++;
    }
    if (!Number.isSafeInteger(size)) throw this.#invalid(at, `an object of ${size} bytes`);
    const type = TYPES[(first >> 4) & 7] as PackObject["type"];
    return { type, size, stream: { offset: at + length, size: this.#end(offset) - offset - length } };
  }

  /** The end of the object that begins at `offset`. */
  #end(offset: number): number {
    let low = 0;
    let high = this.#boundaries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#boundaries[middle] as number) <= offset) low = middle + 1;
      else high = middle;
    }
    return this.#boundaries[low] as number;
  }

  /** The bytes of a commit or tree. Its id is verified, so that no object can contain itself. */
  read(id: Uint8Array, type: "commit" | "tree"): Buffer {
    const hex = Buffer.from(id).toString("hex");
    const object = this.find(id);
    if (!object) throw this.#invalid(this.#place.index, `${type} ${hex} is not in the pack`);
    const { stream, size } = object;
    if (object.type !== type)
      throw this.#invalid(stream.offset, `${hex} is a ${object.type || "thing"}, expected a ${type}`);
    if (size > MAX_OBJECT) throw this.#invalid(stream.offset, `a ${type} of ${size} bytes`);
    const bytes = this.#inflate(stream, size);
    const found = createHash("sha1").update(`${type} ${size}\0`).update(bytes).digest("hex");
    if (bytes.length !== size || found !== hex) throw this.#invalid(stream.offset, `${type} ${hex} has other bytes`);
    return bytes;
  }

  #inflate({ offset, size }: Extent, length: number): Buffer {
    try {
      return zlib.inflateSync(this.#source.read(offset, size), { maxOutputLength: length + 1 });
    } catch (error) {
      throw this.#invalid(offset, `a damaged zlib stream (${error instanceof Error ? error.message : ""})`);
    }
  }
}
