/** What every launch file is written from. Pure. */
import { isAttached, type ManifestKernel, type ReleaseManifest } from "../../manifest/schema.ts";

/** A volume as a launch file needs it. */
export interface Attached {
  readonly name: string;
  readonly device: string;
  /** Shell text of the path, quoted: release variables are expanded by the shell. */
  readonly shell: string;
  readonly file: string;
  readonly secret: boolean;
}

export interface Launch {
  readonly name: string;
  readonly kernel: ManifestKernel;
  readonly kernelFile: string;
  readonly memory: number;
  readonly args: readonly string[];
  readonly volumes: readonly Attached[];
  readonly nets: readonly string[];
  readonly state: string;
}

/** The facts of one kernel of a release. */
export function launchOf(manifest: ReleaseManifest, kernel: ManifestKernel): Launch {
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

/** The first lines of a script that starts a release. */
export function scriptHead({ name, kernel, state, volumes }: Launch, what: string): string {
  const secrets = volumes.some(({ secret }) => secret)
    ? `# Secret volumes are made on this host (unikernel-deploy image create --secret); they are in no repository.\nsecrets=\${SECRETS:-/run/unikernel-deploy/${name}}\n`
    : "";
  return `#!/bin/sh
# Starts ${name} (${kernel.target}, ${kernel.arch}) ${what}. Copy it and adapt it; the next release brings a new one.
set -eu
release=\${RELEASE:-${state}/current}
${secrets}`;
}
