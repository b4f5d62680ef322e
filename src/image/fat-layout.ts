/**
 * A FAT volume decided to the last byte: reserved sectors, two tables, root directory, then directories and files one
 * after the other without gaps, so that every file is contiguous. Pure.
 */
import { DeployError } from "../errors.ts";
import { roundUp } from "../util/bytes.ts";
import { count } from "../util/size.ts";
import { MEDIA, reservedSectors } from "./fat-boot-sector.ts";
import { directoryBytes, type FatDirectory, fatTree } from "./fat-directories.ts";
import { ENTRY, type Target } from "./fat-entries.ts";
import {
  type Demand,
  FAT_COPIES,
  type FatKind,
  type Geometry,
  geometryOfSize,
  MAX_ROOT_ENTRIES,
  smallestGeometry,
} from "./fat-geometry.ts";
import type { NameRules } from "./fat-names.ts";
import type { ImageLayout, LayoutOptions, Piece } from "./format.ts";
import { type FileTree, treeProblems } from "./tree.ts";

const PADDING = 4096;
/** The size field has 32 bits. */
const MAX_FILE = 0xffff_ffff;

/** What is being laid out, and for whom. */
interface Volume {
  readonly name: string;
  readonly kind: FatKind;
  readonly rules: NameRules;
}

/** Throws SITE_UNREPRESENTABLE listing every file that the volume cannot carry exactly. */
export function layoutFat(volume: Volume, tree: FileTree, options: LayoutOptions = {}): ImageLayout {
  const problems = treeProblems(tree);
  for (const { path, size } of tree) {
    if (size > MAX_FILE) problems.push(`${path}: ${size} bytes; a file on FAT has at most ${MAX_FILE}`);
  }
  const { directories, problems: bad } = fatTree(tree, volume.rules);
  problems.push(...bad);
  if (problems.length === 0) {
    const fitted = fit(volume, tree, directories, options);
    if (typeof fitted !== "string") return new Placement(volume, fitted, tree, directories).layout();
    problems.push(fitted);
  }
  throw new DeployError(
    "SITE_UNREPRESENTABLE",
    `a ${volume.name} volume cannot carry ${count(problems.length, "thing")}`,
    {
      problems,
      hint: "rename, shorten or leave out what is listed, or use the format tar; nothing was written",
    },
  );
}

/** The geometry, or why there is none. */
function fit(
  { kind }: Volume,
  tree: FileTree,
  directories: readonly FatDirectory[],
  { size, sectorSize }: LayoutOptions,
): Geometry | string {
  const [root, ...others] = directories as [FatDirectory, ...FatDirectory[]];
  if (kind === 16 && root.entries > MAX_ROOT_ENTRIES) {
    return `the root directory needs ${root.entries} entries, on FAT16 it holds ${MAX_ROOT_ENTRIES}`;
  }
  const inClusters = kind === 16 ? others : directories;
  const demand: Demand = {
    kind,
    rootEntries: root.entries,
    sectorSize,
    clusters(clusterSize) {
      let clusters = 0;
      for (const { entries } of inClusters) clusters += clustersOf(entries * ENTRY, clusterSize) || 1;
      for (const file of tree) clusters += clustersOf(file.size, clusterSize);
      return clusters;
    },
  };
  const smallest = smallestGeometry(demand);
  if (!smallest)
    return `the files need more than the ${kind === 16 ? "2 GiB of FAT16" : "FAT32 has"}; use another format`;
  if (size === undefined) return smallest;
  const wanted = roundUp(size, PADDING);
  const given = geometryOfSize(demand, wanted);
  if (given) return given;
  return smallest.size > wanted
    ? `the files need ${smallest.size} bytes, the volume is given ${size}`
    : `no FAT${kind} volume has ${size} bytes; the smallest that fits has ${smallest.size}`;
}

const clustersOf = (bytes: number, clusterSize: number) => Math.ceil(bytes / clusterSize);

/** Consecutive clusters of one directory or file. */
interface Run {
  readonly first: number;
  readonly length: number;
}

class Placement {
  readonly #volume: Volume;
  readonly #geometry: Geometry;
  readonly #tree: FileTree;
  /** With the root first; FAT16 keeps that outside the clusters. */
  readonly #directories: readonly FatDirectory[];
  readonly #firstOf = new Map<FatDirectory, number>();
  readonly #fileFirst: number[] = [];
  readonly #runs: Run[] = [];
  readonly #filesFrom: number;
  #next = 2;

  constructor(volume: Volume, geometry: Geometry, tree: FileTree, directories: readonly FatDirectory[]) {
    this.#volume = volume;
    this.#geometry = geometry;
    this.#tree = tree;
    this.#directories = directories;
    for (const directory of directories) {
      const outside = volume.kind === 16 && directory.parent === undefined;
      if (outside) this.#firstOf.set(directory, 0);
      else this.#firstOf.set(directory, this.#take(clustersOf(directory.entries * ENTRY, geometry.clusterSize) || 1));
    }
    this.#filesFrom = this.#next;
    for (const { size } of tree) this.#fileFirst.push(this.#take(clustersOf(size, geometry.clusterSize)));
  }

  layout(): ImageLayout {
    const { dataStart, clusterSize, size } = this.#geometry;
    // An empty file has no place; it is said to start where the next byte of a file goes.
    let next = this.#filesFrom - 2;
    const starts = this.#tree.map((file) => {
      const start = dataStart + next * clusterSize;
      next += clustersOf(file.size, clusterSize);
      return start;
    });
    return { size, starts, pieces: () => this.#pieces() };
  }

  /** The first of `length` new clusters; 0 where there are none to take. */
  #take(length: number): number {
    if (length === 0) return 0;
    const first = this.#next;
    this.#runs.push({ first, length });
    this.#next += length;
    return first;
  }

  *#pieces(): Generator<Piece> {
    const { clusterSize, rootEntries, dataStart, size } = this.#geometry;
    yield { kind: "bytes", bytes: reservedSectors(this.#geometry, serialOf(this.#tree), this.#next - 2) };
    for (let copy = 0; copy < FAT_COPIES; copy++) yield* tablePieces(this.#geometry, this.#runs);
    for (const directory of this.#directories) {
      const bytes = this.#directoryBytes(directory);
      const fixed = this.#firstOf.get(directory) === 0;
      yield { kind: "bytes", bytes };
      yield* zeros((fixed ? rootEntries * ENTRY : roundUp(bytes.length || 1, clusterSize)) - bytes.length);
    }
    for (let file = 0; file < this.#tree.length; file++) {
      const bytes = (this.#tree[file] as FileTree[number]).size;
      if (bytes === 0) continue;
      yield { kind: "content", file, size: bytes };
      yield* zeros(roundUp(bytes, clusterSize) - bytes);
    }
    yield* zeros(size - dataStart - (this.#next - 2) * clusterSize);
  }

  #directoryBytes(directory: FatDirectory): Uint8Array {
    const own = this.#firstOf.get(directory) as number;
    const { parent } = directory;
    // ".." of a directory in the root is 0 even on FAT32, where the root has a cluster.
    const above = parent?.parent ? (this.#firstOf.get(parent) as number) : 0;
    return directoryBytes(directory, this.#volume.rules, { own, parent: above }, (child) => this.#target(child));
  }

  #target(child: number | FatDirectory): Target {
    if (typeof child !== "number") {
      return { directory: true, cluster: this.#firstOf.get(child) as number, size: 0 };
    }
    return {
      directory: false,
      cluster: this.#fileFirst[child] as number,
      size: (this.#tree[child] as FileTree[number]).size,
    };
  }
}

/** Bytes of the table made at a time. */
const TABLE_CHUNK = 64 * 1024;

/** One copy of the table: each cluster of a run names the next, the last ends the chain. */
function* tablePieces({ kind, fatSectors, sectorSize }: Geometry, runs: readonly Run[]): Generator<Piece> {
  const width = kind / 8;
  const total = fatSectors * sectorSize;
  let chunk = new DataView(new ArrayBuffer(Math.min(TABLE_CHUNK, total)));
  let at = 0;
  let written = 0;
  const put = (value: number) => {
    if (kind === 16) chunk.setUint16(at, value, true);
    else chunk.setUint32(at, value, true);
    at += width;
    return at === chunk.byteLength;
  };
  const take = (): Piece => {
    const bytes = new Uint8Array(chunk.buffer);
    written += bytes.length;
    chunk = new DataView(new ArrayBuffer(Math.min(TABLE_CHUNK, total - written)));
    at = 0;
    return { kind: "bytes", bytes };
  };
  const end = kind === 16 ? 0xffff : 0x0fff_ffff;
  // Entry 0 repeats the media byte; entry 1 says that the volume was left in order.
  put(end - 0xff + MEDIA);
  put(end);
  for (const { first, length } of runs) {
    const last = first + length - 1;
    for (let cluster = first; cluster < last; cluster++) if (put(cluster + 1)) yield take();
    if (put(end)) yield take();
  }
  if (at > 0) yield take();
  yield* zeros(total - written);
}

function* zeros(length: number): Generator<Piece> {
  if (length > 0) yield { kind: "zeros", length };
}

/** The volume's serial number: FNV-1a over names and sizes, since a clock would make each image another one. */
function serialOf(tree: FileTree): number {
  let hash = 0x811c9dc5;
  for (const { path, size } of tree) {
    const text = `${path}\0${size}\n`;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}
