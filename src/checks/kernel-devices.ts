/** check: kernel-devices. Every volume has its block device in the kernel, and every block device its volume. Pure. */
import type { KernelArtifact } from "../artifact/artifact.ts";
import type { Device } from "../kernel/kernel.ts";
import { isAttached, isDataVolume, type ManifestVolume } from "../manifest/schema.ts";
import { uruncOf } from "../manifest/urunc.ts";
import type { Check, CheckSubject, Remark } from "./check.ts";
import { kernelsOf } from "./contents.ts";
import { isAboutDevices } from "./kernel-format.ts";

/** Targets whose kernels carry an application manifest that a tender compares with what it attaches. */
const DECLARING = new Set(["hvt", "spt", "virtio", "muen", "genode"]);
/** xvda is reserved, and the numbering changes after xvdp. */
const MAX_XEN_DISKS = 15;
/** What the tenders' command lines and Solo5's own tool take. */
const NAME = /^[A-Za-z0-9]{1,67}$/;

export const kernelDevices: Check = {
  id: "kernel-devices",
  title: "volumes and the kernel's block devices match one to one",
  severity: "error",
  *run(subject) {
    const volumes = subject.release.manifest.volumes.filter(isAttached);
    yield* sharedDevices(volumes);
    for (const { path, kernel } of kernelsOf(subject)) {
      const { target, manifest, devices, problems } = kernel.info;
      for (const problem of problems.filter(isAboutDevices)) {
        const { severity, message, hint } = problem;
        yield { path, severity, message, ...(hint === undefined ? {} : { hint }) };
      }
      // Of a manifest that cannot be read kernel-format says why; what it declares is not known.
      if (target !== null && DECLARING.has(target) && manifest === "read") yield* mismatches(path, kernel, volumes);
      if (target === "virtio") yield* boundByOrder(path, devices);
      if (target === "xen") yield* xenDisks(path, volumes);
    }
    if (subject.runnable) yield* uruncRules(subject);
  },
};

function* mismatches(path: string, kernel: KernelArtifact, volumes: readonly ManifestVolume[]): Iterable<Remark> {
  const blocks = namesOf(kernel.info.devices, "block");
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
  if (!NAME.test(volume.device)) {
    return `Solo5 device names are 1 to 67 letters and digits: give the ${kind} such a device, and config.ml the same name`;
  }
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

/** A virtio guest gives the nth disk on the PCI bus the nth declared name: swapped disks boot, with each other's bytes. */
function* boundByOrder(path: string, devices: readonly Device[]): Iterable<Remark> {
  for (const type of ["block", "net"] as const) {
    const names = namesOf(devices, type);
    if (names.length < 2) continue;
    yield {
      path,
      severity: "note",
      message: `a virtio kernel takes its ${type} devices by their order on the PCI bus, never by name: ${names.join(", ")}`,
      hint: "attach them in this order with fixed slots (addr=), as the launch files of the release do",
    };
  }
}

/** A Xen kernel declares nothing: the nth block_of_file of config.ml opens the nth disk from xvdb on. */
function* xenDisks(path: string, volumes: readonly ManifestVolume[]): Iterable<Remark> {
  if (volumes.length > MAX_XEN_DISKS) {
    yield {
      path,
      message: `${volumes.length} volumes, but a Xen kernel finds at most ${MAX_XEN_DISKS} (xvdb to xvdp)`,
      hint: "put some of them together",
    };
    return;
  }
  for (const [i, { name, device }] of volumes.entries()) {
    if (!/^xvd[a-z]$/.test(device) || device === xenDisk(i)) continue;
    const why = device === "xvda" ? "xvda is never looked at" : `it is volume ${i + 1} of ${volumes.length}`;
    yield {
      path,
      message: `volume ${name} goes to device "${device}", but will be ${xenDisk(i)}: ${why}`,
      hint: "put the volumes in the order of block_of_file in config.ml; the first is xvdb",
    };
  }
  if (volumes.length < 2) return;
  const order = volumes.map(({ name }, i) => `${xenDisk(i)} ${name}`).join(", ");
  yield {
    path,
    severity: "note",
    message: `a Xen kernel does not say which devices it wants, so this cannot be checked: ${order}`,
    hint: "see that config.ml has its block_of_file in this order",
  };
}

const xenDisk = (i: number) => `xvd${String.fromCharCode("b".charCodeAt(0) + i)}`;

/** Whether urunc can run what is asked to be a runnable image: an error where it can run none of the kernels. */
function* uruncRules({ release }: CheckSubject): Iterable<Remark> {
  const { manifest } = release;
  const judged = manifest.kernels.map((kernel) => ({ kernel, urunc: uruncOf(manifest, kernel) }));
  const runsAny = judged.some(({ urunc }) => urunc.runs);
  for (const { kernel, urunc } of judged) {
    if (!urunc.runs) {
      yield {
        path: kernel.path,
        severity: runsAny ? "note" : "error",
        message: `no runnable image comes of this kernel: ${urunc.reasons.join("; ")}`,
        hint: runsAny
          ? "hosts that run unikernel-deploy get it all the same"
          : "leave runnable out, and have hosts run it with unikernel-deploy host up; docs/fleet.md has what urunc can do",
      };
    } else if (urunc.since08 !== undefined) {
      yield {
        path: kernel.path,
        severity: "note",
        message: `urunc before 0.8 cannot run this kernel: ${urunc.since08}`,
        hint: 'call the devices "service" and "storage" in config.ml, or see that urunc is 0.8 or later',
      };
    }
  }
}

function namesOf(devices: readonly Device[], type: Device["type"]): string[] {
  return devices.filter((device) => device.type === type).map(({ name }) => name);
}
