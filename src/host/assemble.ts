/**
 * Lays a release out on the host's disk: kernels, launch files, and every volume as its image, whatever layout the
 * repository stores it in. Every byte is hashed on its way; nothing is named until all of it was right.
 */
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { DeployError } from "../errors.ts";
import { layoutOf, type Piece } from "../image/format.ts";
import { formatNamed } from "../image/formats.ts";
import { type FileEntry, sortTree } from "../image/tree.ts";
import { namedFiles, type NamedFile } from "../manifest/manifest.ts";
import { type DataVolume, isDataVolume, type ManifestKernel, type ReleaseManifest } from "../manifest/schema.ts";
import { ImageWriter } from "../util/image-writer.ts";
import { readBlobs } from "../util/git-blobs.ts";
import type { Mirror, TipFile } from "./mirror.ts";

export interface AssembleOptions {
  readonly mirror: Mirror;
  readonly manifest: ReleaseManifest;
  readonly kernel: ManifestKernel;
  /** An empty directory. */
  readonly directory: string;
  readonly onProgress: (what: string) => void;
}

/** Throws DIGEST_MISMATCH naming the file that is not what the manifest says. */
export async function assemble(options: AssembleOptions): Promise<void> {
  const { mirror, manifest, directory, kernel } = options;
  for (const sub of ["kernels", "volumes", "launch"]) mkdirSync(path.join(directory, sub), { recursive: true });
  for (const file of ["manifest.json", "manifest.json.sig"]) {
    if (mirror.files.has(file)) await writeNamed(options, { path: file }, file);
  }
  for (const file of plainFiles(manifest)) {
    const wanted = !file.path.startsWith("kernels/") || file.path === kernel.path;
    await writeNamed(options, file, wanted ? file.path : undefined);
  }
  for (const volume of manifest.volumes.filter(isDataVolume)) {
    // A volume that is a branch is read by the guest itself, over git.
    if (volume.layout === undefined) continue;
    options.onProgress(`assembling volume ${volume.name}`);
    await (volume.layout === "files" ? assembleFiles(options, volume) : assembleImage(options, volume));
  }
}

/** The named files that are themselves, and not a volume or a part of one. */
function plainFiles(manifest: ReleaseManifest): NamedFile[] {
  const images = new Set(
    manifest.volumes
      .filter(isDataVolume)
      .flatMap(({ path: image, parts }) => [image, ...(parts ?? []).map((part) => part.path)]),
  );
  return namedFiles(manifest).filter((file) => !images.has(file.path));
}

/** Verifies one file and writes it to `to`, or only verifies it where `to` is absent. */
async function writeNamed(
  { mirror, directory }: AssembleOptions,
  file: { readonly path: string; readonly size?: number; readonly sha256?: string },
  to: string | undefined,
): Promise<void> {
  const tip = requireFile(mirror, file.path);
  if (file.size !== undefined && file.size !== tip.size) throw mismatch(file.path, `${tip.size} bytes`, `${file.size}`);
  if (to !== undefined) mkdirSync(path.dirname(path.join(directory, to)), { recursive: true });
  using writer = to === undefined ? undefined : new ImageWriter(path.join(directory, to));
  const hash = createHash("sha256");
  await readBlobs(mirror.git, [tip.id], {
    begin() {},
    chunk(bytes) {
      hash.update(bytes);
      writer?.bytes(bytes);
    },
    end() {},
  });
  const digest = hash.digest("hex");
  if (file.sha256 !== undefined && digest !== file.sha256) throw mismatch(file.path, `sha256 ${digest}`, file.sha256);
  writer?.finish();
}

async function assembleImage({ mirror, directory }: AssembleOptions, volume: DataVolume): Promise<void> {
  const parts = volume.parts ?? [{ path: volume.path ?? "", size: volume.size, sha256: volume.sha256 }];
  using writer = new ImageWriter(imageFile(directory, volume));
  let at = 0;
  let hash = createHash("sha256");
  const ids = parts.map((part) => {
    const tip = requireFile(mirror, part.path);
    if (tip.size !== part.size) throw mismatch(part.path, `${tip.size} bytes`, `${part.size}`);
    return tip.id;
  });
  await readBlobs(mirror.git, ids, {
    begin() {
      hash = createHash("sha256");
    },
    chunk(bytes) {
      hash.update(bytes);
      writer.bytes(bytes);
    },
    end() {
      const part = parts[at++];
      const digest = hash.digest("hex");
      if (part && digest !== part.sha256) throw mismatch(part.path, `sha256 ${digest}`, part.sha256);
    },
  });
  finish(writer, volume);
}

/** A file of the site as the repository stores it: one blob, or several in order. */
interface StoredFile extends FileEntry {
  readonly ids: readonly string[];
}

async function assembleFiles({ mirror, directory }: AssembleOptions, volume: DataVolume): Promise<void> {
  const tree = storedTree(mirror.files, volume.name);
  const layout = layoutOf(formatNamed(volume.format), tree, { size: volume.size });
  if (layout.size !== volume.size)
    throw mismatch(`volumes/${volume.name}`, `an image of ${layout.size} bytes`, `${volume.size}`);
  using writer = new ImageWriter(imageFile(directory, volume));
  const pieces = layout.pieces()[Symbol.iterator]();
  // Everything up to the next file's content; what that file has to bring.
  let expected = writeUpToContent(writer, pieces);
  await readBlobs(
    mirror.git,
    tree.flatMap(({ ids, size }) => (size === 0 ? [] : ids)),
    {
      begin() {},
      chunk(bytes) {
        if (!expected || bytes.length > expected.left)
          throw mismatch(`volumes/${volume.name}`, "a longer file", "its size");
        writer.bytes(bytes);
        expected.left -= bytes.length;
        if (expected.left === 0) expected = writeUpToContent(writer, pieces);
      },
      end() {},
    },
  );
  finish(writer, volume);
}

function storedTree(files: ReadonlyMap<string, TipFile>, volume: string): readonly StoredFile[] {
  const tree = new Map<string, StoredFile>();
  const whole = `volumes/${volume}/`;
  const parts = `volumes/${volume}.parts/`;
  // git lists paths bytewise, so the parts of a file come in order.
  for (const [name, { id, size }] of files) {
    if (name.startsWith(whole)) tree.set(name.slice(whole.length), { path: name.slice(whole.length), size, ids: [id] });
    if (!name.startsWith(parts)) continue;
    const file = name.slice(parts.length, name.lastIndexOf("/"));
    const so = tree.get(file);
    tree.set(file, { path: file, size: (so?.size ?? 0) + size, ids: [...(so?.ids ?? []), id] });
  }
  return sortTree([...tree.values()]);
}

function writeUpToContent(writer: ImageWriter, pieces: Iterator<Piece>): { left: number } | undefined {
  for (let next = pieces.next(); !next.done; next = pieces.next()) {
    const piece = next.value;
    if (piece.kind === "content") return { left: piece.size };
    if (piece.kind === "bytes") writer.bytes(piece.bytes);
    else writer.zeros(piece.length);
  }
  return undefined;
}

const imageFile = (directory: string, { name }: DataVolume) => path.join(directory, "volumes", `${name}.img`);

function finish(writer: ImageWriter, volume: DataVolume): void {
  const image = writer.finish();
  const name = `volumes/${volume.name}.img`;
  if (image.size !== volume.size) throw mismatch(name, `${image.size} bytes`, `${volume.size}`);
  if (image.sha256 !== volume.sha256) throw mismatch(name, `sha256 ${image.sha256}`, volume.sha256);
}

function requireFile(mirror: Mirror, name: string): TipFile {
  const file = mirror.files.get(name);
  if (file) return file;
  throw new DeployError("RELEASE_UNTRUSTED", `${name} is not in the repository`);
}

function mismatch(name: string, found: string, expected: string): DeployError {
  return new DeployError("DIGEST_MISMATCH", `${name}: ${found}, the manifest says ${expected}`, {
    hint: "the running release is untouched; find out who changed the repository, then deploy again",
  });
}
