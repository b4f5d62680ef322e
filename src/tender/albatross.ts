/**
 * The albatross tender: unikernels run by its daemon, asked for with albatross-client. Its block devices are objects of its
 * own, which cannot be changed while they are attached, so each release brings blocks of new names. albatross 2.7. Pure.
 */
import { type Block, type GuestSpec, interfaceFor, matchBlocks, refuse } from "./tender.ts";

/** Unikernels and blocks share a name space of labels; dots separate levels (bytes). */
const MAX_LABEL = 63;
const MB = 1024 * 1024;

type Argv = [string, ...string[]];

/** A block of a release: a name that no other release's has. */
export interface AlbatrossBlock {
  readonly block: Block;
  readonly name: string;
  /** Whole megabytes, as albatross counts. */
  readonly megabytes: number;
}

/** Names the blocks: the guest's name, the volume, and the 12 digits of the release's commit. Throws LAUNCH_FAILED. */
export function albatrossBlocks(
  spec: GuestSpec,
  name: string,
  release: string,
  sizeOf: (file: string) => number,
): AlbatrossBlock[] {
  return matchBlocks(spec.devices, spec.blocks).map((block) => ({
    block,
    name: label(`${name}-${block.volume}-${release.slice(release.indexOf("-") + 1)}`),
    megabytes: Math.max(1, Math.ceil(sizeOf(block.file) / MB)),
  }));
}

export function albatrossCreate(spec: GuestSpec, name: string, blocks: readonly AlbatrossBlock[]): Argv {
  if (spec.target !== "hvt" && spec.target !== "spt")
    throw refuse(`albatross runs kernels for hvt and spt; this one is for ${spec.target ?? "an unknown target"}`);
  const { network } = spec;
  const nets = spec.devices
    .filter(({ type }) => type === "net")
    .map(({ name: device }) => {
      const bridge = network.kind === "tap" ? interfaceFor(network.interfaces, device) : undefined;
      if (bridge === undefined) throw refuse(`no bridge is given for device "${device}"`);
      return `--net=${device}:${label(bridge)}`;
    });
  return [
    "albatross-client",
    "create",
    label(name),
    spec.kernel,
    `--mem=${spec.memory}`,
    ...nets,
    ...blocks.map(({ block, name: blockName }) => `--block=${block.device}:${blockName}`),
    ...spec.args.map((arg) => `--arg=${arg}`),
  ];
}

export const albatrossCreateBlock = ({ name, megabytes, block }: AlbatrossBlock): Argv => [
  "albatross-client",
  "create-block",
  name,
  String(megabytes),
  `--data=${block.file}`,
];
export const albatrossDestroyBlock = (name: string): Argv => ["albatross-client", "destroy-block", name];
export const albatrossDestroy = (name: string): Argv => ["albatross-client", "destroy", name];
export const albatrossInfo = (name: string): Argv => ["albatross-client", "info", name];
export const albatrossListBlocks = (): Argv => ["albatross-client", "block"];

/** The names of blocks in a listing that belong to a guest and are of another release than `release`. */
export function staleBlocks(listing: string, name: string, release: string | undefined): string[] {
  const ours = new RegExp(`(?<![\\w-])${name}-[A-Za-z0-9_-]+-[0-9a-f]{12}(?![\\w-])`, "g");
  const digits = release?.slice(release.indexOf("-") + 1);
  const names = new Set([...listing.matchAll(ours)].map(([found]) => found));
  return [...names].filter((found) => digits === undefined || !found.endsWith(`-${digits}`));
}

function label(text: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_-]*$/.test(text) && text.length <= MAX_LABEL) return text;
  throw refuse(`${JSON.stringify(text)} is no name for albatross: at most ${MAX_LABEL} letters, digits, - and _`);
}
