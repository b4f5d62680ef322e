/**
 * The xl tender: domains of Xen, made from a configuration file. Nothing of it is a process of ours; `xl list` says what
 * runs. Syntax of xl.cfg(5) and xl-disk-configuration(5). Pure.
 */
import { type Block, type GuestSpec, refuse } from "./tender.ts";

/** xen-blkfront's names from xvdb on; xvda is what other guests boot from, so nobody expects data there. */
const MAX_DISKS = 25;
/** Hypercall buffers for a PVH domain's command line end here (bytes). */
const MAX_COMMAND_LINE = 1024;

/**
 * The configuration of a domain. Throws LAUNCH_FAILED for a target
 * that Xen does not run, and for text that the file's syntax cannot carry.
 */
export function xlConfig(spec: GuestSpec, name: string): string {
  if (spec.target !== "xen" && spec.target !== "pvh" && spec.target !== "pv")
    throw refuse(`xl runs kernels for xen, pvh and pv; this one is for ${spec.target ?? "an unknown target"}`);
  const { network, blocks, args, devices } = spec;
  if (blocks.length > MAX_DISKS) throw refuse(`${blocks.length} volumes; a domain has room for ${MAX_DISKS}`);
  const commandLine = quoted(args.join(" "), "the arguments");
  if (commandLine.length > MAX_COMMAND_LINE)
    throw refuse(`the arguments have more than ${MAX_COMMAND_LINE} bytes, which is all that a domain takes`);
  const bridges = network.kind === "tap" ? Object.entries(network.interfaces) : [];
  const order = devices.filter(({ type }) => type === "net").map((device) => device.name);
  const vifs = bridges
    .toSorted(([a], [b]) => order.indexOf(a) - order.indexOf(b))
    .map(([, bridge]) => `"bridge=${quoted(bridge, "a bridge's name")}"`);
  return [
    `name = "${quoted(name, "the name")}"`,
    `type = "${spec.target === "pv" ? "pv" : "pvh"}"`,
    `kernel = "${quoted(spec.kernel, "the kernel's path")}"`,
    `cmdline = "${commandLine}"`,
    `memory = ${spec.memory}`,
    "vcpus = 1",
    ...["on_poweroff", "on_reboot", "on_crash"].map((event) => `${event} = "destroy"`),
    `disk = [ ${blocks.map(disk).join(", ")} ]`,
    `vif = [ ${vifs.join(", ")} ]`,
    "",
  ].join("\n");
}

/** The order of the disks is that of the blocks: a Mirage kernel finds its first at xvdb. target= takes all that follows. */
function disk({ file }: Block, i: number): string {
  const device = String.fromCharCode("b".charCodeAt(0) + i);
  return `"format=raw, vdev=xvd${device}, access=ro, target=${quoted(file, "the path of an image")}"`;
}

/** A text between double quotes. What xl's parser would take for something else is refused rather than escaped. */
function quoted(text: string, what: string): string {
  if (/["\\\u0000-\u001f\u007f]/.test(text))
    throw refuse(`${what} has a quote, a backslash or a control character, which xl's configuration cannot carry`);
  return text;
}

export const xlCreate = (config: string): [string, ...string[]] => ["xl", "create", "-q", config];
export const xlDestroy = (name: string): [string, ...string[]] => ["xl", "destroy", name];
/** Prints JSON of all domains, or exits with 1 where there is none of that name. */
export const xlList = (name: string): [string, ...string[]] => ["xl", "list", "-l", name];

/** The path of the kernel that a domain runs, from `xl list -l`; undefined where that does not say. */
export function domainKernel(json: string): string | undefined {
  let domains: unknown;
  try {
    domains = JSON.parse(json);
  } catch {
    return undefined;
  }
  const domain: unknown = Array.isArray(domains) ? domains[0] : domains;
  const find = (value: unknown): string | undefined => {
    if (typeof value !== "object" || value === null) return undefined;
    if ("kernel" in value && typeof value.kernel === "string") return value.kernel;
    return Object.values(value)
      .map(find)
      .find((found) => found !== undefined);
  };
  return find(domain);
}
