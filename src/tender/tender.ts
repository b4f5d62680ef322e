/**
 * What a tender is: the program that runs a guest. A tender's module only decides, from a guest's description to an argv
 * array; spawning, waiting and cleaning up are the same for all (launch.ts). Pure.
 */
import { DeployError } from "../errors.ts";
import type { Device, Target } from "../kernel/target.ts";

/** A block device to attach. */
export interface Block {
  /** The guest's name for it: what its application manifest declares. */
  readonly device: string;
  /** The volume that it holds. */
  readonly volume: string;
  /** The image, as an absolute path or relative to the guest's working directory. */
  readonly file: string;
}

/**
 * How the guest gets to a network: qemu's own user network, which touches nothing of the host; taps that exist already,
 * by the guest's device names; or none but the host's own, for kernels that are host executables. With `forwards` the user
 * network is for good: these ports lead in, and the guest may reach others.
 */
export type Network =
  | { readonly kind: "user"; readonly forwards?: readonly Forward[] }
  | { readonly kind: "tap"; readonly interfaces: Readonly<Record<string, string>> }
  | { readonly kind: "host" };

/** What the guest's device is led to; devices have names of a kernel's choosing, such as "constructor". */
export const interfaceFor = (interfaces: Readonly<Record<string, string>>, device: string): string | undefined =>
  Object.hasOwn(interfaces, device) ? interfaces[device] : undefined;

/** A port of this host that leads to one of the guest. */
export interface Forward {
  readonly address: string;
  readonly port: number;
  readonly guestPort: number;
}

export interface GuestSpec {
  /** The kernel's file, as an absolute path or relative to the guest's working directory. */
  readonly kernel: string;
  readonly target: Target | null;
  /** The application manifest, in its order; empty for kernels that have none. */
  readonly devices: readonly Device[];
  /** In MiB. */
  readonly memory: number;
  /** The guest's own arguments. */
  readonly args: readonly string[];
  readonly blocks: readonly Block[];
  readonly network: Network;
  /** The TCP port that the guest serves. */
  readonly port: number;
}

/** Where the guest's port can be reached from here. */
export type Reach =
  /** Ask qemu which port of the host it forwards. */
  | { readonly kind: "qmp" }
  /** The port of 127.0.0.1 that the guest prints when it listens, else this one. */
  | { readonly kind: "printed"; readonly port: number }
  /** A relay's socket, relative to the guest's working directory. */
  | { readonly kind: "socket"; readonly path: string };

/** A decided launch. */
export interface LaunchPlan {
  readonly argv: readonly [string, ...string[]];
  readonly reach: Reach;
}

/** Hardware acceleration, for the tenders that have a choice. */
export type Accel = "kvm" | "tcg";

/** Addresses on the private network between us and the guest; qemu's user network fixes them, so all tenders use them. */
export const GUEST_NET = { address: "10.0.2.15", prefix: 24, gateway: "10.0.2.2" } as const;

/** A launch that cannot work: said before anything is started. */
export function refuse(message: string, hint?: string): DeployError {
  return new DeployError("LAUNCH_FAILED", message, { hint });
}

/**
 * The blocks in the order of the application manifest, each for one device. Throws LAUNCH_FAILED where the two differ:
 * tenders refuse that themselves, but qemu attaches by position and would hand the guest the wrong volume.
 */
export function matchBlocks(devices: readonly Device[], blocks: readonly Block[]): readonly Block[] {
  const declared = devices.filter(({ type }) => type === "block").map(({ name }) => name);
  const surplus = blocks.find(({ device }) => !declared.includes(device));
  if (surplus) {
    const names = declared.length === 0 ? "no block device" : `block device ${declared.join(", ")}`;
    throw refuse(
      `volume ${surplus.volume} goes to device "${surplus.device}", but the kernel declares ${names}`,
      "the device of a volume must be the name in the kernel's block_of_file",
    );
  }
  return declared.map((name) => {
    const matching = blocks.filter(({ device }) => device === name);
    if (matching.length > 1)
      throw refuse(`${matching.length} volumes go to device "${name}"`, "give each its own device");
    if (matching[0]) return matching[0];
    throw refuse(
      `the kernel declares block device "${name}", and no volume goes to it`,
      `give a volume "device: ${name}"`,
    );
  });
}
