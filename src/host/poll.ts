/** One look at the repository: what it offers is verified, laid out and made ready, all while the old guest runs. */
import { DeployError } from "../errors.ts";
import type { HostContext } from "./context.ts";
import { fetchOffer, type Offer } from "./offer.ts";
import type { ReleaseSource } from "./source.ts";
import { isStaged, stageOffer } from "./stage.ts";
import { type HostState, step, whyNot } from "./state.ts";
import type { Workshop } from "./workshop.ts";

export type PollResult =
  /** Nothing to do. `message` says why. */
  | { readonly kind: "nothing"; readonly message: string; readonly offer: Offer }
  /** On disk and ready to be launched. */
  | {
      readonly kind: "ready";
      readonly release: string;
      readonly message: string;
      readonly offer: Offer;
    }
  /** On disk, and never going to start here. */
  | { readonly kind: "unfit"; readonly release: string; readonly message: string; readonly offer: Offer };

export interface PollOptions {
  readonly source: ReleaseSource;
  readonly workshop: Workshop;
  readonly insist: boolean;
  readonly state: () => HostState;
}

/** What was refused, and when (of performance.now), so that it is not put together again at every look. */
let refused: { readonly key: string; readonly error: DeployError; readonly at: number } | undefined;
/** A registry whose disk was at fault may have been mended meanwhile (milliseconds). */
const REFUSED_FOR = 15 * 60_000;

/** Throws what the fetch, the verification or this host has against it; nothing is stopped then. */
export async function poll(
  context: HostContext,
  { source, workshop, insist, state }: PollOptions,
): Promise<PollResult> {
  const offer = await fetchOffer(context, { source, allowDowngrade: insist });
  const { name } = offer;
  const key = `${context.store.directory} ${offer.tip.revision} ${offer.print}`;
  if (refused?.key === key && performance.now() - refused.at < REFUSED_FOR) throw refused.error;
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
  workshop.expect(name);
  try {
    const result = await bring(context, { offer, key, wanted, workshop });
    // What is decided about it is decided by an event; where there is none, it is not coming.
    if (result.kind === "nothing") workshop.arrived(name);
    return result;
  } catch (error) {
    workshop.arrived(name);
    throw error;
  }
}

interface Bringing extends Pick<PollOptions, "workshop"> {
  readonly offer: Offer;
  /** Of what would be refused. */
  readonly key: string;
  /** Whether it is to be launched. */
  readonly wanted: boolean;
}

async function bring(context: HostContext, { offer, key, wanted, workshop }: Bringing): Promise<PollResult> {
  const { name } = offer;
  try {
    // Also where it is here already: then something that the manifest names is not what was verified.
    await stageOffer(context, offer, { dryRun: false });
  } catch (error) {
    if (error instanceof DeployError && error.exitCode === 4) refused = { key, error, at: performance.now() };
    throw error;
  }
  if (!wanted) return { kind: "nothing", offer, message: `${name} was verified again` };
  try {
    await workshop.prepare(name);
    return { kind: "ready", release: name, message: `found ${name}`, offer };
  } catch (error) {
    // The release's own fault; what this host lacks, it may have at the next look.
    if (!(error instanceof DeployError) || error.code !== "LAUNCH_FAILED") throw error;
    return { kind: "unfit", release: name, message: error.message, offer };
  }
}
