/** Looks at the repository time and again, beside the watch over the guest; what comes of it is an event like any other. */
import type { HostContext } from "./context.ts";
import { openSource } from "./open-source.ts";
import { poll } from "./poll.ts";
import type { Reporter } from "./reporter.ts";
import type { ReleaseSource } from "./source.ts";
import type { HostEvent, HostState } from "./state.ts";
import type { Workshop } from "./workshop.ts";

export interface FollowerOptions {
  readonly signal: AbortSignal;
  /** Accept, once, a release that is older than the newest that ran here. */
  readonly insist: boolean;
  readonly workshop: Workshop;
  readonly reporter: Reporter;
  readonly state: () => HostState;
  readonly onEvent: (event: HostEvent) => void;
}

export class Follower {
  readonly #context: HostContext;
  readonly #options: FollowerOptions;
  readonly #source: ReleaseSource;
  #insist: boolean;
  #looking: Promise<void> | undefined;
  #next = 0;

  /** Throws USAGE for an address that is none. */
  constructor(context: HostContext, options: FollowerOptions) {
    this.#context = context;
    this.#options = options;
    this.#insist = options.insist;
    this.#source = openSource(context, options.signal);
  }

  /** Begins to look where it is time to, and no look is under way. */
  turn(): void {
    this.#looking ??= performance.now() >= this.#next ? this.#look() : undefined;
  }

  /** The next turn looks. */
  hurry(): void {
    this.#next = 0;
  }

  /** Settles when no look is under way. */
  async end(): Promise<void> {
    await this.#looking;
  }

  /** Never throws. */
  async #look(): Promise<void> {
    const { reporter, signal, workshop, state, onEvent } = this.#options;
    try {
      const insist = this.#insist;
      const result = await poll(this.#context, { source: this.#source, workshop, insist, state });
      const { offer } = result;
      reporter.polled(result.message, offer.warning);
      if (result.kind !== "nothing") {
        this.#insist = false;
        const signed = offer.signer === undefined ? "" : `, signed by ${offer.signer}`;
        reporter.say(result.release, `verified${signed}`);
      }
      if (result.kind === "unfit") {
        reporter.say(result.release, `bad: ${result.message}; nothing was stopped`);
        onEvent({ kind: "unfit", release: result.release, reason: result.message });
      } else if (result.kind === "ready") {
        onEvent({ kind: "assembled", release: result.release, insist });
      }
      await offer.tip.tidy();
    } catch (error) {
      if (!signal.aborted) reporter.pollFailed(error);
    } finally {
      this.#looking = undefined;
      this.#next = performance.now() + this.#context.config.poll;
    }
  }
}
