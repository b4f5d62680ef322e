/** host up: one supervisor for one guest, until it is told to end. */
import path from "node:path";
import type { HostContext, HostOptions } from "./context.ts";
import { type Guests, ProcessGuests } from "./guest.ts";
import { lockState } from "./lock.ts";
import { planGuest } from "./prepare.ts";
import { openRuntime, runtimePath } from "./runtime.ts";
import { AlbatrossGuests, XenGuests } from "./services.ts";
import { Supervisor } from "./supervisor.ts";
import { openHost, type Synced, syncHost } from "./sync.ts";
import { tenderOf } from "./tenders.ts";

export interface UpOptions {
  /** Ends the supervisor, and the guest with it. */
  readonly signal: AbortSignal;
  /** Accept, once, a release that is older than the newest that ran here. */
  readonly allowDowngrade: boolean;
}

/** Runs until the signal. Throws for what keeps it from beginning; afterwards it reports and goes on. */
export async function hostUp(options: HostOptions, { signal, allowDowngrade }: UpOptions): Promise<void> {
  const context = openHost(options);
  using _lock = lockState(context.store.directory);
  context.store.recover();
  warnOfSilence(context);
  const { directory: runtime, inMemory } = openRuntime(context);
  if (!inMemory && Object.keys(context.config.secrets).length > 0)
    context.log.warning(`${runtime} is not in memory: secrets reach a disk; set runtime in host.yml`);
  const guests = guestsOf(context, runtime);
  await new Supervisor(context, { runtime, guests, signal, insist: allowDowngrade }).run();
}

export interface UpPlan extends Synced {
  /** What would start the guest, and where; absent where the release would not be launched. */
  readonly command?: readonly string[];
}

/** One look at the repository, and what would be launched. Throws what keeps the release from it. */
export async function planUp(options: HostOptions, { allowDowngrade }: { allowDowngrade: boolean }): Promise<UpPlan> {
  const synced = await syncHost(options, { allowDowngrade, dryRun: true });
  const context = openHost(options);
  warnOfSilence(context);
  if (synced.outcome === "refused") return synced;
  const release = path.basename(synced.release);
  return { ...synced, command: await planGuest(context, synced.manifest, release, runtimePath(context)) };
}

/** A guest that nobody reaches, and nobody asks whether it serves, is seldom what was meant. */
function warnOfSilence(context: HostContext): void {
  const { launch, health } = context.config;
  if (health !== undefined || Object.keys(launch.net).length > 0 || launch.forward.length > 0) return;
  const tender = tenderOf(context);
  const reached = tender === "unix" || tender === "command" ? "" : "no launch.net, so nobody reaches the guest, and ";
  context.log.warning(
    `host.yml has ${reached}no health, so a release is good whose guest stays up for two seconds, whether it serves or not`,
  );
}

function guestsOf(context: HostContext, runtime: string): Guests {
  const tender = tenderOf(context);
  if (tender === "xl") return new XenGuests(context, runtime);
  return tender === "albatross" ? new AlbatrossGuests(context, runtime) : new ProcessGuests(context, runtime);
}
