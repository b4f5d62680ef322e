/**
 * How large the parts of a FAT volume are: sectors, clusters, tables, root directory (Microsoft FAT specification 1.03,
 * "FAT Type Determination" and "FAT Volume Initialization"). Pure.
 */
import { roundUp } from "../util/bytes.ts";
import { ENTRY } from "./fat-entries.ts";

export type FatKind = 16 | 32;

/** Images are multiples of this, and data begins at one: the largest sector that block devices of guests have. */
const PAGE = 4096;
export const FAT_COPIES = 2;
/** The specification's bounds for the type, 16 clusters inside: it warns of readers that are off by a few. */
const CLUSTERS = {
  16: { least: 4085 + 16, most: 65_524 - 16 },
  32: { least: 65_525 + 16, most: 0x0fff_fff5 - 16 },
} as const;
const CLUSTER_SIZES = [512, 1024, 2048, 4096, 8192, 16_384, 32_768] as const;
/** Boot sector alone; boot sector, FSInfo and their copies in the usual 32 sectors. */
const RESERVED = { 16: 1, 32: 32 } as const;
/** FAT16 keeps its root directory outside the clusters; 512 entries is what every reader expects at least. */
const ROOT_ENTRIES = 512;
/** A 16-bit field, and whole pages. */
export const MAX_ROOT_ENTRIES = 65_408;

export interface Geometry {
  readonly kind: FatKind;
  readonly sectorSize: number;
  readonly clusterSize: number;
  readonly reservedSectors: number;
  /** Sectors of one copy of the table. */
  readonly fatSectors: number;
  /** Entries of the fixed root directory; 0 for FAT32. */
  readonly rootEntries: number;
  /** Byte where cluster 2 begins. */
  readonly dataStart: number;
  readonly clusters: number;
  /** Sectors that the file system counts; the image may be longer. */
  readonly totalSectors: number;
  /** Bytes in the image. */
  readonly size: number;
}

/** What has to fit. */
export interface Demand {
  readonly kind: FatKind;
  /** Entries in the root directory. */
  readonly rootEntries: number;
  /** Clusters taken when a cluster has this many bytes. */
  clusters(clusterSize: number): number;
  readonly sectorSize?: number | undefined;
}

/** The smallest volume that fits; undefined where none does. */
export function smallestGeometry(demand: Demand): Geometry | undefined {
  let best: Geometry | undefined;
  for (const clusterSize of CLUSTER_SIZES) {
    const { least, most } = CLUSTERS[demand.kind];
    const wanted = Math.max(demand.clusters(clusterSize), least);
    const clusters = roundUp(wanted * clusterSize, PAGE) / clusterSize;
    const found = clusters <= most ? geometryOf(demand, clusterSize, clusters) : undefined;
    if (found && (best === undefined || found.size < best.size)) best = found;
  }
  return best;
}

/** The volume of `size` bytes with the smallest clusters that lets everything fit; undefined where none does. */
export function geometryOfSize(demand: Demand, size: number): Geometry | undefined {
  for (const clusterSize of CLUSTER_SIZES) {
    const { least, most } = CLUSTERS[demand.kind];
    let low = Math.max(demand.clusters(clusterSize), least);
    let high = Math.floor(size / clusterSize);
    // The most clusters that fit, the table they need included; more than the type may have is another cluster size.
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      const tried = geometryOf(demand, clusterSize, middle);
      if (tried && tried.size > size) high = middle - 1;
      else low = middle;
    }
    const found = low <= most ? geometryOf(demand, clusterSize, low) : undefined;
    if (found && found.size <= size) return { ...found, size };
  }
  return undefined;
}

/** The geometry with exactly `clusters`; undefined where sector and cluster do not go together. */
function geometryOf(demand: Demand, clusterSize: number, clusters: number): Geometry | undefined {
  const { kind } = demand;
  const sectorSize = demand.sectorSize ?? usualSector(kind, clusterSize);
  if (clusterSize < sectorSize || clusterSize > 128 * sectorSize) return undefined;
  const rootEntries = kind === 16 ? roundUp(Math.max(demand.rootEntries, ROOT_ENTRIES), PAGE / ENTRY) : 0;
  const fatSectors = Math.ceil(((clusters + 2) * (kind / 8)) / sectorSize);
  const tables = FAT_COPIES * fatSectors * sectorSize + rootEntries * ENTRY;
  const dataStart = roundUp(RESERVED[kind] * sectorSize + tables, PAGE);
  const totalSectors = (dataStart + clusters * clusterSize) / sectorSize;
  // A 32-bit field counts the sectors.
  if (totalSectors > 0xffff_ffff) return undefined;
  return {
    kind,
    sectorSize,
    clusterSize,
    reservedSectors: (dataStart - tables) / sectorSize,
    fatSectors,
    rootEntries,
    dataStart,
    clusters,
    totalSectors,
    size: roundUp(totalSectors * sectorSize, PAGE),
  };
}

/**
 * ocaml-fat on a device with sectors of 4096 bytes (Xen) needs them in the volume too, and on one of 512 it takes both:
 * they are used wherever they cost nothing.
 */
function usualSector(kind: FatKind, clusterSize: number): number {
  return kind === 16 && clusterSize >= PAGE ? PAGE : 512;
}
