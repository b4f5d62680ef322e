/**
 * The files below `launch/`: what an operator runs to start the release by hand, a set for each kernel. One file here for
 * each program that can start one. Pure.
 */
import type { ReleaseManifest } from "../../manifest/schema.ts";
import { firecracker } from "./firecracker.ts";
import { type Launch, launchOf } from "./launch.ts";
import { libvirtVirtio } from "./libvirt.ts";
import { qemuPvhScript, qemuVirtioScript } from "./qemu.ts";
import { solo5Script, systemdUnit } from "./solo5.ts";
import { unixScript } from "./unix.ts";
import { libvirtXen, xlConfig } from "./xen.ts";

export interface LaunchFile {
  readonly path: string;
  readonly text: string;
}

/** The launch files of a release; none for targets that no tender here runs. */
export function launchFiles(manifest: ReleaseManifest): LaunchFile[] {
  return manifest.kernels.flatMap((kernel) => {
    const launch = launchOf(manifest, kernel);
    const base = `launch/${kernel.path.slice("kernels/".length)}`;
    return (WRITERS[kernel.target ?? ""] ?? []).map(([extension, write]) => ({
      path: `${base}.${extension}`,
      text: write(launch),
    }));
  });
}

type Writer = (launch: Launch) => string;

const WRITERS: Readonly<Record<string, readonly (readonly [string, Writer])[]>> = {
  hvt: [
    ["sh", solo5Script],
    ["service", systemdUnit],
  ],
  spt: [
    ["sh", solo5Script],
    ["service", systemdUnit],
  ],
  virtio: [
    ["sh", qemuVirtioScript],
    ["xml", libvirtVirtio],
  ],
  pvh: [["sh", qemuPvhScript]],
  xen: [
    ["xl", xlConfig],
    ["xml", libvirtXen],
  ],
  pv: [["xl", xlConfig]],
  "unikraft-fc": [["json", firecracker]],
  unix: [["sh", unixScript]],
};
