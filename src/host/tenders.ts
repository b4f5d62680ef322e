/** How each tender is given a release: which files it gets, and the command line. Nothing is started here. */
import path from "node:path";
import { DeployError } from "../errors.ts";
import { accelerators } from "../tender/accel.ts";
import { albatrossBlocks, albatrossCreate } from "../tender/albatross.ts";
import { unixArgs } from "../tender/args.ts";
import { planCommand } from "../tender/command.ts";
import { planQemu } from "../tender/qemu.ts";
import { planSolo5 } from "../tender/solo5.ts";
import { type Block, type GuestSpec, refuse } from "../tender/tender.ts";
import { planUnix } from "../tender/unix.ts";
import { xlCreate } from "../tender/xl.ts";
import { findProgram } from "../util/programs.ts";
import type { HostContext } from "./context.ts";
import type { Place } from "./place.ts";

export type HostTender = "qemu" | "solo5-hvt" | "solo5-spt" | "unix" | "command" | "xl" | "albatross";

export interface Equipped {
  readonly spec: GuestSpec;
  /** What starts it; where that is a service, the first thing that it is asked for. */
  readonly argv: readonly string[];
  /** To be tried where the accelerator of `argv` does not work. */
  readonly otherwise?: readonly string[] | undefined;
}

const OF_TARGET: Readonly<Record<string, HostTender>> = {
  hvt: "solo5-hvt",
  spt: "solo5-spt",
  virtio: "qemu",
  pvh: "qemu",
  xen: "xl",
  pv: "xl",
  unix: "unix",
};

/** The tender that host.yml names or the target belongs to. Throws LAUNCH_FAILED where there is none. */
export function tenderOf({ config }: HostContext): HostTender {
  const { tender } = config.launch;
  if (tender !== "auto") return tender;
  const found = OF_TARGET[config.target];
  if (found) return found;
  throw refuse(
    `no tender here runs kernels for ${config.target}`,
    "set launch.tender: command in host.yml, and the command",
  );
}

/** Throws LAUNCH_FAILED for what cannot work, PROGRAM_MISSING for a tender that is not installed. */
export function equip(context: HostContext, tender: HostTender, spec: GuestSpec, place: Place): Promise<Equipped> {
  return EQUIP[tender](context, spec, place);
}

type Equip = (context: HostContext, spec: GuestSpec, place: Place) => Promise<Equipped>;

const EQUIP: Readonly<Record<HostTender, Equip>> = {
  qemu: equipQemu,
  "solo5-hvt": (context, spec, place) => equipSolo5(context, spec, place, "hvt"),
  "solo5-spt": (context, spec, place) => equipSolo5(context, spec, place, "spt"),
  unix: equipUnix,
  command: equipCommand,
  xl: async (_context, spec, place) => ({ spec, argv: xlCreate(place.at("domain.xl")) }),
  albatross: equipAlbatross,
};

async function equipQemu({ config, env }: HostContext, spec: GuestSpec, place: Place): Promise<Equipped> {
  // The kernel's path is the first word of its command line: it must be one word.
  place.link(spec.kernel, "kernel");
  const [argv, otherwise] = accelerators(config.launch.accel, env).map((accel) =>
    withProgram(planQemu({ ...spec, kernel: "kernel" }, { accel, control: false }).argv, env),
  );
  return { spec, argv: argv as string[], otherwise };
}

async function equipSolo5(context: HostContext, spec: GuestSpec, place: Place, kind: "hvt" | "spt"): Promise<Equipped> {
  const blocks: Block[] = [];
  for (const block of spec.blocks) {
    // A tender of Solo5 opens every block for writing: a device that cannot be written to, else a copy.
    const file = isSecret(context, block) ? block.file : await place.device(block.file);
    blocks.push({ ...block, file: file ?? place.copy(block.file, `${block.volume}.img`, 0o600) });
  }
  const { argv } = planSolo5({ ...spec, blocks }, { kind });
  return { spec, argv: withProgram(argv, context.env) };
}

async function equipUnix(context: HostContext, spec: GuestSpec, place: Place): Promise<Equipped> {
  const images = new Map<string, string>();
  for (const block of spec.blocks) {
    if (!/^[A-Za-z0-9_-]{1,67}$/.test(block.device))
      throw refuse(`device ${JSON.stringify(block.device)} cannot be a file's name`);
    // A secret stays where it is, in memory.
    if (isSecret(context, block)) place.link(block.file, block.device);
    else place.copy(block.file, block.device, 0o600);
    images.set(block.volume, block.device).set(block.device, block.device);
  }
  const kernel = place.copy(spec.kernel, ".kernel", 0o700);
  const named = spec.args.some((arg) => arg.includes("{image:"));
  const template = named ? spec.args : [...new Set(images.values()), ...spec.args];
  const args = unixArgs(spec.args, template, images, spec.port);
  return { spec, argv: planUnix({ ...spec, kernel, args }).argv };
}

async function equipCommand(context: HostContext, spec: GuestSpec, place: Place): Promise<Equipped> {
  const blocks = spec.blocks.map((block) => ({
    ...block,
    file: isSecret(context, block) ? block.file : place.copy(block.file, `${block.volume}.img`, 0o600),
  }));
  const kernel = place.copy(spec.kernel, "kernel", 0o700);
  const { argv } = planCommand({ ...spec, kernel, blocks }, context.config.launch.command ?? [], 0);
  return { spec, argv: withProgram(argv, context.env) };
}

async function equipAlbatross({ config }: HostContext, spec: GuestSpec, { release }: Place): Promise<Equipped> {
  // The blocks' sizes matter only to those who create them.
  const blocks = albatrossBlocks(spec, config.name, release, () => 0);
  return { spec, argv: albatrossCreate(spec, config.name, blocks) };
}

function withProgram([program, ...rest]: readonly [string, ...string[]], env: NodeJS.ProcessEnv): string[] {
  const found = findProgram(program, env.PATH);
  if (found === undefined) {
    throw new DeployError("PROGRAM_MISSING", `${program} is not installed or not in PATH`, {
      hint: `install it, or name another tender in host.yml`,
    });
  }
  return [found, ...rest];
}

const isSecret = ({ store }: HostContext, { file }: Block) =>
  !file.startsWith(path.join(store.directory, "releases", "/"));
