/** The tenders of Solo5 itself: solo5-hvt (KVM) and solo5-spt (seccomp). Command line of Solo5 0.12. Pure. */
import { type GuestSpec, interfaceFor, type LaunchPlan, matchBlocks, refuse } from "./tender.ts";

export type Solo5Kind = "hvt" | "spt";

/** solo5-hvt maps at most 4 GiB for a guest. */
const MAX_MEMORY = 4096;
/** Longer names of interfaces are cut by the tender. */
const MAX_INTERFACE = 19;

/**
 * The command line. Throws LAUNCH_FAILED for what the tender would misread: it takes a path up to the first white space,
 * and it opens block files for writing, so they must be copies or read-only devices.
 */
export function planSolo5(
  spec: GuestSpec,
  choices: { readonly kind: Solo5Kind; readonly program?: string },
): LaunchPlan {
  const { kind, program = `solo5-${kind}` } = choices;
  const { target, devices, network, memory } = spec;
  if (target !== kind)
    throw refuse(`solo5-${kind} runs kernels for ${kind}; this one is for ${target ?? "an unknown target"}`);
  if (memory > MAX_MEMORY) throw refuse(`${memory} MiB; solo5-${kind} gives a guest at most ${MAX_MEMORY}`);
  const blocks = matchBlocks(devices, spec.blocks).map(({ device, file }) => `--block:${device}=${blockPath(file)}`);
  const nets = devices
    .filter(({ type }) => type === "net")
    .map(({ name }) => `--net:${name}=${interfaceOf(network, name)}`);
  return {
    argv: [program, `--mem=${memory}`, ...nets, ...blocks, "--", spec.kernel, ...spec.args],
    reach: { kind: "socket", path: "relay.sock" },
  };
}

function blockPath(file: string): string {
  if (/\s/.test(file))
    throw refuse(
      `${JSON.stringify(file)}: Solo5 takes the path of an image up to the first white space`,
      "rename the directory",
    );
  if (Buffer.byteLength(file) > 4096) throw refuse("the path of an image has more than 4096 bytes");
  return file;
}

function interfaceOf(network: GuestSpec["network"], device: string): string {
  const name = network.kind === "tap" ? interfaceFor(network.interfaces, device) : undefined;
  if (name === undefined) throw refuse(`no network interface is given for device "${device}"`);
  if (name.length > MAX_INTERFACE || /\s/.test(name))
    throw refuse(`${JSON.stringify(name)} is not a name of an interface that Solo5 takes`);
  return name;
}
