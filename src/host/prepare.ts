/**
 * Everything that a guest needs, made ready while the old one still runs: its directory, copies of what a tender would
 * open for writing, secret volumes, and the command line. Throws before anything is stopped.
 */
import { createHash } from "node:crypto";
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import path from "node:path";
import { DeployError } from "../errors.ts";
import type { Target } from "../kernel/target.ts";
import { isAttached, type ManifestKernel, type ReleaseManifest } from "../manifest/schema.ts";
import { unixArgs } from "../tender/args.ts";
import { planCommand } from "../tender/command.ts";
import { planQemu } from "../tender/qemu.ts";
import { planSolo5 } from "../tender/solo5.ts";
import { type Block, type Forward, type GuestSpec, type Network, refuse } from "../tender/tender.ts";
import { planUnix } from "../tender/unix.ts";
import { ioError } from "../util/files.ts";
import { findProgram } from "../util/programs.ts";
import type { HostContext } from "./context.ts";
import { readOnlyDevice } from "./loop-devices.ts";
import { makeSecrets, type SecretImage, secretsPrint } from "./secrets.ts";

export type HostTender = "qemu" | "solo5-hvt" | "solo5-spt" | "unix" | "command" | "xl" | "albatross";

export interface Prepared {
  readonly release: string;
  readonly tender: HostTender;
  readonly spec: GuestSpec;
  /** For tenders that are a process; empty for those that only ask a service. */
  readonly argv: readonly string[];
  /** The guest's own directory. */
  readonly directory: string;
  /** Digest of all that it is given: another one means that it has to be started again. */
  readonly print: string;
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

/** Digest of what a release's guest is given now; makes the secret volumes to find out. */
export function printOf(context: HostContext, manifest: ReleaseManifest, runtime: string): string {
  return printWith(context, makeSecrets(context, manifest, runtime));
}

function printWith({ config }: HostContext, secrets: readonly SecretImage[]): string {
  return createHash("sha256")
    .update(JSON.stringify([secretsPrint(secrets), config.launch]))
    .digest("hex");
}

export async function prepareGuest(context: HostContext, release: string, runtime: string): Promise<Prepared> {
  const { store, config } = context;
  const manifest = store.manifest(release);
  const kernel = kernelOf(context, manifest);
  const tender = tenderOf(context);
  const secrets = makeSecrets(context, manifest, runtime);
  const print = printWith(context, secrets);
  mkdirSync(store.guests, { recursive: true, mode: 0o700 });
  const directory = mkdtempSync(path.join(store.guests, `${release}-`));
  const spec: GuestSpec = {
    kernel: path.join(store.release(release), kernel.path),
    target: kernel.target as Target | null,
    devices: kernel.devices.map(({ name, type }) => ({ name, type })),
    memory: config.launch.memory ?? manifest.launch.memory,
    args: config.launch.args ?? manifest.launch.args,
    blocks: blocksOf(context, manifest, { release, secrets }),
    network: networkOf(context),
    port: 80,
  };
  try {
    const made = await PREPARE[tender](context, spec, { directory, release });
    return { release, tender, directory, print, ...made };
  } catch (error) {
    discardGuestDirectory(directory);
    throw error;
  }
}

/** Removes what earlier programs left of guests that are no more. */
export function removeGuestDirectories({ store }: HostContext, keep: string | undefined): void {
  if (!existsSync(store.guests)) return;
  for (const entry of readdirSync(store.guests)) {
    const directory = path.join(store.guests, entry);
    if (directory !== keep) discardGuestDirectory(directory);
  }
}

export function discardGuestDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
}

interface Place {
  readonly directory: string;
  readonly release: string;
}

type Made = Pick<Prepared, "argv" | "spec">;

const PREPARE: Readonly<Record<HostTender, (context: HostContext, spec: GuestSpec, place: Place) => Promise<Made>>> = {
  qemu: prepareQemu,
  "solo5-hvt": (context, spec, place) => prepareSolo5(context, spec, place, "hvt"),
  "solo5-spt": (context, spec, place) => prepareSolo5(context, spec, place, "spt"),
  unix: prepareUnix,
  command: prepareCommand,
  xl: async (_context, spec) => ({ argv: [], spec }),
  albatross: async (_context, spec) => ({ argv: [], spec }),
};

async function prepareQemu({ config, env }: HostContext, spec: GuestSpec, { directory }: Place): Promise<Made> {
  // The kernel's path is the first word of its command line: it must be one word.
  symlinkSync(spec.kernel, path.join(directory, "kernel"));
  const accel = config.launch.accel === "auto" ? accelerator(env) : config.launch.accel;
  const { argv } = planQemu({ ...spec, kernel: "kernel" }, { accel, control: false });
  return { spec, argv: withProgram(argv, env) };
}

function accelerator(env: NodeJS.ProcessEnv): "kvm" | "tcg" {
  const forced = env.UNIKERNEL_DEPLOY_ACCEL;
  if (forced === "kvm" || forced === "tcg") return forced;
  try {
    closeSync(openSync("/dev/kvm", "r+"));
    return "kvm";
  } catch {
    return "tcg";
  }
}

async function prepareSolo5(
  context: HostContext,
  spec: GuestSpec,
  { directory }: Place,
  kind: "hvt" | "spt",
): Promise<Made> {
  const blocks: Block[] = [];
  for (const block of spec.blocks) {
    // A tender of Solo5 opens every block for writing: a device that cannot be written to, else a copy.
    const file = isSecret(context, block) ? block.file : await readOnlyDevice(context, block.file);
    blocks.push({ ...block, file: file ?? copy(block.file, path.join(directory, `${block.volume}.img`), 0o600) });
  }
  const { argv } = planSolo5({ ...spec, blocks }, { kind });
  return { spec, argv: withProgram(argv, context.env) };
}

async function prepareUnix(context: HostContext, spec: GuestSpec, { directory }: Place): Promise<Made> {
  const images = new Map<string, string>();
  for (const block of spec.blocks) {
    if (!/^[A-Za-z0-9_-]{1,67}$/.test(block.device))
      throw refuse(`device ${JSON.stringify(block.device)} cannot be a file's name`);
    const target = path.join(directory, block.device);
    // A secret stays where it is, in memory.
    if (isSecret(context, block)) symlinkSync(block.file, target);
    else copy(block.file, target, 0o600);
    images.set(block.volume, block.device).set(block.device, block.device);
  }
  copy(spec.kernel, path.join(directory, ".kernel"), 0o700);
  const named = spec.args.some((arg) => arg.includes("{image:"));
  const template = named ? spec.args : [...new Set(images.values()), ...spec.args];
  const args = unixArgs(spec.args, template, images, spec.port);
  const { argv } = planUnix({ ...spec, kernel: path.join(directory, ".kernel"), args });
  return { spec, argv };
}

async function prepareCommand(context: HostContext, spec: GuestSpec, { directory }: Place): Promise<Made> {
  const blocks = spec.blocks.map((block) => ({
    ...block,
    file: isSecret(context, block) ? block.file : copy(block.file, path.join(directory, `${block.volume}.img`), 0o600),
  }));
  const kernel = copy(spec.kernel, path.join(directory, "kernel"), 0o700);
  const { argv } = planCommand({ ...spec, kernel, blocks }, context.config.launch.command ?? [], 0);
  return { spec, argv: withProgram(argv, context.env) };
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

function kernelOf({ config }: HostContext, manifest: ReleaseManifest): ManifestKernel {
  const kernel = manifest.kernels.find(
    ({ target, arch }) => target === config.target && (config.arch ?? arch) === arch,
  );
  if (kernel) return kernel;
  throw refuse(`release ${manifest.sequence} has no kernel for ${config.target}`);
}

function blocksOf(
  { store }: HostContext,
  manifest: ReleaseManifest,
  { release, secrets }: { release: string; secrets: readonly SecretImage[] },
): Block[] {
  return manifest.volumes.filter(isAttached).map(({ name, device }) => {
    const secret = secrets.find(({ volume }) => volume === name);
    return { device, volume: name, file: secret?.file ?? path.join(store.release(release), "volumes", `${name}.img`) };
  });
}

const isSecret = ({ store }: HostContext, { file }: Block) =>
  !file.startsWith(path.join(store.directory, "releases", "/"));

function networkOf({ config }: HostContext): Network {
  const { net, forward } = config.launch;
  if (Object.keys(net).length > 0) return { kind: "tap", interfaces: net };
  return { kind: "user", forwards: forward.map(parseForward) };
}

/** "127.0.0.1:8080:80" or "8080:80"; the schema has judged it. */
function parseForward(text: string): Forward {
  const words = text.split(":");
  const [address, port, guestPort] = words.length === 3 ? words : ["127.0.0.1", ...words];
  return { address: address as string, port: Number(port), guestPort: Number(guestPort) };
}

function copy(from: string, to: string, mode: number): string {
  try {
    // A clone where the file system can: it costs no time and no space.
    copyFileSync(from, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    chmodSync(to, mode);
  } catch (error) {
    throw ioError(`cannot copy ${from}`, error);
  }
  return to;
}
