/** One look at the repository: what it offers is verified, laid out and made ready, all while the old guest runs. */
import { DeployError } from "../errors.ts";
import type { HostContext } from "./context.ts";
import { fetchOffer, type Offer } from "./offer.ts";
import { openSource } from "./open-source.ts";
import { type Prepared, prepareGuest } from "./prepare.ts";
import { isStaged, stageOffer } from "./stage.ts";
import { type HostState, step, whyNot } from "./state.ts";

export type PollResult =
  /** Nothing to do. `message` says why. */
  | { readonly kind: "nothing"; readonly message: string; readonly offer: Offer }
  /** On disk and ready to be launched. */
  | {
      readonly kind: "ready";
      readonly release: string;
      readonly message: string;
      readonly prepared: Prepared;
      readonly offer: Offer;
    }
  /** On disk, and never going to start here. */
  | { readonly kind: "unfit"; readonly release: string; readonly message: string; readonly offer: Offer };

export interface PollOptions {
  readonly runtime: string;
  readonly insist: boolean;
  readonly state: () => HostState;
  readonly signal: AbortSignal;
}

/** What was refused, so that it is not put together again at every look. */
let refused: { readonly key: string; readonly error: DeployError } | undefined;

/** Throws what the fetch, the verification or this host has against it; nothing is stopped then. */
export async function poll(context: HostContext, { runtime, insist, state, signal }: PollOptions): Promise<PollResult> {
  using source = openSource(context);
  const offer = await fetchOffer(context, { source, allowDowngrade: insist, signal });
  const { name } = offer;
  const key = `${context.store.directory} ${offer.tip.revision} ${offer.print}`;
  if (refused?.key === key) throw refused.error;
  const [, actions] = step(state(), { kind: "found", release: name, insist });
  const wanted = actions.some(({ kind }) => kind === "assemble");
  const reason = whyNot(state(), name, insist);
  if (!wanted && (reason !== undefined || isStaged(context, offer))) {
    return {
      kind: "nothing",
      offer,
      message: reason === undefined ? `${name} is the newest` : `${name} is not tried: ${reason}`,
    };
  }
  try {
    // Also where it is here already: then something that the manifest names is not what was verified.
    await stageOffer(context, offer, { dryRun: false });
  } catch (error) {
    if (error instanceof DeployError && error.exitCode === 4) refused = { key, error };
    throw error;
  }
  if (!wanted) return { kind: "nothing", offer, message: `${name} was verified again` };
  try {
    const prepared = await prepareGuest(context, name, runtime);
    return { kind: "ready", release: name, message: `found ${name}`, offer, prepared };
  } catch (error) {
    // The release's own fault; what this host lacks, it may have at the next look.
    if (!(error instanceof DeployError) || error.code !== "LAUNCH_FAILED") throw error;
    return { kind: "unfit", release: name, message: error.message, offer };
  }
}
