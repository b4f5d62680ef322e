/** The runnable images of a release: what has to be sent, and under which tags. */
import type { VolumeArtifact } from "../../artifact/artifact.ts";
import { DeployError } from "../../errors.ts";
import type { ReleaseManifest } from "../../manifest/schema.ts";
import { blockPath, uruncOf } from "../../manifest/urunc.ts";
import type { Release } from "../../release/release.ts";
import { type Layer, makeLayer } from "./layer.ts";
import { type Descriptor, type Document, imageDocuments, imageIndex, type IndexEntry, uruncFile } from "./oci.ts";

/** What makes up the images, and what lists them. */
export interface RunnableImages {
  /** Layers and configs, each once. */
  readonly blobs: readonly Layer[];
  readonly entries: readonly IndexEntry[];
}

/**
 * Hashes kernels and volumes once. Kernels that urunc cannot run are left out; kernel-devices has said so. Throws
 * CONFIG_INVALID where none is left, for those who ignored that.
 */
export async function runnableImages(release: Release): Promise<RunnableImages> {
  const { manifest } = release;
  const blobs = new Map<string, Layer>();
  const volumes = new Map<string, Layer>();
  const entries: IndexEntry[] = [];
  for (const [i, kernel] of manifest.kernels.entries()) {
    const urunc = uruncOf(manifest, kernel);
    const artifact = release.kernels[i];
    if (!urunc.runs || !artifact || kernel.target === null) continue;
    const { file, size } = artifact;
    const layers = [await makeLayer(kernel.path, { file, offset: 0, size })];
    const volume = release.volumes.find(({ name }) => name === urunc.volume);
    // The kernel is below the volume, so that new content leaves its layer as it is; so is what tells urunc of them.
    layers.push(await makeLayer("urunc.json", { bytes: uruncFile(urunc.annotations) }));
    if (volume) layers.push(await volumeLayer(volume, volumes));
    const { architecture, annotations } = urunc;
    const image = imageDocuments({ architecture, args: manifest.launch.args, annotations, layers });
    for (const blob of [...layers, blobOf(image.config)]) blobs.set(blob.digest, blob);
    entries.push({ manifest: image.manifest, architecture, target: kernel.target });
  }
  if (entries.length === 0) {
    throw new DeployError("CONFIG_INVALID", "runnable: urunc can run none of the kernels", {
      hint: "the check kernel-devices says why; deploy without runnable, or build for hvt or spt",
    });
  }
  return { blobs: [...blobs.values()], entries };
}

/** Every target's image has the same volume; it is hashed once. */
async function volumeLayer({ name, file, size }: VolumeArtifact, known: Map<string, Layer>): Promise<Layer> {
  const layer = known.get(name) ?? (await makeLayer(blockPath(name), { file, offset: 0, size }));
  known.set(name, layer);
  return layer;
}

function blobOf({ digest, size, bytes }: Document): Layer {
  return {
    digest,
    size,
    async *open() {
      yield bytes;
    },
  };
}

/** The index of each target's images, by target. */
export function targetIndexes(entries: readonly IndexEntry[], release: ReleaseNames): Map<string, Document> {
  const targets = new Set(entries.map(({ target }) => target));
  const annotations = annotationsOf(release);
  return new Map(
    [...targets].map((target) => [
      target,
      imageIndex(
        entries.filter((entry) => entry.target === target),
        { annotations },
      ),
    ]),
  );
}

/** The index of all images of a release; its subject is the release itself, so that each is found from the other. */
export function releaseIndex(entries: readonly IndexEntry[], subject: Descriptor, release: ReleaseNames): Document {
  return imageIndex(entries, { subject, annotations: annotationsOf(release) });
}

export interface ReleaseNames {
  readonly manifest: ReleaseManifest;
  readonly branch: string;
}

function annotationsOf({ manifest: { name, source }, branch }: ReleaseNames): Record<string, string> {
  return {
    "org.opencontainers.image.title": name,
    "org.opencontainers.image.revision": source.commit,
    ...(source.repository === undefined ? {} : { "org.opencontainers.image.source": source.repository }),
    ...(source.committedAt === undefined ? {} : { "org.opencontainers.image.created": source.committedAt }),
    ...(branch === "main" ? {} : { "vnd.unikernel-deploy.branch": branch }),
  };
}
