/**
 * FAT volumes read back: every file of a FAT16 or FAT32 volume, whoever wrote it, through directories and chains. Pure;
 * the bytes are hostile.
 */
import { type ByteSource, compareBytewise } from "../util/bytes.ts";
import { detectFat, FatChains, type FatVolume, invalid, readVolume } from "./fat-volume.ts";
import type { Extent, ImageEntry } from "./format.ts";
import { pathProblem } from "./tree.ts";

export { detectFat };

const ENTRY = 32;
/** Of a directory: 65,536 entries. */
const MAX_DIRECTORY = 65_536 * ENTRY;
const MAX_FILES = 1_000_000;
/** Characters of all paths: directories within each other make them long. */
const MAX_PATHS = 64 * 1024 * 1024;
const READ_ONLY_HIDDEN_SYSTEM_VOLUME = 0x0f;

/** The files sorted by path; throws IMAGE_INVALID where the volume is damaged. */
export function listFat(source: ByteSource): readonly ImageEntry[] {
  const volume = readVolume(source);
  const chains = new FatChains(source, volume);
  const files: ImageEntry[] = [];
  const pending = [{ path: "", extents: rootOf(volume, chains) }];
  let characters = 0;
  for (let directory = pending.pop(); directory; directory = pending.pop()) {
    const seen = new Set<string>();
    for (const entry of readDirectory(source, directory.extents, directory.path)) {
      const path = directory.path === "" ? entry.name : `${directory.path}/${entry.name}`;
      const problem = /[/\\]/.test(entry.name) ? `${path}: a separator in a name` : pathProblem(path);
      if (problem) throw invalid(entry.at, problem);
      if (seen.has(entry.name)) throw invalid(entry.at, `${path}: listed twice`);
      seen.add(entry.name);
      if ((characters += path.length) > MAX_PATHS)
        throw invalid(entry.at, `more than ${MAX_PATHS} characters of paths`);
      if (entry.directory) {
        pending.push({ path, extents: chains.follow(entry.cluster, MAX_DIRECTORY, path) });
      } else if (files.push(fileOf(volume, chains, entry, path)) > MAX_FILES) {
        throw invalid(entry.at, `more than ${MAX_FILES} files`);
      }
    }
  }
  return files.sort((a, b) => compareBytewise(a.path, b.path));
}

function rootOf(volume: FatVolume, chains: FatChains): readonly Extent[] {
  return volume.kind === 16 ? [volume.root] : chains.follow(volume.rootCluster, MAX_DIRECTORY, "the root directory");
}

function fileOf(volume: FatVolume, chains: FatChains, { cluster, size, at }: Found, path: string): ImageEntry {
  if (size === 0) {
    if (cluster !== 0) throw invalid(at, `${path}: an empty file with clusters`);
    return { path, size, offset: volume.dataStart };
  }
  const room = Math.ceil(size / volume.clusterSize) * volume.clusterSize;
  const extents = chains.follow(cluster, room, path);
  const length = extents.reduce((sum, extent) => sum + extent.size, 0);
  if (length < room) throw invalid(at, `${path}: ${size} bytes announced, its chain has ${length}`);
  const offset = (extents[0] as Extent).offset;
  if (extents.length === 1) return { path, size, offset };
  const last = extents.at(-1) as Extent;
  const trimmed = [...extents.slice(0, -1), { offset: last.offset, size: last.size - (room - size) }];
  return { path, size, offset, stored: { kind: "extents", extents: trimmed } };
}

/** One file or directory as a directory names it. */
interface Found {
  readonly name: string;
  readonly directory: boolean;
  readonly cluster: number;
  readonly size: number;
  /** Where its short entry is. */
  readonly at: number;
}

function* readDirectory(source: ByteSource, extents: readonly Extent[], what: string): Generator<Found> {
  let long: LongName | undefined;
  for (const { at, bytes } of entriesOf(source, extents)) {
    const first = bytes[0] as number;
    const attributes = bytes[11] as number;
    if (first === 0) return;
    if (first === 0xe5) long = undefined;
    else if ((attributes & 0x3f) === READ_ONLY_HIDDEN_SYSTEM_VOLUME) long = addSlot(long, bytes);
    else {
      // A slot of another entry is an orphan, left by a system that knows no long names: the short name counts.
      const name =
        long?.missing === 0 && long.checksum === checksumOf(bytes) ? long.text() : shortName(bytes, at, what);
      long = undefined;
      if (attributes & 0x08 || (isDot(bytes) && what !== "")) continue;
      const view = new DataView(bytes.buffer, bytes.byteOffset, ENTRY);
      const cluster = ((view.getUint16(20, true) << 16) | view.getUint16(26, true)) >>> 0;
      yield { at, name, directory: (attributes & 0x10) !== 0, cluster, size: view.getUint32(28, true) };
    }
  }
}

/** Copies of the entries one by one; a source's own bytes last only until the next read. */
function* entriesOf(source: ByteSource, extents: readonly Extent[]): Generator<{ at: number; bytes: Uint8Array }> {
  for (const { offset, size } of extents) {
    const bytes = Uint8Array.from(source.read(offset, size));
    for (let at = 0; at + ENTRY <= bytes.length; at += ENTRY) {
      yield { at: offset + at, bytes: bytes.subarray(at, at + ENTRY) };
    }
  }
}

/** The slots of a long name seen so far; they come last one first. */
interface LongName {
  readonly checksum: number;
  /** Slots still to come. */
  readonly missing: number;
  text(): string;
}

function addSlot(so: LongName | undefined, bytes: Uint8Array): LongName | undefined {
  const order = bytes[0] as number;
  const number = order & 0x3f;
  const checksum = bytes[13] as number;
  if (number === 0 || number > 20) return undefined;
  const begins = (order & 0x40) !== 0;
  if (!begins && (so?.missing !== number || so.checksum !== checksum)) return undefined;
  const units = [...range(bytes, 1, 5), ...range(bytes, 14, 6), ...range(bytes, 28, 2)];
  const end = units.indexOf(0);
  const here = String.fromCharCode(...(end < 0 ? units : units.slice(0, end)));
  const rest = begins ? "" : (so as LongName).text();
  return { checksum, missing: number - 1, text: () => here + rest };
}

function range(bytes: Uint8Array, at: number, units: number): number[] {
  return Array.from(
    { length: units },
    (_, i) => (bytes[at + 2 * i] as number) | ((bytes[at + 2 * i + 1] as number) << 8),
  );
}

function checksumOf(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < 11; i++) sum = ((((sum & 1) << 7) | (sum >> 1)) + (bytes[i] as number)) & 0xff;
  return sum;
}

const isDot = (bytes: Uint8Array) => bytes[0] === 0x2e;

/** "NAME.EXT"; lower case where Windows NT's bits say so (0x08 name, 0x10 extension), as Linux and mtools read them. */
function shortName(bytes: Uint8Array, at: number, what: string): string {
  const text = String.fromCharCode(...bytes.subarray(0, 11));
  // What a byte above 127 means depends on a code page that the volume does not name.
  if (/[^\u0020-\u007e]/.test(text))
    throw invalid(at, `${what || "the root directory"}: a short name that is not ASCII`);
  const flags = bytes[12] as number;
  const base = text.slice(0, 8).trimEnd();
  const extension = text.slice(8).trimEnd();
  const named = flags & 0x08 ? base.toLowerCase() : base;
  if (extension === "") return named;
  return `${named}.${flags & 0x10 ? extension.toLowerCase() : extension}`;
}
