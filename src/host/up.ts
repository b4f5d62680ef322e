/** host up: one supervisor for one guest, until it is told to end. */
import type { HostContext, HostOptions } from "./context.ts";
import { type Guests, ProcessGuests } from "./guest.ts";
import { lockState } from "./lock.ts";
import { tenderOf } from "./prepare.ts";
import { openRuntime } from "./runtime.ts";
import { AlbatrossGuests, XenGuests } from "./services.ts";
import { Supervisor } from "./supervisor.ts";
import { openHost } from "./sync.ts";

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
  const { directory: runtime, inMemory } = openRuntime(context);
  if (!inMemory && Object.keys(context.config.secrets).length > 0)
    context.log.warning(`${runtime} is not in memory: secrets reach a disk; set runtime in host.yml`);
  const guests = guestsOf(context, runtime);
  await new Supervisor(context, { runtime, guests, signal, insist: allowDowngrade }).run();
}

function guestsOf(context: HostContext, runtime: string): Guests {
  const tender = tenderOf(context);
  if (tender === "xl") return new XenGuests(context, runtime);
  return tender === "albatross" ? new AlbatrossGuests(context, runtime) : new ProcessGuests(context, runtime);
}
