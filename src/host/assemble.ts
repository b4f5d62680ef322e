/**
 * Lays a release out on the host's disk: kernels, launch files, and every volume as its image, whatever layout the
 * repository stores it in. Every byte is hashed on its way; nothing is named until all of it was right.
 */
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync } from "node:fs";
import path from "node:path";
import { namedFiles, type NamedFile } from "../manifest/manifest.ts";
import { isDataVolume, type ManifestKernel, type ReleaseManifest } from "../manifest/schema.ts";
import { ImageWriter } from "../util/image-writer.ts";
import { assembleVolume, requireFile } from "./assemble-volume.ts";
import type { Tip } from "./source.ts";
import { mismatch } from "./trust.ts";

export interface AssembleOptions {
  readonly tip: Tip;
  readonly manifest: ReleaseManifest;
  readonly kernel: ManifestKernel;
  /** An empty directory. */
  readonly directory: string;
  /** Directories of verified releases, the newest first: what they have already is not read from the repository again. */
  readonly others: readonly { readonly directory: string; readonly manifest: ReleaseManifest }[];
  readonly onProgress: (what: string) => void;
}

/** Throws DIGEST_MISMATCH naming the file that is not what the manifest says. */
export async function assemble(options: AssembleOptions): Promise<void> {
  const { tip, manifest, directory, kernel } = options;
  for (const sub of ["kernels", "volumes", "launch"]) mkdirSync(path.join(directory, sub), { recursive: true });
  for (const file of ["manifest.json", "manifest.json.sig"]) {
    if (tip.files.has(file)) await writeNamed(options, { path: file }, file);
  }
  for (const file of plainFiles(manifest)) {
    const wanted = !file.path.startsWith("kernels/") || file.path === kernel.path;
    await writeNamed(options, file, wanted ? file.path : undefined);
  }
  for (const volume of manifest.volumes.filter(isDataVolume)) {
    // A volume that is a branch is read by the guest itself, over git.
    if (volume.layout === undefined) continue;
    options.onProgress(`assembling volume ${volume.name}`);
    await assembleVolume(tip, volume, directory, options.others);
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
  { tip, directory }: AssembleOptions,
  file: { readonly path: string; readonly size?: number; readonly sha256?: string },
  to: string | undefined,
): Promise<void> {
  const stored = requireFile(tip, file.path);
  if (file.size !== undefined && file.size !== stored.size)
    throw mismatch(file.path, `${stored.size} bytes`, `${file.size}`);
  if (file.sha256 !== undefined && stored.sha256 !== undefined && stored.sha256 !== file.sha256)
    throw mismatch(file.path, `sha256 ${stored.sha256}`, file.sha256);
  // What is named by its sha256 need not be fetched to be compared.
  if (to === undefined && stored.sha256 !== undefined) return;
  const target = to === undefined ? undefined : path.join(directory, to);
  if (target !== undefined) mkdirSync(path.dirname(target), { recursive: true });
  using writer = target === undefined ? undefined : new ImageWriter(target);
  const hash = createHash("sha256");
  await tip.read([stored], {
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
  if (target !== undefined) chmodSync(target, 0o444);
}
