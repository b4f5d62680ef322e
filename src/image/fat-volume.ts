/**
 * A FAT volume somebody made: its boot sector checked, and its chains of clusters followed with every step bounded. Shares
 * nothing with the writer but the specification (Microsoft FAT specification 1.03). Pure; the bytes are hostile.
 */
import { DeployError } from "../errors.ts";
import type { ByteSource } from "../util/bytes.ts";
import type { Extent } from "./format.ts";

const BOOT = 512;
/** Runs in one volume beyond this are refused: a list of them would fill memory. */
const MAX_EXTENTS = 1 << 20;
/** Bytes of the table held at a time. */
const TABLE_WINDOW = 64 * 1024;

export interface FatVolume {
  readonly kind: 16 | 32;
  readonly sectorSize: number;
  readonly clusterSize: number;
  /** Byte where the first copy of the table begins, and bytes in it. */
  readonly tableStart: number;
  readonly tableSize: number;
  /** The fixed root directory of FAT16. */
  readonly root: Extent;
  /** The first cluster of the root directory of FAT32; 0 on FAT16. */
  readonly rootCluster: number;
  readonly dataStart: number;
  readonly clusters: number;
}

/** Whether the boot sector could be that of a raw FAT16 or FAT32 volume. */
export function detectFat(source: ByteSource, kind: 16 | 32): boolean {
  const boot = source.read(0, BOOT);
  if (boot.length < BOOT || boot[510] !== 0x55 || boot[511] !== 0xaa) return false;
  const jumps = (boot[0] === 0xeb && boot[2] === 0x90) || boot[0] === 0xe9;
  const sector = u16(boot, 11);
  if (!jumps || !isPowerOfTwo(sector) || sector < 512 || sector > 4096) return false;
  if (!isPowerOfTwo(boot[13] as number) || u16(boot, 14) === 0 || (boot[16] as number) === 0) return false;
  return (u16(boot, 22) === 0) === (kind === 32) && (kind === 16 || u32(boot, 36) !== 0);
}

/** Reads the boot sector; throws IMAGE_INVALID where the volume cannot be what it says. */
export function readVolume(source: ByteSource): FatVolume {
  const boot = Uint8Array.from(source.read(0, BOOT));
  if (!detectFat(bufferOf(boot), 16) && !detectFat(bufferOf(boot), 32)) {
    throw invalid(0, "the boot sector of no raw FAT volume (partitioned images are not read)");
  }
  const sectorSize = u16(boot, 11);
  const clusterSize = sectorSize * (boot[13] as number);
  const total = (u16(boot, 19) || u32(boot, 32)) * sectorSize;
  const tableStart = u16(boot, 14) * sectorSize;
  const tableSize = (u16(boot, 22) || u32(boot, 36)) * sectorSize;
  const root = { offset: tableStart + tableSize * (boot[16] as number), size: u16(boot, 17) * 32 };
  const dataStart = root.offset + Math.ceil(root.size / sectorSize) * sectorSize;
  const clusters = Math.floor((total - dataStart) / clusterSize);
  if (total > source.size) throw invalid(19, `a volume of ${total} bytes in an image of ${source.size}`);
  if (clusters < 1) throw invalid(19, `${total} bytes leave no room for data, which begins at ${dataStart}`);
  const kind = u16(boot, 22) === 0 ? 32 : 16;
  if (kind === 16 && clusters < 4085) {
    throw invalid(22, `a FAT12 volume (${clusters} clusters); guests take it for FAT16 and misread it`);
  }
  if (kind === 16 && clusters > 65_524) throw invalid(22, `${clusters} clusters, FAT16 has at most 65524`);
  if ((clusters + 2) * (kind / 8) > tableSize) {
    throw invalid(22, `a table of ${tableSize} bytes is too short for ${clusters} clusters`);
  }
  const rootCluster = kind === 32 ? u32(boot, 44) & 0x0fff_ffff : 0;
  return { kind, sectorSize, clusterSize, tableStart, tableSize, root, rootCluster, dataStart, clusters };
}

/** Follows chains. No cluster is visited twice, whoever asks: loops and cross-links end there. */
export class FatChains {
  readonly #source: ByteSource;
  readonly #volume: FatVolume;
  readonly #visited: Uint8Array;
  #window = new DataView(new ArrayBuffer(0));
  #windowStart = 0;
  #extents = 0;

  constructor(source: ByteSource, volume: FatVolume) {
    this.#source = source;
    this.#volume = volume;
    this.#visited = new Uint8Array(Math.ceil((volume.clusters + 2) / 8));
  }

  /**
   * The runs of the chain that begins at `first`, joined where they touch. Throws IMAGE_INVALID naming `what` where the
   * chain is damaged or has more than `most` bytes.
   */
  follow(first: number, most: number, what: string): Extent[] {
    const { clusterSize } = this.#volume;
    const extents: { offset: number; size: number }[] = [];
    let length = 0;
    for (let cluster = first; cluster !== END; cluster = this.#next(cluster, what)) {
      this.#visit(cluster, what);
      length += clusterSize;
      if (length > most) throw invalid(this.#entryAt(cluster), `${what}: a chain of more than ${most} bytes`);
      const offset = this.#volume.dataStart + (cluster - 2) * clusterSize;
      const last = extents.at(-1);
      if (last && last.offset + last.size === offset) last.size += clusterSize;
      else if (++this.#extents > MAX_EXTENTS) throw invalid(offset, `more than ${MAX_EXTENTS} fragments`);
      else extents.push({ offset, size: clusterSize });
    }
    return extents;
  }

  #visit(cluster: number, what: string): void {
    const { clusters } = this.#volume;
    if (cluster < 2 || cluster > clusters + 1) throw invalid(0, `${what}: cluster ${cluster} of ${clusters}`);
    const byte = this.#visited[cluster >> 3] as number;
    const bit = 1 << (cluster & 7);
    if (byte & bit) {
      throw invalid(this.#entryAt(cluster), `${what}: cluster ${cluster} is in two chains, or twice in one`);
    }
    this.#visited[cluster >> 3] = byte | bit;
  }

  /** The cluster after this one, or END. */
  #next(cluster: number, what: string): number {
    const wide = this.#volume.kind === 32;
    const at = this.#entryAt(cluster);
    const width = wide ? 4 : 2;
    if (at < this.#windowStart || at + width > this.#windowStart + this.#window.byteLength) this.#load(at);
    const value = wide
      ? this.#window.getUint32(at - this.#windowStart, true) & 0x0fff_ffff
      : this.#window.getUint16(at - this.#windowStart, true);
    if (value >= (wide ? 0x0fff_fff8 : 0xfff8)) return END;
    if (value === 0) throw invalid(at, `${what}: the chain runs into a free cluster`);
    if (value === (wide ? 0x0fff_fff7 : 0xfff7)) throw invalid(at, `${what}: the chain runs into a bad cluster`);
    return value;
  }

  #entryAt(cluster: number): number {
    return this.#volume.tableStart + cluster * (this.#volume.kind / 8);
  }

  #load(at: number): void {
    // As long as the window whatever the source has left: behind the end of a cut image every cluster is free.
    const bytes = new Uint8Array(TABLE_WINDOW);
    bytes.set(this.#source.read(at, TABLE_WINDOW).subarray(0, TABLE_WINDOW));
    this.#window = new DataView(bytes.buffer);
    this.#windowStart = at;
  }
}

const END = -1;

export function invalid(offset: number, what: string): DeployError {
  return new DeployError("IMAGE_INVALID", `not a FAT image that can be read: ${what} (at byte ${offset})`, {
    hint: "build the image again; if it was copied, compare its sha256 with the manifest's",
  });
}

const isPowerOfTwo = (n: number) => n > 0 && (n & (n - 1)) === 0;
const u16 = (bytes: Uint8Array, at: number) => (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
const u32 = (bytes: Uint8Array, at: number) => (u16(bytes, at) | (u16(bytes, at + 2) << 16)) >>> 0;
const bufferOf = (bytes: Uint8Array): ByteSource => ({ size: bytes.length, read: () => bytes });
