/** From artifacts to the release manifest that a build leaves. Pure. */
import type { KernelArtifact, VolumeArtifact } from "../artifact/artifact.ts";
import type { Source } from "../build/source.ts";
import type { Device } from "../kernel/kernel.ts";
import type { ManifestKernel, ManifestVolume, ReleaseManifest } from "./schema.ts";

export interface SecretSpec {
  readonly name: string;
  readonly format: string;
}

export interface ReleaseParts {
  readonly name: string;
  readonly source: Source;
  readonly kernels: readonly KernelArtifact[];
  /** Data volumes in the order they were declared. */
  readonly volumes: readonly VolumeArtifact[];
  readonly secrets: readonly SecretSpec[];
  /** Devices the user named, by volume. */
  readonly devices: ReadonlyMap<string, string>;
  readonly launch: { readonly memory: number; readonly args: readonly string[] };
  readonly tools: Readonly<Record<string, string>>;
  /** Pages a host may probe, with the sha256 of what they serve. */
  readonly health: readonly { readonly path: string; readonly sha256: string }[];
}

/** The manifest without sequence, layout and paths of volumes, which deploy adds. */
export function composeManifest(parts: ReleaseParts): ReleaseManifest {
  const kernels = parts.kernels.map(manifestKernel);
  const names = [...parts.volumes, ...parts.secrets].map(({ name }) => name);
  const device = (name: string) =>
    parts.devices.get(name) ??
    defaultDevice(
      name,
      names,
      kernels.map((k) => k.devices),
    );
  const volumes: ManifestVolume[] = [
    ...parts.volumes.map(({ name, format, size, sha256, index }) => ({
      name,
      device: device(name),
      format: format.name,
      size,
      sha256,
      files: index.length,
      bytes: index.reduce((sum, entry) => sum + entry.size, 0),
    })),
    ...parts.secrets.map(({ name, format }) => ({ name, device: device(name), secret: true as const, format })),
  ];
  return {
    type: "unikernel-deploy.release",
    version: 1,
    name: parts.name,
    source: { ...parts.source },
    kernels,
    volumes,
    launch: { memory: parts.launch.memory, args: [...parts.launch.args] },
    tools: { ...parts.tools },
    ...(parts.health.length > 0 ? { health: [...parts.health] } : {}),
  };
}

function manifestKernel({ file, size, sha256, info }: KernelArtifact): ManifestKernel {
  return {
    target: info.target,
    arch: info.arch ?? "unknown",
    ...(info.abiVersion === undefined ? {} : { abiVersion: info.abiVersion }),
    path: `kernels/${file.slice(file.lastIndexOf("/") + 1)}`,
    size,
    sha256,
    devices: info.devices.map(({ name, type }) => ({ name, type })),
  };
}

/**
 * The device of a volume that names none: the kernel's device of the volume's own name, else the one block device where
 * there is exactly one and one volume, else the volume's name, which the kernel-devices check then judges.
 */
function defaultDevice(name: string, volumes: readonly string[], kernels: readonly (readonly Device[])[]): string {
  for (const devices of kernels) {
    const blocks = devices.filter(({ type }) => type === "block");
    if (blocks.some((block) => block.name === name)) return name;
    if (blocks.length === 1 && volumes.length === 1) return (blocks[0] as Device).name;
  }
  return name;
}
