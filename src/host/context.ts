/** What everything on the host works with. The doors supply it: clock, log and environment come from there. */
import type { HostConfig } from "../inputs/host.ts";
import type { Log } from "../util/log.ts";
import type { HostStore } from "./store.ts";

/** What the host is doing, for logs, for the service manager, and for tests that end it in the middle. */
export type Phase = "fetch" | "verify" | "assemble" | "switch" | "stop" | "launch" | "probe" | "collect" | "idle";

export interface HostOptions {
  readonly config: HostConfig;
  /** What relative paths in host.yml are relative to. */
  readonly directory: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
  /** Text of the key file that host.yml names. */
  readonly sshKey: string | undefined;
  readonly knownHosts: string | undefined;
  readonly now: () => Date;
  readonly onPhase?: ((phase: Phase, release: string | undefined) => void) | undefined;
}

export interface HostContext extends HostOptions {
  readonly store: HostStore;
}
