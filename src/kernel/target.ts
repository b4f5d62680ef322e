/** The words for what a kernel was built for and what it wants attached. Pure. */

/** What a kernel was built for. The Solo5 names come from its ABI note, the others from what else the bytes say. */
export type Target =
  | "hvt"
  | "spt"
  | "virtio"
  | "muen"
  | "genode"
  | "xen"
  | "pvh"
  | "pv"
  | "multiboot"
  | "unikraft-qemu"
  | "unikraft-fc"
  | "linux"
  | "unix";

/** A device of the application manifest, in manifest order. */
export interface Device {
  readonly name: string;
  readonly type: "block" | "net";
}
