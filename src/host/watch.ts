/** Whether the guest that was started serves: asked often at first, now and then later. */
import { describeEnd } from "../tender/ending.ts";
import { formatDuration } from "../util/size.ts";
import type { HostContext } from "./context.ts";
import type { Guests, Running } from "./guest.ts";
import { probe, type ProbeResult } from "./probe.ts";

/** Without a probe a guest is good that has stayed up for so long (milliseconds). */
const SETTLE = 2000;
/**
 * The first tries are short: a tender may accept a connection before the guest exists, and then nobody ever answers on it.
 * A slow page gets its time by and by (milliseconds).
 */
const FIRST_TRY = 250;
const LONGEST_TRY = 5000;
/** A guest that served is given up after so many probes in a row. */
const MAX_SILENCES = 3;

export type Verdict =
  | { readonly kind: "healthy"; readonly message: string }
  | { readonly kind: "failed"; readonly message: string };

export class Watch {
  readonly running: Running;
  readonly #context: HostContext;
  readonly #guests: Guests;
  readonly #started = performance.now();
  #healthy = false;
  #try = FIRST_TRY;
  #silences = 0;
  #next = 0;
  #nextFind = 0;
  /** The last probe. */
  last: ProbeResult | undefined;

  constructor(context: HostContext, guests: Guests, running: Running) {
    this.#context = context;
    this.#guests = guests;
    this.running = running;
  }

  get isHealthy(): boolean {
    return this.#healthy;
  }

  /** Milliseconds since the guest was started, or adopted. */
  get age(): number {
    return performance.now() - this.#started;
  }

  /** Looks once, and stops looking at the signal; a verdict where there is a new one. */
  async look(signal: AbortSignal): Promise<Verdict | undefined> {
    if (performance.now() < this.#nextFind) return undefined;
    this.#nextFind = performance.now() + this.#guests.pause;
    const found = await this.#guests.find();
    if (found?.release !== this.running.release) return { kind: "failed", message: `the guest ${this.#end()}` };
    const { health } = this.#context.config;
    if (health === undefined) {
      if (this.#healthy || this.age < SETTLE) return undefined;
      this.#healthy = true;
      return { kind: "healthy", message: `it has stayed up for ${formatDuration(SETTLE)}` };
    }
    if (performance.now() < this.#next) return undefined;
    const manifest = this.#context.store.manifest(this.running.release);
    const timeout = this.#healthy ? LONGEST_TRY : this.#try;
    this.last = await probe(health, manifest, AbortSignal.any([signal, AbortSignal.timeout(timeout)]));
    if (signal.aborted) return undefined;
    return this.#healthy ? this.#judgeLater(this.last, health.interval) : this.#judgeFirst(this.last, health.timeout);
  }

  #judgeFirst({ ok, message }: ProbeResult, timeout: number): Verdict | undefined {
    if (ok) {
      this.#healthy = true;
      this.#next = performance.now() + (this.#context.config.health?.interval ?? 0);
      return { kind: "healthy", message };
    }
    this.#try = Math.min(this.#try * 2, LONGEST_TRY);
    if (this.age <= timeout) return undefined;
    return { kind: "failed", message: `not healthy within ${formatDuration(timeout)}: ${message}${this.#said()}` };
  }

  #judgeLater({ ok, message }: ProbeResult, interval: number): Verdict | undefined {
    this.#silences = ok ? 0 : this.#silences + 1;
    // What may be a stumble is asked again soon.
    this.#next = performance.now() + (ok ? interval : Math.min(interval, 1000));
    if (this.#silences < MAX_SILENCES) return undefined;
    return { kind: "failed", message: `${MAX_SILENCES} probes in a row failed: ${message}${this.#said()}` };
  }

  #end(): string {
    return describeEnd(this.#guests.console(), { code: null, signal: null }, true);
  }

  #said(): string {
    const line = this.#guests.console().tail(1)[0];
    return line === undefined ? "" : `; its last line was: ${line}`;
  }
}
