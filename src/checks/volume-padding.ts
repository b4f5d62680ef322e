/** check: volume-padding. Each image is whole sectors for every host, and holds nothing behind its end. Pure. */
import type { VolumeArtifact } from "../artifact/artifact.ts";
import { DeployError } from "../errors.ts";
import { walkTar } from "../image/tar-read.ts";
import { type ByteSource, roundUp } from "../util/bytes.ts";
import { count } from "../util/size.ts";
import type { Check, Remark } from "./check.ts";
import { imagePath } from "./contents.ts";

/** Xen serves sectors of at least this, and drops a last one that is not whole. */
const SECTOR = 4096;
const BLOCK = 512;
const CHUNK = 1024 * 1024;

export const volumePadding: Check = {
  id: "volume-padding",
  title: "each image is a whole number of 4096-byte sectors",
  severity: "error",
  *run(subject) {
    for (const volume of subject.release.volumes) {
      yield* partialSector(volume);
      // The writer puts nothing behind the end.
      if (volume.format.name !== "tar" || (subject.errorsOnly && volume.offsets)) continue;
      using image = subject.open(volume.file);
      const end = endOfArchive(image);
      if (end !== undefined) yield* hiddenBytes(volume, image, end);
    }
  },
};

function* partialSector(volume: VolumeArtifact): Iterable<Remark> {
  const { size } = volume;
  if (size > 0 && size % SECTOR === 0) return;
  const path = imagePath(volume);
  const consequence =
    size === 0
      ? "no tender attaches an empty device"
      : size % BLOCK === 0
        ? "Xen drops the last, partial sector"
        : "tenders refuse it, and Xen drops the last, partial sector";
  yield {
    path,
    message: `${path} has ${count(size, "byte")}, which is not a whole number of ${SECTOR}-byte sectors: ${consequence}`,
    hint: "let unikernel-deploy make the image, or fill it up with zeros (truncate -s %4096)",
  };
}

/** Where the blocks of zeros begin; undefined for an archive that cannot be read, as volume-readback reports. */
function endOfArchive(image: ByteSource): number | undefined {
  let end = 0;
  try {
    for (const { offset, size } of walkTar(image)) end = roundUp(offset + size, BLOCK);
    return end;
  } catch (error) {
    if (error instanceof DeployError && error.code === "IMAGE_INVALID") return undefined;
    throw error;
  }
}

/** No reader looks there, so what is there was not meant to ship, and need not be the same in the next build. */
function* hiddenBytes(volume: VolumeArtifact, image: ByteSource, end: number): Iterable<Remark> {
  for (let offset = end; offset < image.size; offset += CHUNK) {
    const bytes = image.read(offset, Math.min(CHUNK, image.size - offset));
    let at = 0;
    while (at < bytes.length && bytes[at] === 0) at++;
    if (at === bytes.length) continue;
    const path = imagePath(volume);
    yield {
      path,
      message: `${path} has bytes behind the end of the archive, from byte ${offset + at} on: no reader sees them, and they ship`,
      hint: "make the image anew instead of overwriting an older one",
    };
    return;
  }
}
