/** Launch file for libvirt with QEMU/KVM (libvirt's domain schema). Pure. */
import type { Launch } from "./launch.ts";
import { xmlEscape } from "./quote.ts";

export function libvirtVirtio({ name, kernel, kernelFile, memory, args, volumes }: Launch): string {
  const slot = (i: number) =>
    `<address type='pci' domain='0x0000' bus='0x00' slot='0x${(i + 3).toString(16).padStart(2, "0")}' function='0x0'/>`;
  let disk = 0;
  const devices = kernel.devices.map((device, i) => {
    if (device.type === "net") {
      return `    <interface type='bridge'>\n      <source bridge='br0'/>\n      <model type='virtio-transitional'/>\n      ${slot(i)}\n    </interface>\n`;
    }
    const volume = volumes.find((candidate) => candidate.device === device.name);
    const target = `vd${String.fromCharCode("a".charCodeAt(0) + disk++)}`;
    return `    <disk type='file' device='disk'>\n      <driver name='qemu' type='raw' cache='none'/>\n      <source file='${xmlEscape(volume?.file ?? "")}'/>\n      <target dev='${target}' bus='virtio'/>\n      <readonly/>\n      ${slot(i)}\n    </disk>\n`;
  });
  return `<domain type='kvm'>
  <name>${name}</name>
  <memory unit='MiB'>${memory}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>${xmlEscape(kernelFile)}</kernel>
    <cmdline>${xmlEscape(args.join(" "))}</cmdline>
  </os>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>destroy</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
${devices.join("")}    <serial type='pty'><target port='0'/></serial>
    <console type='pty'><target type='serial' port='0'/></console>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
</domain>
`;
}
