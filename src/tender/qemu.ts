/**
 * The qemu tender. Two machines: `pc` for Solo5's virtio kernels, whose devices are bound by PCI slot in the order of
 * the application manifest (Solo5 bindings/virtio/pci.c), and `microvm` for PVH kernels, whose devices are on virtio-mmio.
 * Pure.
 */
import type { Device } from "../kernel/target.ts";
import {
  type Accel,
  type Block,
  GUEST_NET,
  type GuestSpec,
  interfaceFor,
  type LaunchPlan,
  matchBlocks,
  refuse,
} from "./tender.ts";

export const QEMU = "qemu-system-x86_64";

export interface QemuChoices {
  readonly accel: Accel;
  /** The program; found in PATH by default. */
  readonly program?: string;
  /** false: nobody is going to talk to qemu itself. */
  readonly control?: boolean;
}

/** Slots 0 and 1 of machine pc are its host bridge and ISA bridge; a bus has 32. */
const FIRST_SLOT = 2;
const SLOTS = 32;

/** No default devices, which a guest would count among its own; no window; and a guest that resets has ended. */
const BARE = ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"];
/** The guest's console is our standard output. Solo5 ends by writing to the exit device. */
const CONSOLE = ["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console", "-device", "isa-debug-exit"];
const CONTROL = ["-chardev", "socket,id=control,fd=3", "-mon", "chardev=control,mode=control"];

/**
 * The command line. File descriptor 3 is to be a connected socket, for QMP: nobody else can reach it, and no file
 * remains of it. Throws LAUNCH_FAILED for a target that qemu does not boot here, or devices that do not match.
 */
export function planQemu(spec: GuestSpec, { accel, program = QEMU, control = true }: QemuChoices): LaunchPlan {
  const machine = machineOf(spec, accel);
  return {
    argv: [
      program,
      "-accel",
      accel,
      ...machine.board,
      "-m",
      String(spec.memory),
      ...BARE,
      ...CONSOLE,
      ...(control ? CONTROL : []),
      ...machine.devices,
      "-kernel",
      spec.kernel,
      "-append",
      spec.args.map(quoteWord).join(" "),
    ],
    reach: { kind: "qmp" },
  };
}

interface Machine {
  readonly board: readonly string[];
  readonly devices: readonly string[];
}

function machineOf(spec: GuestSpec, accel: Accel): Machine {
  if (spec.target === "virtio") {
    // Solo5 asks for what a Westmere has; under KVM the host's own processor has it too and needs no emulation.
    const board = ["-machine", "pc,acpi=off", "-cpu", accel === "kvm" ? "host" : "Westmere"];
    return { board, devices: pciDevices(spec) };
  }
  if (spec.target === "pvh") {
    const board = ["-machine", "microvm,acpi=off", ...(accel === "kvm" ? ["-cpu", "host"] : [])];
    return { board, devices: mmioDevices(spec) };
  }
  throw refuse(
    `qemu boots kernels for virtio and pvh here; this one is for ${spec.target ?? "an unknown target"}`,
    "build the kernel for virtio as well, or give a tender that runs it",
  );
}

function pciDevices(spec: GuestSpec): string[] {
  const { devices } = spec;
  if (devices.length > SLOTS - FIRST_SLOT)
    throw refuse(`${devices.length} devices; machine pc has room for ${SLOTS - FIRST_SLOT}`);
  const blocks = new Map(matchBlocks(devices, spec.blocks).map((block) => [block.device, block]));
  let nets = 0;
  return devices.flatMap((device: Device, i) => {
    const addr = `addr=0x${(FIRST_SLOT + i).toString(16)}`;
    if (device.type === "net") {
      const id = `net${nets++}`;
      // Without romfile= a card wants an option ROM, which minimal installations of qemu lack.
      return [...netdev(spec, id, device.name, nets === 1), "-device", `virtio-net-pci,netdev=${id},${addr},romfile=`];
    }
    const id = `block${i}`;
    return [...blockdev(blocks.get(device.name) as Block, id), "-device", `virtio-blk-pci,drive=${id},${addr}`];
  });
}

function mmioDevices(spec: GuestSpec): string[] {
  // A PVH kernel declares no devices: it gets one network card, and the volumes in the order of the release.
  const blocks = spec.devices.length > 0 ? matchBlocks(spec.devices, spec.blocks) : spec.blocks;
  return [
    ...netdev(spec, "net0", spec.devices.find(({ type }) => type === "net")?.name ?? "service", true),
    "-device",
    "virtio-net-device,netdev=net0",
    ...blocks.flatMap((block, i) => [...blockdev(block, `block${i}`), "-device", `virtio-blk-device,drive=block${i}`]),
  ];
}

function netdev({ network, port }: GuestSpec, id: string, device: string, forwarded: boolean): string[] {
  if (network.kind === "tap") {
    const name = interfaceFor(network.interfaces, device);
    if (name === undefined) throw refuse(`no network interface is given for device "${device}"`);
    if (!/^[A-Za-z0-9_.-]{1,15}$/.test(name))
      throw refuse(`${JSON.stringify(name)} is not the name of a network interface`);
    return ["-netdev", `tap,id=${id},ifname=${name},script=no,downscript=no`];
  }
  if (network.kind === "user" && network.forwards) {
    const forwards = forwarded ? network.forwards : [];
    const rules = forwards.map((to) => `,hostfwd=tcp:${to.address}:${to.port}-${GUEST_NET.address}:${to.guestPort}`);
    return ["-netdev", `user,id=${id}${rules.join("")}`];
  }
  // Port 0: the kernel picks one that is free, so no two boots can collide. restrict: the guest reaches nobody.
  const forward = forwarded ? `,hostfwd=tcp:127.0.0.1:0-${GUEST_NET.address}:${port}` : "";
  return ["-netdev", `user,id=${id},restrict=on${forward}`];
}

/** JSON, because in the other syntax a comma in a path ends it. */
function blockdev({ file }: Block, id: string): string[] {
  const image = {
    driver: "raw",
    "node-name": id,
    "read-only": true,
    file: { driver: "file", filename: file, "read-only": true },
  };
  return ["-blockdev", JSON.stringify(image)];
}

/** One word of a guest's command line, as MirageOS's boot parameters are parsed: quotes group, a backslash escapes. */
function quoteWord(word: string): string {
  return /^[^\s"\\]+$/.test(word) ? word : `"${word.replaceAll(/["\\]/g, "\\$&")}"`;
}
