/**
 * How MirageOS's fat-filesystem 0.15.1 finds a file, step by step: its choice of the type, its idea of which names are
 * short, its comparison of long names with NUL and 0xFFFF included, its chains. Written from its behaviour, for tests.
 */

const latin1 = (bytes: Buffer, at: number, length: number) => bytes.toString("latin1", at, at + length);
const LEGAL = /^[A-Z0-9 !#$%&'()@^_`{}~\u0080-\u00ff-]*$/;

interface Entry {
  readonly base: string;
  readonly extension: string;
  /** All 13-unit slots joined, as UTF-16 little-endian bytes. */
  readonly long: Buffer;
  readonly directory: boolean;
  readonly cluster: number;
  readonly size: number;
}

export class MirageFat {
  readonly #image: Buffer;
  readonly #sector: number;
  readonly #perCluster: number;
  readonly #reserved: number;
  readonly #fats: number;
  readonly #rootEntries: number;
  readonly #perFat: number;

  constructor(image: Buffer) {
    this.#image = image;
    if (image.readUInt16LE(510) !== 0xaa55) throw new Error("boot sector signature invalid");
    this.#sector = image.readUInt16LE(11);
    this.#perCluster = image.readUInt8(13);
    this.#reserved = image.readUInt16LE(14);
    this.#fats = image.readUInt8(16);
    this.#rootEntries = image.readUInt16LE(17);
    this.#perFat = image.readUInt16LE(22);
    const total = Math.max(image.readUInt16LE(19), image.readUInt32LE(32));
    const clusters = 2 + Math.trunc((total - this.#initialCluster) / this.#perCluster);
    if (clusters >= 65_527) throw new Error("taken for FAT32");
    if (clusters < 4087) throw new Error("FAT12, taken for FAT16");
  }

  get #rootStart(): number {
    return this.#reserved + this.#fats * this.#perFat;
  }

  get #initialCluster(): number {
    return this.#rootStart + Math.trunc((this.#rootEntries * 32) / this.#sector);
  }

  #content(first: number): Buffer {
    const parts: Buffer[] = [];
    const size = this.#perCluster * this.#sector;
    for (let cluster = first; cluster > 1; ) {
      const at = (this.#initialCluster + this.#perCluster * (cluster - 2)) * this.#sector;
      parts.push(this.#image.subarray(at, at + size));
      const next = this.#image.readUInt16LE(this.#reserved * this.#sector + 2 * cluster);
      if (next >= 0xfff8) break;
      // Cluster numbers from 0xFFF0 on are bad to it.
      if (next < 2 || next > 0xffef) throw new Error("corrupt chain");
      cluster = next;
    }
    return Buffer.concat(parts);
  }

  #list(directory: Buffer): Entry[] {
    const entries: Entry[] = [];
    let slots: { order: number; units: Buffer }[] = [];
    for (let at = 0; at + 32 <= directory.length; at += 32) {
      const raw = directory.subarray(at, at + 32);
      if (raw[11] === 0x0f) {
        const units = Buffer.concat([raw.subarray(1, 11), raw.subarray(14, 26), raw.subarray(28, 32)]);
        slots.push({ order: (raw[0] as number) & 0x3f, units });
        continue;
      }
      if (raw[0] === 0) break;
      slots.sort((a, b) => a.order - b.order);
      entries.push({
        base: latin1(raw, 0, 8).trim(),
        extension: latin1(raw, 8, 3).trim(),
        long: Buffer.concat(slots.map(({ units }) => units)),
        directory: ((raw[11] as number) & 0x10) !== 0,
        cluster: raw.readUInt16LE(26),
        size: raw.readUInt32LE(28),
      });
      slots = [];
    }
    return entries;
  }

  /** The bytes of a file; undefined where the reader does not find it. */
  read(path: string): Buffer | undefined {
    const root = this.#rootStart * this.#sector;
    let directory = this.#image.subarray(root, root + this.#rootEntries * 32);
    const segments = path.split("/");
    for (const [i, segment] of segments.entries()) {
      const found = this.#list(directory).find((entry) => matches(segment, entry));
      if (!found) return undefined;
      if (i === segments.length - 1) return this.#content(found.cluster).subarray(0, found.size);
      if (!found.directory) return undefined;
      directory = this.#content(found.cluster);
    }
    return undefined;
  }
}

function matches(name: string, entry: Entry): boolean {
  const fields = name.split(".").filter((field) => field !== "");
  const legal =
    fields.length <= 2 &&
    (fields[0] ?? "").length <= 8 &&
    (fields[1] ?? "").length <= 3 &&
    fields.every((field) => LEGAL.test(field));
  if (legal) return (fields[0] ?? "").trim() === entry.base && (fields[1] ?? "").trim() === entry.extension;
  // A NUL always, then 0xFFFF up to a multiple of 13.
  const wanted = Buffer.alloc(26 * Math.ceil((name.length + 1) / 13), 0xff);
  wanted.write(name, 0, "utf16le");
  wanted.writeUInt16LE(0, 2 * name.length);
  return wanted.equals(entry.long);
}
