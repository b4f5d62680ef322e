/**
 * A volume's image, put together from the repository's blobs and, where another release has the same bytes already, from
 * there. Whatever it is put together from, the whole of it is hashed and compared with the manifest.
 */
import { createHash } from "node:crypto";
import { chmodSync, constants, copyFileSync, existsSync, linkSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { DeployError } from "../errors.ts";
import { type ImageLayout, layoutOf } from "../image/format.ts";
import { formatNamed } from "../image/formats.ts";
import { type FileEntry, pathProblem, sortTree } from "../image/tree.ts";
import { type DataVolume, isDataVolume } from "../manifest/schema.ts";
import { ioError, openFile } from "../util/files.ts";
import { ImageWriter } from "../util/image-writer.ts";
import { formatSize } from "../util/size.ts";
import { writeDelta } from "./delta.ts";
import { blobList, type Donor, imageFile, openDonor, type OtherRelease, readBlobList } from "./donor.ts";
import type { Tip, TipFile } from "./source.ts";
import { mismatch } from "./trust.ts";

/** Consecutive bytes of an image. */
type Run =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "zeros"; readonly length: number }
  | {
      readonly kind: "blob";
      readonly id: string;
      readonly size: number;
      readonly file: TipFile;
      readonly part?: StoredPart;
    };

/** A stored part of an image, with the digest that the manifest has of it. */
interface StoredPart {
  readonly path: string;
  readonly sha256: string;
}

/** Writes `volumes/<name>.img` below `directory`. Throws DIGEST_MISMATCH where it is not what the manifest says. */
export async function assembleVolume(
  tip: Tip,
  volume: DataVolume,
  directory: string,
  others: readonly OtherRelease[],
): Promise<void> {
  const target = imageFile(directory, volume.name);
  const runs = volume.layout === "files" ? filesRuns(tip, volume) : imageRuns(tip, volume);
  if (await shareImage(volume, target, runs, others)) {
    writeBlobList(directory, volume, runs);
    return;
  }
  using donor = openDonor(volume, others);
  if (
    volume.layout === "image" &&
    (await writeDelta(tip, volume, { directory, target, others, otherwise: costOf(runs, donor) }))
  ) {
    chmodSync(target, 0o444);
    writeBlobList(directory, volume, runs);
    return;
  }
  try {
    await writeImage(tip, volume, directory, runs, donor);
  } catch (error) {
    // What was copied may be at fault: a disk forgets. Only what comes from the repository alone can be refused.
    if (donor === undefined || !(error instanceof DeployError) || error.code !== "DIGEST_MISMATCH") throw error;
    await writeImage(tip, volume, directory, runs, undefined);
  }
}

/** Bytes of blobs that no release here has. */
function costOf(runs: Iterable<Run>, donor: Donor | undefined): number {
  let bytes = 0;
  for (const run of runs) if (run.kind === "blob" && !donor?.has(run.id, run.size)) bytes += run.size;
  return bytes;
}

async function writeImage(
  tip: Tip,
  volume: DataVolume,
  directory: string,
  runs: Iterable<Run>,
  donor: Donor | undefined,
): Promise<void> {
  const target = imageFile(directory, volume.name);
  requireSpace(directory, volume);
  using writer = new ImageWriter(target);
  const rest = runs[Symbol.iterator]();
  const wanted: TipFile[] = [];
  for (const run of runs) if (run.kind === "blob" && !donor?.has(run.id, run.size)) wanted.push(run.file);
  // Everything up to the next blob that the repository has to bring; that blob.
  const advance = () => {
    for (let next = rest.next(); !next.done; next = rest.next()) {
      const run = next.value;
      if (run.kind === "bytes") writer.bytes(run.bytes);
      else if (run.kind === "zeros") writer.zeros(run.length);
      else if (donor?.has(run.id, run.size)) donor.copy(run.id, writer);
      else return run;
    }
    return undefined;
  };
  let current = advance();
  let hash = createHash("sha256");
  if (wanted.length > 0) {
    await tip.read(wanted, {
      begin() {
        hash = createHash("sha256");
      },
      chunk(bytes) {
        if (current?.part) hash.update(bytes);
        writer.bytes(bytes);
      },
      end() {
        const part = current?.part;
        const digest = part && hash.digest("hex");
        if (part && digest !== part.sha256) throw mismatch(part.path, `sha256 ${digest}`, part.sha256);
        current = advance();
      },
    });
  }
  const image = writer.finish();
  const name = `volumes/${volume.name}.img`;
  if (image.size !== volume.size) throw mismatch(name, `${image.size} bytes`, `${volume.size}`);
  if (image.sha256 !== volume.sha256) throw mismatch(name, `sha256 ${image.sha256}`, volume.sha256);
  chmodSync(target, 0o444);
  writeBlobList(directory, volume, runs);
}

/** A size is a number that anybody can write down. Throws IO_FAILED before the disk is full. */
function requireSpace(directory: string, { name, size }: DataVolume): void {
  const { bavail, bsize } = statfsSync(directory);
  if (size <= bavail * bsize) return;
  const found = new Error(`it takes ${formatSize(size)}, and ${formatSize(bavail * bsize)} are free`);
  throw ioError(`cannot write the image of ${name}`, Object.assign(found, { code: "ENOSPC" }));
}

/** Layout image: the image's blob, or those of its parts. */
function imageRuns(tip: Tip, volume: DataVolume): readonly Run[] {
  const parts = volume.parts ?? [{ path: volume.path ?? "", size: volume.size, sha256: volume.sha256 }];
  return parts.map((part) => {
    const file = requireFile(tip, part.path);
    const { id, size } = file;
    if (size !== part.size) throw mismatch(part.path, `${size} bytes`, `${part.size}`);
    if (file.sha256 !== undefined && file.sha256 !== part.sha256)
      throw mismatch(part.path, `sha256 ${file.sha256}`, part.sha256);
    return { kind: "blob", id, size, file, part };
  });
}

/** A file of the site as the repository stores it: one blob, or several in order. */
interface StoredFile extends FileEntry {
  readonly blobs: readonly TipFile[];
}

/** Layout files: what the format puts around the files, and the files' blobs. Can be walked more than once. */
function filesRuns(tip: Tip, volume: DataVolume): Iterable<Run> {
  const tree = storedTree(tip.files, volume.name);
  const layout = receivedLayout(volume, tree);
  if (layout.size !== volume.size)
    throw mismatch(`volumes/${volume.name}`, `an image of ${layout.size} bytes`, `${volume.size}`);
  return {
    *[Symbol.iterator]() {
      for (const piece of layout.pieces()) {
        if (piece.kind !== "content") yield piece;
        else
          for (const file of tree[piece.file]?.blobs ?? []) yield { kind: "blob", id: file.id, size: file.size, file };
      }
    },
  };
}

/** A format that we do not know, or files that it cannot hold, were received, not configured: exit code 4. */
function receivedLayout(volume: DataVolume, tree: readonly StoredFile[]): ImageLayout {
  try {
    return layoutOf(formatNamed(volume.format), tree, { size: volume.size });
  } catch (error) {
    if (!(error instanceof DeployError)) throw error;
    const { message, problems, hint } = error;
    throw new DeployError("RELEASE_UNTRUSTED", `volumes/${volume.name}: ${message}`, { problems, hint, cause: error });
  }
}

function storedTree(files: ReadonlyMap<string, TipFile>, volume: string): readonly StoredFile[] {
  const tree = new Map<string, StoredFile>();
  const whole = `volumes/${volume}/`;
  const parts = `volumes/${volume}.parts/`;
  const problems: string[] = [];
  const add = (file: string, blob: TipFile) => {
    const problem = pathProblem(file);
    if (problem) problems.push(problem);
    const so = tree.get(file);
    tree.set(file, { path: file, size: (so?.size ?? 0) + blob.size, blobs: [...(so?.blobs ?? []), blob] });
  };
  // Paths are listed bytewise, so the parts of a file come in order.
  for (const [name, blob] of files) {
    if (name.startsWith(whole)) add(name.slice(whole.length), blob);
    if (name.startsWith(parts)) add(name.slice(parts.length, name.lastIndexOf("/")), blob);
  }
  if (problems.length === 0) return sortTree([...tree.values()]);
  throw new DeployError("RELEASE_UNTRUSTED", `volumes/${volume} has names that no site has`, { problems });
}

/**
 * Takes the whole image from another release that has the same, made of the same blobs: what the repository has now under
 * other ids is not what was verified, whatever the manifest says of it. Its bytes are hashed again, and then shared. A clone is
 * independent; a hard link is safe here because nothing opens an image of a release for writing (mode 0444, and guests
 * get copies or read-only devices).
 */
async function shareImage(
  volume: DataVolume,
  target: string,
  runs: Iterable<Run>,
  others: readonly OtherRelease[],
): Promise<boolean> {
  const blobs = describeBlobs(runs);
  for (const { directory, manifest } of others) {
    const same = manifest.volumes.find(
      (other) => isDataVolume(other) && other.sha256 === volume.sha256 && other.size === volume.size,
    );
    const file = same && imageFile(directory, same.name);
    if (file === undefined || !existsSync(file) || readBlobList(directory, same?.name) !== blobs) continue;
    if ((await digestOf(file)) !== volume.sha256) continue;
    try {
      cloneOrLink(file, target);
      return true;
    } catch {
      // Another file system, or too many links: it is put together like any other.
      rmSync(target, { force: true });
    }
  }
  return false;
}

function cloneOrLink(from: string, to: string): void {
  try {
    copyFileSync(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
    chmodSync(to, 0o444);
  } catch {
    rmSync(to, { force: true });
    linkSync(from, to);
  }
}

const CHUNK = 1024 * 1024;

async function digestOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  using source = openFile(file);
  for (let at = 0; at < source.size; at += CHUNK) {
    hash.update(source.read(at, Math.min(CHUNK, source.size - at)));
    // Signals, and the watch over the running guest, get their turn.
    if (at % (64 * CHUNK) === 0) await new Promise(setImmediate);
  }
  return hash.digest("hex");
}

/** Notes where each blob lies in the image, for the next release: id, offset, size. */
function writeBlobList(directory: string, volume: DataVolume, runs: Iterable<Run>): void {
  try {
    writeFileSync(blobList(directory, volume.name), describeBlobs(runs));
  } catch (error) {
    throw ioError(`cannot write to ${directory}`, error);
  }
}

function describeBlobs(runs: Iterable<Run>): string {
  let at = 0;
  const lines: string[] = [];
  for (const run of runs) {
    if (run.kind === "blob") lines.push(`${run.id} ${at} ${run.size}\n`);
    at += run.kind === "bytes" ? run.bytes.length : run.kind === "zeros" ? run.length : run.size;
  }
  return lines.join("");
}

/** Throws RELEASE_UNTRUSTED where the repository does not have it. */
export function requireFile(tip: Tip, name: string): TipFile {
  const file = tip.files.get(name);
  if (file) return file;
  throw new DeployError("RELEASE_UNTRUSTED", `${name} is not in the repository`);
}
