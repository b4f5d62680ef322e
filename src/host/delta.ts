/**
 * A volume's image from the one before and a few ranges of what is stored: a part of 32 MiB need not be fetched for one page,
 * where the index tells which files are new. Nothing of it is believed: the whole image is hashed as ever, and what does not
 * come out right is fetched as it is stored.
 */
import { existsSync, readFileSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { DeployError } from "../errors.ts";
import { type ImageLayout, layoutOf } from "../image/format.ts";
import { formatNamed } from "../image/formats.ts";
import { type IndexEntry, parseIndex } from "../image/index-file.ts";
import { type DataVolume, isDataVolume } from "../manifest/schema.ts";
import { type OpenFile, openFile } from "../util/files.ts";
import { ImageWriter } from "../util/image-writer.ts";
import { imageFile, type OtherRelease } from "./donor.ts";
import type { Tip } from "./source.ts";

/** More requests, or more bytes, than this are no saving over parts (requests; bytes). */
const MAX_RANGES = 200;
const MAX_BYTES = 16 * 1024 * 1024;
/** An index of a million files is of some 100 MB; those are not worth it (bytes). */
const MAX_INDEX = 32 * 1024 * 1024;
const CHUNK = 1024 * 1024;

/** What an image is made of, by its index. */
interface Contents {
  readonly entries: readonly IndexEntry[];
  readonly layout: ImageLayout;
}

/**
 * Writes the image to `target`, at a cost below `otherwise` bytes; false where that cannot be, or did not come out right. Throws
 * what the source throws.
 */
export async function writeDelta(
  tip: Tip,
  volume: DataVolume,
  { directory, target, others, otherwise }: DeltaOptions,
): Promise<boolean> {
  const fresh = "readRange" in tip ? contentsOf(directory, volume) : undefined;
  const base = fresh && findBase(volume, others);
  if (!fresh || !base || fresh.layout.size !== volume.size) return false;
  const offsets = offsetsOf(base.contents);
  const missing = fresh.entries.filter(({ id, size }) => size > 0 && !offsets.has(id));
  const bytes = missing.reduce((sum, { size }) => sum + size, 0);
  if (missing.length > MAX_RANGES || bytes > Math.min(MAX_BYTES, otherwise / 2)) return false;
  using old = openFile(base.image);
  using writer = new ImageWriter(target);
  let at = 0;
  for (const piece of fresh.layout.pieces()) {
    if (piece.kind === "bytes") writer.bytes(piece.bytes);
    else if (piece.kind === "zeros") writer.zeros(piece.length);
    else {
      const { id = "" } = fresh.entries[piece.file] ?? {};
      const known = offsets.get(id);
      if (known !== undefined) copy(old, known, piece.size, writer);
      else if (!(await fetchInto(writer, tip, volume, { offset: at, size: piece.size }))) return false;
    }
    at += piece.kind === "bytes" ? piece.bytes.length : piece.kind === "zeros" ? piece.length : piece.size;
  }
  const { size, sha256 } = writer.finish();
  if (size === volume.size && sha256 === volume.sha256) return true;
  rmSync(target, { force: true });
  return false;
}

export interface DeltaOptions {
  /** Of the release that is being laid out; its index is there, and verified. */
  readonly directory: string;
  readonly target: string;
  readonly others: readonly OtherRelease[];
  /** What fetching the parts would cost (bytes). */
  readonly otherwise: number;
}

/** Undefined where there is no index, or its format tells no layout ahead: then parts are fetched. */
function contentsOf(directory: string, volume: DataVolume): Contents | undefined {
  const file = volume.index && path.join(directory, volume.index.path);
  if (file === undefined || (statSync(file, { throwIfNoEntry: false })?.size ?? MAX_INDEX) >= MAX_INDEX)
    return undefined;
  try {
    const entries = parseIndex(readFileSync(file, "utf8"));
    return { entries, layout: layoutOf(formatNamed(volume.format), entries, { size: volume.size }) };
  } catch (error) {
    if (error instanceof DeployError) return undefined;
    throw error;
  }
}

/** The newest release here with an image of the same volume, and what is in it. */
function findBase(volume: DataVolume, others: readonly OtherRelease[]) {
  for (const { directory, manifest } of others) {
    const same = manifest.volumes.filter(isDataVolume).find(({ name }) => name === volume.name);
    const image = imageFile(directory, volume.name);
    const contents = same && existsSync(image) ? contentsOf(directory, same) : undefined;
    if (contents) return { image, contents };
  }
  return undefined;
}

/** Where each file's content is, by its git id. */
function offsetsOf({ entries, layout }: Contents): ReadonlyMap<string, number> {
  const offsets = new Map<string, number>();
  let at = 0;
  for (const piece of layout.pieces()) {
    if (piece.kind === "content") offsets.set(entries[piece.file]?.id ?? "", at);
    at += piece.kind === "bytes" ? piece.bytes.length : piece.kind === "zeros" ? piece.length : piece.size;
  }
  return offsets;
}

function copy(from: OpenFile, offset: number, size: number, to: ImageWriter): void {
  // A shorter file than it was shows in the digest.
  for (let done = 0; done < size; done += CHUNK) to.bytes(from.read(offset + done, Math.min(CHUNK, size - done)));
}

/** A range of the image, from the parts that hold it; false where the source has no ranges. */
async function fetchInto(
  writer: ImageWriter,
  tip: Tip,
  volume: DataVolume,
  { offset, size }: { readonly offset: number; readonly size: number },
): Promise<boolean> {
  const parts = volume.parts ?? [{ path: volume.path ?? "", size: volume.size }];
  let start = 0;
  for (const part of parts) {
    const from = Math.max(offset, start);
    const end = Math.min(offset + size, start + part.size);
    const file = tip.files.get(part.path);
    if (from < end) {
      const bytes = file && (await tip.readRange?.(file, from - start, end - from));
      if (!bytes) return false;
      writer.bytes(bytes);
    }
    start += part.size;
  }
  return true;
}
