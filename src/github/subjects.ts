/** What was deployed, for an attestation: the manifest's exact bytes, and the checksums of all that it names. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { encodeManifest } from "../manifest/manifest.ts";
import { isDataVolume, type ReleaseManifest } from "../manifest/schema.ts";
import { sha256 } from "../util/digest.ts";

export interface Deployed {
  /** Path of the manifest as it was deployed. */
  readonly manifest: string;
  /** Path of a file in the form of sha256sum: manifest, kernels and assembled images. */
  readonly subjects: string;
}

/** Writes both files into `directory`. */
export function writeDeployed(manifest: ReleaseManifest, directory: string): Deployed {
  const bytes = encodeManifest(manifest);
  const lines = [
    `${sha256(Buffer.from(bytes))}  manifest.json`,
    ...manifest.kernels.map((kernel) => `${kernel.sha256}  ${kernel.path}`),
    ...manifest.volumes.filter(isDataVolume).map((volume) => `${volume.sha256}  volumes/${volume.name}.img`),
  ];
  const files = {
    manifest: path.join(directory, "unikernel-manifest.json"),
    subjects: path.join(directory, "unikernel-subjects.txt"),
  };
  writeFileSync(files.manifest, bytes);
  writeFileSync(files.subjects, lines.map((line) => `${line}\n`).join(""));
  return files;
}
