/** Launch files for solo5-hvt and solo5-spt (Solo5 0.12, tenders' command line). Pure. */
import type { Launch } from "./launch.ts";
import { scriptHead } from "./launch.ts";
import { quotedArgs } from "./quote.ts";

export function solo5Script(launch: Launch): string {
  const { kernel, memory, volumes, nets, args } = launch;
  // Solo5 opens block files for writing, whatever the guest does: a read-only loop device keeps the release as it is.
  const loops = volumes
    .filter(({ secret }) => !secret)
    .map(({ name, shell }) => `${variable(name)}=$(losetup -r -f --show ${shell})\nloops="$loops $${variable(name)}"\n`)
    .join("");
  const attach = volumes.map(
    ({ name, device, shell, secret }) => ` \\\n  --block:${device}=${secret ? shell : `"$${variable(name)}"`}`,
  );
  const net = nets.map((device, i) => ` \\\n  --net:${device}="\${TAP${i}:-tap${i}}"`);
  return `${scriptHead(launch, `with solo5-${kernel.target}`)}
# Needs root (or group disk) for the loop devices, and the tap devices.
loops=
detach() {
  for loop in $loops; do losetup -d "$loop"; done
}
trap detach EXIT
${loops}solo5-${kernel.target} --mem=${memory}${net.join("")}${attach.join("")} \\
  -- "$release/${kernel.path}"${quotedArgs(args)}
`;
}

const variable = (name: string) => `volume_${name.replaceAll("-", "_")}`;

export function systemdUnit({ name, kernel, state }: Launch): string {
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
