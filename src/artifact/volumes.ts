/** From a directory to a volume's image, with its index. */
import path from "node:path";
import { formatNamed } from "../image/formats.ts";
import type { VolumeArtifact } from "./artifact.ts";
import { makeImage } from "./make-image.ts";

/** What to make a data volume from. */
export interface VolumeSpec {
  readonly name: string;
  /** The directory with its files. */
  readonly from: string;
  readonly format: string;
  /** Total size in bytes where head-room is wanted. */
  readonly size?: number | undefined;
}

/** Writes `<directory>/<name>.img`; throws what reading the site, the layout or the disk throws. */
export async function makeVolume(
  spec: VolumeSpec,
  directory: string,
  onProgress?: (written: number, total: number | undefined) => void,
): Promise<VolumeArtifact> {
  const format = formatNamed(spec.format);
  const file = path.join(directory, `${spec.name}.img`);
  const image = await makeImage({
    format,
    from: spec.from,
    out: file,
    ...(spec.size === undefined ? {} : { layout: { size: spec.size } }),
    ...(onProgress ? { onProgress } : {}),
  });
  const { size, sha256, emptyDirectories, index } = image;
  const known = { index: index.entries, indexFile: index.bytes, emptyDirectories, isExact: format.rebuilds };
  return { name: spec.name, file, format, size, sha256, ...known };
}
