/**
 * How urunc, the container runtime for unikernels, would run a kernel of a release: what it has to be told, or why it
 * cannot. urunc 0.5 (2025) to 0.8 (2026), its annotations and what its guests and monitors support. Pure.
 */
import { isAttached, type ManifestKernel, type ManifestVolume, type ReleaseManifest } from "./schema.ts";

/** What urunc has to be told, by key and in plain text; urunc wants the values in base64. */
export type UruncAnnotations = Readonly<Record<string, string>>;

export type Urunc =
  | {
      readonly runs: true;
      /** Of the image, as OCI calls it (Go's GOARCH). */
      readonly architecture: string;
      readonly annotations: UruncAnnotations;
      /** The one volume that is attached, where there is one. */
      readonly volume: string | undefined;
      /** What needs urunc 0.8 or later, where something does. */
      readonly since08: string | undefined;
    }
  | { readonly runs: false; readonly reasons: readonly string[] };

const PREFIX = "com.urunc.unikernel.";

/** Frameworks and monitors as urunc calls them, by target. */
const GUESTS: Readonly<Record<string, { readonly framework: string; readonly monitor: string }>> = {
  hvt: { framework: "mirage", monitor: "hvt" },
  spt: { framework: "mirage", monitor: "spt" },
  "unikraft-qemu": { framework: "unikraft", monitor: "qemu" },
  "unikraft-fc": { framework: "unikraft", monitor: "firecracker" },
};

/** The targets that urunc has a monitor for. */
export const URUNC_TARGETS: readonly string[] = Object.keys(GUESTS);

const ARCHITECTURES: Readonly<Record<string, string>> = { x86_64: "amd64", aarch64: "arm64" };

/** What urunc lets through in a path. */
const PATH = /^[A-Za-z0-9._/-]+$/;

/** Names that urunc before 0.8 gives to the devices of a Solo5 guest. */
const NET = "service";
const BLOCK = "storage";

/** Never throws; every reason against it is listed. */
export function uruncOf(manifest: ReleaseManifest, kernel: ManifestKernel): Urunc {
  const guest = GUESTS[kernel.target ?? ""];
  const architecture = ARCHITECTURES[kernel.arch];
  const volumes = manifest.volumes.filter(isAttached);
  const reasons = [
    ...(guest
      ? []
      : [
          `urunc runs kernels for ${URUNC_TARGETS.join(", ")}; this one is for ${kernel.target ?? "no target that is known"}`,
        ]),
    ...(architecture ? [] : [`urunc is for x86_64 and aarch64; this kernel is for ${kernel.arch}`]),
    ...(PATH.test(kernel.path) ? [] : [`urunc takes letters, digits and ._/- in a path; this one is ${kernel.path}`]),
    ...unattachable(volumes),
    ...(guest?.framework === "mirage" ? unwiredSolo5(kernel) : []),
    ...(guest?.framework === "unikraft" && volumes.length > 0 ? ["urunc attaches no block device to Unikraft"] : []),
  ];
  if (!guest || !architecture || reasons.length > 0) return { runs: false, reasons };
  const isSolo5 = guest.framework === "mirage";
  const volume = volumes[0]?.name;
  return {
    runs: true,
    architecture,
    annotations: {
      [`${PREFIX}unikernelType`]: guest.framework,
      [`${PREFIX}hypervisor`]: guest.monitor,
      [`${PREFIX}binary`]: `/${kernel.path}`,
      [`${PREFIX}cmdline`]: manifest.launch.args.join(" "),
      ...(volume === undefined ? {} : blockAnnotations(volume)),
      ...(isSolo5 ? deviceAnnotations(kernel) : {}),
    },
    volume,
    since08: isSolo5 ? renamed(kernel) : undefined,
  };
}

/** Where the block image of a volume is in the image's file system. */
export const blockPath = (volume: string): string => `volumes/${volume}.img`;

/**
 * urunc refuses a block image without a mount point, though a Solo5 guest mounts nothing. At "/" it would be the guest's
 * root file system, with rules of its own.
 */
function blockAnnotations(volume: string): UruncAnnotations {
  return { [`${PREFIX}block`]: `/${blockPath(volume)}`, [`${PREFIX}blkMntPoint`]: "/data" };
}

/** The names were proposed as netDev and blkDev, and released with a prefix; urunc passes over what it does not know. */
function deviceAnnotations({ devices }: ManifestKernel): UruncAnnotations {
  const net = nameOf(devices, "net");
  const block = nameOf(devices, "block");
  return {
    ...(net === undefined ? {} : { [`${PREFIX}netDev`]: net, [`${PREFIX}solo5NetDev`]: net }),
    ...(block === undefined ? {} : { [`${PREFIX}blkDev`]: block, [`${PREFIX}solo5BlkDev`]: block }),
  };
}

function unattachable(volumes: readonly ManifestVolume[]): string[] {
  const reasons: string[] = [];
  const names = volumes.map(({ name }) => name).join(", ");
  if (volumes.length > 1) reasons.push(`urunc attaches one block device, the release has ${volumes.length} (${names})`);
  for (const { name, secret } of volumes) {
    if (secret) {
      reasons.push(`urunc takes block images from the container image only, where secret volume ${name} must never be`);
    }
  }
  return reasons;
}

/** In a pod there is always a network, and urunc attaches it whatever the kernel declares. */
function unwiredSolo5({ devices }: ManifestKernel): string[] {
  const nets = devices.filter(({ type }) => type === "net").length;
  const blocks = devices.filter(({ type }) => type === "block").length;
  return [
    ...(nets === 1 ? [] : [`urunc attaches one network, the kernel declares ${nets}`]),
    ...(blocks <= 1 ? [] : [`urunc attaches one block device, the kernel declares ${blocks}`]),
  ];
}

function renamed({ devices }: ManifestKernel): string | undefined {
  const net = nameOf(devices, "net");
  const block = nameOf(devices, "block");
  const odd = [
    ...(net === undefined || net === NET ? [] : [`it calls the network "${NET}", the kernel "${net}"`]),
    ...(block === undefined || block === BLOCK ? [] : [`it calls the block device "${BLOCK}", the kernel "${block}"`]),
  ];
  return odd.length === 0 ? undefined : odd.join("; ");
}

function nameOf(devices: ManifestKernel["devices"], type: "block" | "net"): string | undefined {
  return devices.find((device) => device.type === type)?.name;
}
