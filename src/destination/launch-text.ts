/**
 * The files below `launch/`: what an operator runs to start the release by hand, one set for each kernel. Every name in
 * them that comes from a manifest is quoted for where it stands. Pure.
 *
 * Sources: Solo5 0.12 tenders' command line, Solo5 docs on virtio under QEMU, xl.cfg(5) and xl-disk-configuration(5),
 * libvirt's domain schema, Firecracker's configuration file.
 */
import { isAttached, type ManifestKernel, type ReleaseManifest } from "../manifest/schema.ts";

export interface LaunchFile {
  readonly path: string;
  readonly text: string;
}

/** A volume as a launch file needs it. */
interface Attached {
  readonly name: string;
  readonly device: string;
  /** Shell text of the path, quoted: release variables are expanded by the shell. */
  readonly shell: string;
  readonly file: string;
  readonly secret: boolean;
}

interface Launch {
  readonly name: string;
  readonly kernel: ManifestKernel;
  readonly kernelFile: string;
  readonly memory: number;
  readonly args: readonly string[];
  readonly volumes: readonly Attached[];
  readonly nets: readonly string[];
  readonly state: string;
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

function launchOf(manifest: ReleaseManifest, kernel: ManifestKernel): Launch {
  const state = `/var/lib/unikernel-deploy/${manifest.name}`;
  const volumes = manifest.volumes.filter(isAttached).map(({ name, device, secret }) => ({
    name,
    device,
    secret: secret === true,
    shell: secret ? `"$secrets/${name}.img"` : `"$release/volumes/${name}.img"`,
    file: secret ? `/run/unikernel-deploy/${manifest.name}/${name}.img` : `${state}/current/volumes/${name}.img`,
  }));
  return {
    name: manifest.name,
    kernel,
    kernelFile: `${state}/current/${kernel.path}`,
    memory: manifest.launch.memory,
    args: manifest.launch.args,
    // A tender takes devices in any order, a virtio guest binds them in manifest order: keep that one.
    volumes: inManifestOrder(volumes, kernel),
    nets: kernel.devices.filter(({ type }) => type === "net").map(({ name }) => name),
    state,
  };
}

function inManifestOrder(volumes: readonly Attached[], kernel: ManifestKernel): readonly Attached[] {
  const order = kernel.devices.map(({ name }) => name);
  const rank = ({ device }: Attached) => (order.includes(device) ? order.indexOf(device) : order.length);
  return volumes.toSorted((a, b) => rank(a) - rank(b));
}

/** A POSIX shell word. */
export function shellQuote(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

const xmlEscape = (text: string) =>
  text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll("'", "&apos;")
    .replaceAll('"', "&quot;");

const quotedArgs = (args: readonly string[]) => args.map((arg) => ` ${shellQuote(arg)}`).join("");

function scriptHead({ name, kernel, state, volumes }: Launch, what: string): string {
  const secrets = volumes.some(({ secret }) => secret)
    ? `# Secret volumes are made on this host (unikernel-deploy image create --secret); they are in no repository.\nsecrets=\${SECRETS:-/run/unikernel-deploy/${name}}\n`
    : "";
  return `#!/bin/sh
# Starts ${name} (${kernel.target}, ${kernel.arch}) ${what}. Copy it and adapt it; the next release brings a new one.
set -eu
release=\${RELEASE:-${state}/current}
${secrets}`;
}

function solo5Script(launch: Launch): string {
  const { kernel, memory, volumes, nets, args } = launch;
  // Solo5 opens block files for writing, whatever the guest does: a read-only loop device keeps the release as it is.
  const loops = volumes
    .filter(({ secret }) => !secret)
    .map(({ name, shell }) => `${variable(name)}=$(losetup -r -f --show ${shell})\n`)
    .join("");
  const attach = volumes.map(
    ({ name, device, shell, secret }) => ` \\\n  --block:${device}=${secret ? shell : `"$${variable(name)}"`}`,
  );
  const net = nets.map((device, i) => ` \\\n  --net:${device}="\${TAP${i}:-tap${i}}"`);
  return `${scriptHead(launch, `with solo5-${kernel.target}`)}
# Needs root (or group disk) for the loop devices, and the tap devices.
${loops}exec solo5-${kernel.target} --mem=${memory}${net.join("")}${attach.join("")} \\
  -- "$release/${kernel.path}"${quotedArgs(args)}
`;
}

const variable = (name: string) => `volume_${name.replaceAll("-", "_")}`;

function systemdUnit({ name, kernel, state }: Launch): string {
  return `# systemd unit for ${name} (${kernel.target}); copy to /etc/systemd/system/${name}.service.
[Unit]
Description=${name} unikernel (solo5-${kernel.target})
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
ExecStart=/bin/sh ${state}/current/launch/${kernel.path.slice("kernels/".length)}.sh
Restart=on-failure
RestartSec=1

[Install]
WantedBy=multi-user.target
`;
}

function qemuVirtioScript(launch: Launch): string {
  const { kernel, memory, args } = launch;
  return `${scriptHead(launch, "with qemu")}
# The guest binds devices by PCI slot, in the order of its application manifest: the slots below are that order.
exec qemu-system-x86_64 -machine pc,acpi=off -accel kvm -accel tcg -cpu Westmere -m ${memory} -nodefaults \\
  -display none -serial stdio -no-reboot -device isa-debug-exit${qemuDevices(launch, "virtio-net", "virtio-blk", true)} \\
  -kernel "$release/${kernel.path}"${append(args)}
`;
}

function qemuPvhScript(launch: Launch): string {
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

function unixScript(launch: Launch): string {
  const { kernel, volumes, args } = launch;
  const names = volumes.map(({ device, shell }) => `# volume for ${device}: ${shell.replaceAll('"', "")}\n`).join("");
  return `${scriptHead(launch, "as a host program")}
# A unix kernel finds its volumes as its own arguments say.
${names}cp -f "$release/${kernel.path}" "\${TMPDIR:-/tmp}/${launch.name}.$$"
chmod 0700 "\${TMPDIR:-/tmp}/${launch.name}.$$"
exec "\${TMPDIR:-/tmp}/${launch.name}.$$"${volumes.map(({ shell }) => ` ${shell}`).join("")}${quotedArgs(args)}
`;
}

function xlConfig({ name, kernel, kernelFile, memory, args, volumes }: Launch): string {
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

const diskLetter = (i: number) => String.fromCharCode("b".charCodeAt(0) + i);
const xlText = (text: string) => text.replaceAll("\\", "\\\\").replaceAll('"', '\\"');

function libvirtVirtio({ name, kernel, kernelFile, memory, args, volumes }: Launch): string {
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

function libvirtXen({ name, kernelFile, memory, args, volumes }: Launch): string {
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

function firecracker({ name, kernelFile, memory, args, volumes }: Launch): string {
  return `${JSON.stringify(
    {
      "boot-source": { kernel_image_path: kernelFile, boot_args: [name, ...args].join(" ") },
      drives: volumes.map(({ name: id, file }) => ({
        drive_id: id,
        path_on_host: file,
        is_root_device: false,
        is_read_only: true,
      })),
      "network-interfaces": [{ iface_id: "eth0", host_dev_name: "tap0" }],
      "machine-config": { vcpu_count: 1, mem_size_mib: memory },
    },
    null,
    2,
  )}\n`;
}
