/** Release: the manifest with the kernels and volumes it describes, each a file on this machine. */
import type { KernelArtifact, VolumeArtifact } from "../artifact/artifact.ts";
import type { ReleaseManifest } from "../manifest/schema.ts";

export interface Release {
  readonly manifest: ReleaseManifest;
  /** In the manifest's order. */
  readonly kernels: readonly KernelArtifact[];
  /** The data volumes, in the manifest's order. */
  readonly volumes: readonly VolumeArtifact[];
}
