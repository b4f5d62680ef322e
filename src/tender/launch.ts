/** Starts a guest with the tender chosen: places its files, decides the command line, and finds out what accelerates it. */
import net from "node:net";
import path from "node:path";
import type { Device, Target } from "../kernel/target.ts";
import { findProgram } from "../util/programs.ts";
import { accelerators, KVM_SILENCE, whyNotKvm } from "./accel.ts";
import { guestArgs, unixArgs } from "./args.ts";
import { planCommand } from "./command.ts";
import { type Guest, startGuest } from "./guest.ts";
import { findEntry, netnsArgv, netnsOrder, tapNames } from "./netns.ts";
import { planQemu, QEMU } from "./qemu.ts";
import { planSolo5 } from "./solo5.ts";
import { type Accel, type Block, type GuestSpec, type LaunchPlan, refuse } from "./tender.ts";
import { planUnix } from "./unix.ts";
import { openWorkDir, type WorkDir } from "./work-dir.ts";

/** The tenders that can run a guest for a check. */
export type TenderName = "qemu" | "solo5-hvt" | "solo5-spt" | "unix" | "command";

export interface LaunchRequest {
  readonly tender: TenderName;
  /** Absolute path. */
  readonly kernel: string;
  readonly target: Target | null;
  /** The application manifest, in its order. */
  readonly devices: readonly Device[];
  /** In MiB. */
  readonly memory: number;
  /** The arguments of production. */
  readonly args: readonly string[];
  /** Arguments to give instead, with placeholders. */
  readonly template: readonly string[] | undefined;
  /** The images, by absolute path; they are never opened for writing. */
  readonly volumes: readonly Block[];
  /** The TCP port that the guest serves. */
  readonly port: number;
  /** "auto" tries KVM and falls back to emulation. */
  readonly accel: Accel | "auto";
  /** The template of tender "command". */
  readonly command: readonly string[] | undefined;
  readonly env: NodeJS.ProcessEnv;
}

/** A guest that has been started. */
export interface Launched extends AsyncDisposable {
  readonly guest: Guest;
  readonly plan: LaunchPlan;
  /** What accelerates it; null for tenders without a choice. */
  readonly accel: Accel | null;
  /** Why KVM was tried and left, where it was. */
  readonly fallback: string | undefined;
  /** The guest's working directory. */
  readonly directory: string;
}

/** sun_path of unix(7) holds 108 bytes with a NUL. */
const MAX_SOCKET_PATH = 107;
/** The helper in a namespace gets this long to end its tender (milliseconds). */
const LEASH = 1500;

/**
 * Starts the guest. Throws LAUNCH_FAILED for what cannot work, before anything is started; what happens afterwards shows
 * in the guest's end and console.
 */
export async function launch(request: LaunchRequest): Promise<Launched> {
  const work = openWorkDir();
  try {
    return await START[request.tender](request, work);
  } catch (error) {
    work[Symbol.dispose]();
    throw error;
  }
}

const START: Readonly<Record<TenderName, (request: LaunchRequest, work: WorkDir) => Promise<Launched>>> = {
  qemu: startQemu,
  "solo5-hvt": (request, work) => startSolo5(request, work, "hvt"),
  "solo5-spt": (request, work) => startSolo5(request, work, "spt"),
  unix: startUnix,
  command: startCommand,
};

async function startQemu(request: LaunchRequest, work: WorkDir): Promise<Launched> {
  // The kernel's path is the first word of its command line: it must be one word.
  const spec = { ...specOf(request), kernel: work.link(request.kernel, "kernel"), network: { kind: "user" } } as const;
  const choices = accelerators(request.accel, request.env);
  let fallback: string | undefined;
  for (const [i, accel] of choices.entries()) {
    const plan = planQemu(spec, { accel });
    const guest = start(plan.argv, work, request, { control: true });
    if (i === choices.length - 1 || (await speaks(guest))) return launched(guest, plan, work, { accel, fallback });
    fallback = whyNotKvm(guest.console, guest.end !== undefined);
    await guest.stop();
  }
  throw refuse("no accelerator was chosen");
}

/** Whether the guest itself prints anything before qemu ends or patience does. */
async function speaks(guest: Guest): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), KVM_SILENCE);
  });
  const spoke = await Promise.race([guest.spoke.then(() => true), guest.ended.then(() => false), late]);
  clearTimeout(timer);
  return spoke;
}

async function startSolo5(request: LaunchRequest, work: WorkDir, kind: "hvt" | "spt"): Promise<Launched> {
  const taps = tapNames(request.devices.filter(({ type }) => type === "net").map(({ name }) => name));
  const blocks = request.volumes.map((block) => ({
    ...block,
    file: work.copy(block.file, `${block.volume}.img`, 0o600),
  }));
  const kernel = work.link(request.kernel, "kernel");
  const plan = planSolo5({ ...specOf(request), kernel, blocks, network: { kind: "tap", interfaces: taps } }, { kind });
  if (Buffer.byteLength(path.join(work.path, "relay.sock")) > MAX_SOCKET_PATH) {
    throw refuse(
      `the path of the temporary directory is too long for a socket: ${work.path}`,
      "set TMPDIR to a shorter one",
    );
  }
  const entry = await findEntry(request.env);
  if ("missing" in entry) throw refuse(entry.missing, "run as root, or allow sudo without a password");
  const program = findProgram(plan.argv[0], request.env.PATH) ?? plan.argv[0];
  const order = netnsOrder({ ...plan, argv: [program, ...plan.argv.slice(1)] }, Object.values(taps), request.port);
  const guest = start(netnsArgv(entry.enter, order), work, request, { leash: LEASH });
  return launched(guest, plan, work, { accel: null, fallback: undefined });
}

async function startUnix(request: LaunchRequest, work: WorkDir): Promise<Launched> {
  const images = new Map<string, string>();
  const blocks = request.volumes.map((block) => {
    if (!/^[A-Za-z0-9_-]{1,67}$/.test(block.device))
      throw refuse(`device ${JSON.stringify(block.device)} cannot be a file's name`);
    const file = work.copy(block.file, block.device, 0o600);
    images.set(block.volume, file).set(block.device, file);
    return { ...block, file };
  });
  // An artifact that was downloaded has lost its executable bit.
  const kernel = `./${work.copy(request.kernel, ".kernel", 0o700)}`;
  const args = unixArgs(request.args, request.template, images, request.port);
  const plan = planUnix({ ...specOf(request), kernel, blocks, args, network: { kind: "host" } });
  return launched(start(plan.argv, work, request), plan, work, { accel: null, fallback: undefined });
}

async function startCommand(request: LaunchRequest, work: WorkDir): Promise<Launched> {
  const here = (name: string) => path.join(work.path, name);
  const blocks = request.volumes.map((block) => ({
    ...block,
    file: here(work.copy(block.file, `${block.volume}.img`, 0o600)),
  }));
  const kernel = here(work.copy(request.kernel, path.basename(request.kernel), 0o700));
  const spec = { ...specOf(request), kernel, blocks, network: { kind: "host" } } as const;
  const plan = planCommand(spec, request.command ?? [], await freePort());
  return launched(start(plan.argv, work, request), plan, work, { accel: null, fallback: undefined });
}

function specOf(request: LaunchRequest): GuestSpec {
  const { kernel, target, devices, memory, port, volumes } = request;
  const args = guestArgs(request.args, request.template, port);
  return { kernel, target, devices, memory, port, args, blocks: volumes, network: { kind: "host" } };
}

function start(
  argv: LaunchPlan["argv"],
  work: WorkDir,
  { env, tender }: LaunchRequest,
  options: { readonly control?: boolean; readonly leash?: number } = {},
): Guest {
  const [program, ...rest] = argv;
  // Looked up in the PATH that was asked about, not in ours.
  const found = tender === "unix" ? program : (findProgram(program, env.PATH) ?? program);
  return startGuest({
    argv: [found, ...rest],
    cwd: work.path,
    env: { ...guestEnvironment(env), ...work.mark },
    ...options,
  });
}

/** A kernel built by a pull request sees no secrets of the job: only what programs need to run at all. */
function guestEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { PATH, HOME, LANG, LC_ALL, TMPDIR, LD_LIBRARY_PATH } = env;
  return Object.fromEntries(
    Object.entries({ PATH, HOME, LANG, LC_ALL, TMPDIR, LD_LIBRARY_PATH }).filter(([, value]) => value !== undefined),
  );
}

function launched(guest: Guest, plan: LaunchPlan, work: WorkDir, more: Pick<Launched, "accel" | "fallback">): Launched {
  return {
    guest,
    plan,
    directory: work.path,
    ...more,
    async [Symbol.asyncDispose]() {
      try {
        await guest.stop();
      } finally {
        work[Symbol.dispose]();
      }
    },
  };
}

/** A port that was free a moment ago; only the user's own command needs to be told one. */
async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** The program that a tender needs to have installed; undefined for those that need none. */
export function programOf(tender: TenderName, command: readonly string[] | undefined): string | undefined {
  if (tender === "qemu") return QEMU;
  if (tender === "command") return command?.[0];
  return tender === "unix" ? undefined : tender;
}
