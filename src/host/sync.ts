/** One pass without a guest: fetch what is new, verify all of it, lay it out, and make it current. */
import path from "node:path";
import type { ReleaseManifest } from "../manifest/schema.ts";
import type { HostContext, HostOptions } from "./context.ts";
import { type HostLock, lockState } from "./lock.ts";
import { fetchOffer } from "./offer.ts";
import { openSource } from "./open-source.ts";
import { isStaged, stageOffer } from "./stage.ts";
import { type HostEvent, type HostState, step, whyNot } from "./state.ts";
import { HostStore } from "./store.ts";

export interface SyncOptions {
  readonly allowDowngrade: boolean;
  readonly dryRun: boolean;
}

export interface Synced {
  /**
   * `updated`: another release is current now. `current`: it was already. `planned`: a dry run stopped. `refused`: the
   * release is bad, or held after a rollback.
   */
  readonly outcome: "updated" | "current" | "planned" | "refused";
  readonly manifest: ReleaseManifest;
  /** Commit in the deployment repository, or digest of the registry's manifest. */
  readonly revision: string;
  /** Absolute path of the release on this host. */
  readonly release: string;
  readonly signer: string | undefined;
  readonly warning: string | undefined;
  /** Why it was refused. */
  readonly reason: string | undefined;
}

/** The context over the state directory that host.yml names, made if need be. Throws IO_FAILED. */
export function openHost(options: HostOptions): HostContext {
  return { ...options, store: new HostStore(stateOf(options)) };
}

/** The same for who only looks: nothing is made. */
export function lookAtHost(options: HostOptions): HostContext {
  return { ...options, store: new HostStore(stateOf(options), false) };
}

const stateOf = ({ directory, config }: HostOptions) => path.resolve(directory, config.state);

/** Throws with exit code 4 for anything that is not what was promised; the current release is then untouched. */
export async function syncHost(options: HostOptions, { allowDowngrade, dryRun }: SyncOptions): Promise<Synced> {
  const context = openHost(options);
  const { store, config, onPhase } = context;
  using _lock: HostLock = lockState(store.directory);
  store.recover();
  const source = openSource(context);
  const offer = await fetchOffer(context, { source, allowDowngrade });
  const { name, manifest, tip, signer, warning } = offer;
  const synced = {
    manifest,
    revision: tip.revision,
    release: store.release(name),
    signer,
    warning,
    reason: undefined,
  };
  const state = store.state();
  const isCurrent = state.current === name && store.current() === name;
  if (isCurrent && isStaged(context, offer)) return { ...synced, outcome: "current" };
  const reason = isCurrent ? undefined : whyNot(state, name, allowDowngrade);
  if (reason !== undefined) return { ...synced, outcome: "refused", reason };
  await stageOffer(context, offer, { dryRun });
  if (dryRun) return { ...synced, outcome: "planned" };
  onPhase?.("switch", name);
  const next = state.current === name ? state : adopt(state, name, allowDowngrade);
  store.writeState(next);
  store.switchTo(name);
  onPhase?.("collect", name);
  const { current, rollback, held } = next;
  store.collect(
    config.keep,
    [current, rollback, held].filter((needed) => needed !== undefined),
  );
  await tip.tidy();
  return { ...synced, outcome: "updated" };
}

/** Without a guest to watch, a release that was verified is as good as one gets. */
function adopt(state: HostState, release: string, insist: boolean): HostState {
  const events: HostEvent[] = [
    { kind: "assembled", release, insist },
    { kind: "healthy", release },
  ];
  // A trial that somebody else began and did not end is over: this release is taken as it is.
  const begun: HostState = { ...state, staged: undefined };
  const after = events.reduce((so, event) => step(so, event)[0], begun);
  return { ...after, running: undefined };
}
