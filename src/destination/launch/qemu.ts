/** Launch files for QEMU: Solo5 virtio kernels on a PC, PVH kernels on microvm (Solo5 docs, QEMU 7.2 manual). Pure. */
import { type Attached, type Launch, scriptHead } from "./launch.ts";
import { shellQuote } from "./quote.ts";

export function qemuVirtioScript(launch: Launch): string {
  const { kernel, memory, args } = launch;
  return `${scriptHead(launch, "with qemu")}
# The guest binds devices by PCI slot, in the order of its application manifest: the slots below are that order.
exec qemu-system-x86_64 -machine pc,acpi=off -accel kvm -accel tcg -cpu Westmere -m ${memory} -nodefaults \\
  -display none -serial stdio -no-reboot -device isa-debug-exit${qemuDevices(launch, "virtio-net", "virtio-blk", true)} \\
  -kernel "$release/${kernel.path}"${append(args)}
`;
}

export function qemuPvhScript(launch: Launch): string {
  const { kernel, memory, args } = launch;
  return `${scriptHead(launch, "with qemu's microvm")}
exec qemu-system-x86_64 -M microvm,acpi=off -accel kvm -accel tcg -m ${memory} -nodefaults -no-user-config \\
  -display none -serial stdio -no-reboot -global virtio-mmio.force-legacy=false${qemuDevices(launch, "virtio-net-device", "virtio-blk-device", false)} \\
  -kernel "$release/${kernel.path}"${append(args)}
`;
}

function append(args: readonly string[]): string {
  // QEMU splits the kernel's options at commas unless they are doubled.
  return args.length === 0 ? "" : ` \\\n  -append ${shellQuote(args.join(" ").replaceAll(",", ",,"))}`;
}

function qemuDevices(launch: Launch, net: string, block: string, slots: boolean): string {
  const { kernel, volumes, nets } = launch;
  const devices = kernel.devices.length > 0 ? kernel.devices : [...nets.map(netDevice), ...volumes.map(blockDevice)];
  let tap = 0;
  return devices
    .map(({ name, type }, i) => {
      const slot = slots ? `,addr=0x${(i + 2).toString(16)}` : "";
      if (type === "net") {
        const at = tap++;
        return ` \\\n  -netdev "tap,id=n${i},ifname=\${TAP${at}:-tap${at}},script=no,downscript=no" -device ${net},netdev=n${i}${slot}`;
      }
      const volume = volumes.find(({ device }) => device === name);
      const file = volume ? volume.shell.slice(1, -1) : `/dev/null`;
      return ` \\\n  -drive "id=d${i},file=${file},if=none,format=raw,readonly=on" -device ${block},drive=d${i}${slot}`;
    })
    .join("");
}

const netDevice = (name: string) => ({ name, type: "net" as const });

const blockDevice = ({ device }: Attached) => ({ name: device, type: "block" as const });
