/** check: kernel-devices. Every volume has its block device in the kernel, and every block device its volume. Pure. */
import type { KernelArtifact } from "../artifact/artifact.ts";
import { isDataVolume, type ManifestVolume } from "../manifest/schema.ts";
import type { Check, Remark } from "./check.ts";

/** Targets whose kernels carry an application manifest that a tender compares with what it attaches. */
const DECLARING = new Set(["hvt", "spt", "virtio", "muen", "genode"]);

export const kernelDevices: Check = {
  id: "kernel-devices",
  title: "volumes and the kernel's block devices match one to one",
  severity: "error",
  *run({ release }) {
    yield* sharedDevices(release.manifest.volumes);
    for (const [i, kernel] of release.kernels.entries()) {
      const path = release.manifest.kernels[i]?.path ?? kernel.file;
      if (kernel.info.target !== null && DECLARING.has(kernel.info.target)) {
        yield* mismatches(path, kernel, release.manifest.volumes);
      }
    }
  },
};

function* mismatches(path: string, kernel: KernelArtifact, volumes: readonly ManifestVolume[]): Iterable<Remark> {
  const blocks = kernel.info.devices.filter(({ type }) => type === "block").map(({ name }) => name);
  const declared =
    blocks.length === 0
      ? "no block device"
      : `${blocks.length === 1 ? "block device" : "block devices"} ${blocks.join(", ")}`;
  const wanted = new Map(volumes.map((volume) => [volume.device, volume]));
  for (const [device, volume] of wanted) {
    if (blocks.includes(device)) continue;
    yield {
      path,
      message: `volume ${volume.name} goes to device "${device}", but the kernel declares ${declared}`,
      hint: remedy(
        volume,
        blocks.filter((name) => !wanted.has(name)),
      ),
    };
  }
  for (const name of blocks) {
    if (wanted.has(name)) continue;
    yield {
      path,
      message: `the kernel declares block device "${name}", and no volume goes to it: the tender will refuse to start`,
      hint: `give a volume "device: ${name}", or declare a secret volume for it (secret: true), or drop block_of_file "${name}" from config.ml`,
    };
  }
}

function remedy(volume: ManifestVolume, free: readonly string[]): string {
  const kind = isDataVolume(volume) ? "volume" : "secret volume";
  if (free.length === 1)
    return `write device: ${free[0]} for the ${kind}, or block_of_file "${volume.device}" in config.ml`;
  return `the device must be the name in the kernel's block_of_file "${volume.device}" (config.ml)`;
}

function* sharedDevices(volumes: readonly ManifestVolume[]): Iterable<Remark> {
  const seen = new Map<string, string>();
  for (const { name, device } of volumes) {
    const other = seen.get(device);
    if (other)
      yield {
        message: `volumes ${other} and ${name} both go to device "${device}"`,
        hint: "give each volume its own device",
      };
    seen.set(device, name);
  }
}
