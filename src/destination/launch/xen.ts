/** Launch files for Xen: xl.cfg(5), xl-disk-configuration(5), and libvirt's domain schema. Pure. */
import type { Launch } from "./launch.ts";
import { xmlEscape } from "./quote.ts";

export function xlConfig({ name, kernel, kernelFile, memory, args, volumes }: Launch): string {
  // The nth block device of a Mirage Xen kernel is xvdb, xvdc, … (xvda is reserved); target= takes the rest of the line.
  const disks = volumes.map(
    ({ file }, i) => `"format=raw, vdev=xvd${diskLetter(i)}, access=ro, target=${xlText(file)}"`,
  );
  return `# xl configuration for ${name} (${kernel.target}).
name     = "${name}"
type     = "${kernel.target === "pv" ? "pv" : "pvh"}"
kernel   = "${xlText(kernelFile)}"
cmdline  = "${xlText(args.join(" "))}"
memory   = ${memory}
vcpus    = 1
on_crash = "destroy"
disk     = [ ${disks.join(",\n             ")} ]
vif      = [ "bridge=xenbr0" ]
`;
}

export function libvirtXen({ name, kernelFile, memory, args, volumes }: Launch): string {
  const disks = volumes.map(
    ({ file }, i) =>
      `    <disk type='file' device='disk'>\n      <driver name='qemu' type='raw'/>\n      <source file='${xmlEscape(file)}'/>\n      <target dev='xvd${diskLetter(i)}' bus='xen'/>\n      <readonly/>\n    </disk>\n`,
  );
  return `<domain type='xen'>
  <name>${name}</name>
  <memory unit='MiB'>${memory}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='xenpvh'>xenpvh</type>
    <kernel>${xmlEscape(kernelFile)}</kernel>
    <cmdline>${xmlEscape(args.join(" "))}</cmdline>
  </os>
  <devices>
${disks.join("")}    <interface type='bridge'><source bridge='xenbr0'/></interface>
    <console type='pty'><target type='xen' port='0'/></console>
  </devices>
</domain>
`;
}

const diskLetter = (i: number) => String.fromCharCode("b".charCodeAt(0) + i);

const xlText = (text: string) => text.replaceAll("\\", "\\\\").replaceAll('"', '\\"');
