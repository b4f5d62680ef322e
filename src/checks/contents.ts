/** The files of the volumes, read out of the images that ship. Pure. */
import type { VolumeArtifact } from "../artifact/artifact.ts";
import { DeployError } from "../errors.ts";
import type { ImageEntry } from "../image/format.ts";
import type { ByteSource } from "../util/bytes.ts";
import type { CheckSubject } from "./check.ts";

/** An image opened for reading, and the files in it, which are looked for when they are first asked for. */
export interface Contents extends Disposable {
  readonly volume: VolumeArtifact;
  readonly files: readonly ImageEntry[];
  readonly image: ByteSource;
  /** Part of a file; valid until the next read. */
  read(file: ImageEntry, offset: number, length: number): Uint8Array;
}

/** Opens a volume's image; one that cannot be listed has no files here, for that is what volume-readback reports. */
export function openContents(subject: CheckSubject, volume: VolumeArtifact): Contents {
  const image = subject.open(volume.file);
  return {
    volume,
    image,
    get files() {
      return filesOf(volume, image);
    },
    read: (file, offset, length) => image.read(file.offset + offset, Math.min(length, file.size - offset)),
    [Symbol.dispose]: () => image[Symbol.dispose](),
  };
}

/** Several checks want the same list. */
const LISTS = new WeakMap<VolumeArtifact, readonly ImageEntry[]>();

function filesOf(volume: VolumeArtifact, image: ByteSource): readonly ImageEntry[] {
  const known = LISTS.get(volume);
  if (known) return known;
  const { index, offsets } = volume;
  const files = offsets
    ? index.map(({ path, size }, i) => ({ path, size, offset: offsets[i] as number }))
    : listFiles(volume, image);
  LISTS.set(volume, files);
  return files;
}

function listFiles(volume: VolumeArtifact, image: ByteSource): readonly ImageEntry[] {
  try {
    return [...volume.format.list(image)];
  } catch (error) {
    if (error instanceof DeployError && error.code === "IMAGE_INVALID") return [];
    throw error;
  }
}

/** Name of the image in the release directory, and in findings. */
export const imagePath = ({ name }: { readonly name: string }) => `volumes/${name}.img`;

/** The release's kernels with their paths in the release directory. */
export function kernelsOf({ release }: CheckSubject) {
  return release.kernels.map((kernel, i) => ({ kernel, path: release.manifest.kernels[i]?.path ?? kernel.file }));
}
