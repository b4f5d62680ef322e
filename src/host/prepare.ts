/** What a guest is started with: its files, its secrets, its command line. Made ready before anything is stopped. */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import type { Target } from "../kernel/target.ts";
import { isAttached, type ManifestKernel, type ReleaseManifest } from "../manifest/schema.ts";
import { type Block, type Forward, type GuestSpec, type Network, refuse } from "../tender/tender.ts";
import { makeDirectories } from "../util/files.ts";
import type { HostContext } from "./context.ts";
import { makePlace, plannedPlace } from "./place.ts";
import { makeSecrets, requireSecrets, type SecretImage, secretFiles, secretsPrint } from "./secrets.ts";
import { equip, type Equipped, type HostTender, tenderOf } from "./tenders.ts";

export interface Prepared extends Equipped {
  readonly release: string;
  readonly tender: HostTender;
  /** The guest's own directory. */
  readonly directory: string;
  /** Digest of all that it is given: another one means that it has to be started again. */
  readonly print: string;
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

/** Throws LAUNCH_FAILED for what the release is at fault of, and others for what this host lacks. */
export async function prepareGuest(context: HostContext, release: string, runtime: string): Promise<Prepared> {
  const { store } = context;
  const manifest = store.manifest(release);
  const tender = tenderOf(context);
  const secrets = makeSecrets(context, manifest, runtime);
  const spec = specOf(context, manifest, release, secrets);
  const print = printWith(context, secrets);
  makeDirectories(store.guests, 0o700);
  const directory = mkdtempSync(path.join(store.guests, `${release}-`));
  try {
    return {
      release,
      tender,
      directory,
      print,
      ...(await equip(context, tender, spec, makePlace(context, directory, release))),
    };
  } catch (error) {
    discardGuestDirectory(context, directory);
    throw error;
  }
}

/** The command line that a release would be started with, as near as can be said with nothing made and nothing started. */
export async function planGuest(
  context: HostContext,
  manifest: ReleaseManifest,
  release: string,
  runtime: string,
): Promise<readonly string[]> {
  requireSecrets(context, manifest);
  const spec = specOf(context, manifest, release, secretFiles(context, manifest, runtime));
  const place = plannedPlace(path.join(context.store.guests, release), release);
  return (await equip(context, tenderOf(context), spec, place)).argv;
}

function specOf(
  context: HostContext,
  manifest: ReleaseManifest,
  release: string,
  secrets: readonly Pick<SecretImage, "volume" | "file">[],
): GuestSpec {
  const { store, config } = context;
  const kernel = kernelOf(context, manifest);
  return {
    kernel: path.join(store.release(release), kernel.path),
    target: kernel.target as Target | null,
    devices: kernel.devices.map(({ name, type }) => ({ name, type })),
    memory: config.launch.memory ?? manifest.launch.memory,
    args: config.launch.args ?? manifest.launch.args,
    blocks: blocksOf(context, manifest, release, secrets),
    network: networkOf(context),
    port: 80,
  };
}

/** Removes what earlier programs left of guests that are no more. */
export function removeGuestDirectories({ store }: HostContext, keep: string | undefined): void {
  if (!existsSync(store.guests)) return;
  for (const entry of readdirSync(store.guests)) {
    const directory = path.join(store.guests, entry);
    if (directory !== keep) discardGuestDirectory({ store }, directory);
  }
}

/** Only what is a guest's: what says where a guest was may be damaged. */
export function discardGuestDirectory({ store }: Pick<HostContext, "store">, directory: string): void {
  if (path.dirname(path.resolve(directory)) !== path.resolve(store.guests)) return;
  rmSync(directory, { recursive: true, force: true });
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
  release: string,
  secrets: readonly Pick<SecretImage, "volume" | "file">[],
): Block[] {
  return manifest.volumes.filter(isAttached).map(({ name, device }) => {
    const secret = secrets.find(({ volume }) => volume === name);
    return { device, volume: name, file: secret?.file ?? path.join(store.release(release), "volumes", `${name}.img`) };
  });
}

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
