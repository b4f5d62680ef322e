/**
 * Follows the repository, keeps one guest running, and goes back to the old release when the new one does not
 * serve. What to do is decided by state.ts; here it is written down, done and told.
 */
import { setTimeout as delay } from "node:timers/promises";
import { messageOf } from "../errors.ts";
import { stopPrograms } from "../util/exec.ts";
import { formatDuration } from "../util/size.ts";
import type { HostContext } from "./context.ts";
import { answerRequest, describe, problemWith, takeRequest } from "./control.ts";
import type { Guests, Running } from "./guest.ts";
import { Follower } from "./follower.ts";
import { discardGuestDirectory } from "./prepare.ts";
import { Reporter } from "./reporter.ts";
import { type HostAction, type HostEvent, type HostState, isAsLasting, step } from "./state.ts";
import { tenderOf } from "./tenders.ts";
import { Watch } from "./watch.ts";
import { Workshop } from "./workshop.ts";

/** Between two looks at everything (milliseconds). */
const TICK = 200;
/** A guest that has served for so long has not failed in a row with what comes later (milliseconds). */
const STABLE = 60_000;
/** Secrets and host.yml are compared with what the guest was given this often, or at every poll (milliseconds). */
const MAX_SECRETS_AGE = 60_000;
/** Before the second, third, … start of a guest that fails (milliseconds). */
const backOff = (failures: number) => (failures < 2 ? 0 : Math.min(1000 * 2 ** (failures - 2), 60_000));

export interface SupervisorOptions {
  /** The runtime directory. */
  readonly runtime: string;
  readonly guests: Guests;
  /** Ends the supervisor, and the guest with it. */
  readonly signal: AbortSignal;
  /** Accept, once, a release that is older than the newest that ran here. */
  readonly insist: boolean;
}

export class Supervisor {
  readonly #context: HostContext;
  readonly #signal: AbortSignal;
  readonly #guests: Guests;
  readonly #reporter: Reporter;
  readonly #events: HostEvent[] = [];
  readonly #workshop: Workshop;
  readonly #follower: Follower;
  #state: HostState;
  #watch: Watch | undefined;
  /** The directory of the guest that runs. */
  #directory: string | undefined;
  /** A guest that failed, until it is time to start it again. */
  #retry: { readonly at: number; readonly event: HostEvent } | undefined;
  #failures = 0;
  #nextSecrets = 0;
  /** Since when the site is not served, as far as we know (of performance.now). */
  #downSince: number | undefined;

  constructor(context: HostContext, { runtime, guests, signal, insist }: SupervisorOptions) {
    this.#reporter = new Reporter(context, runtime);
    this.#context = { ...context, onPhase: (phase, release) => this.#reporter.enter(phase, release) };
    this.#signal = signal;
    this.#guests = guests;
    this.#state = context.store.state();
    this.#workshop = new Workshop(this.#context, runtime);
    this.#follower = new Follower(this.#context, {
      signal,
      insist,
      workshop: this.#workshop,
      reporter: this.#reporter,
      state: () => this.#state,
      onEvent: (event) => this.#events.push(event),
    });
  }

  async run(): Promise<void> {
    const { store } = this.#context;
    const found = await this.#guests.find();
    this.#reporter.say(found?.release, found ? "found running" : "no guest is running");
    this.#directory = found?.directory;
    this.#workshop.begin(found?.directory);
    // A crash may have come between the decision and the link.
    const { current } = this.#state;
    if (current !== undefined && store.current() !== current) store.switchTo(current);
    this.#events.push({ kind: "started", running: found?.release });
    await this.#settle();
    this.#reporter.ready();
    while (!this.#signal.aborted) {
      await this.#turn();
      this.#reporter.update(this.#watch);
      await delay(TICK, undefined, { signal: this.#signal }).catch(() => {});
    }
    await this.#end();
  }

  async #turn(): Promise<void> {
    try {
      this.#follower.turn();
      await this.#obey();
      await this.#lookAtGuest();
      await this.#lookAtSecrets();
      if (this.#retry && performance.now() >= this.#retry.at) {
        this.#events.push(this.#retry.event);
        this.#retry = undefined;
      }
      await this.#settle();
    } catch (error) {
      // A full disk, a directory that cannot be read: told, and tried again.
      this.#reporter.complain(error);
      await delay(1000, undefined, { signal: this.#signal }).catch(() => {});
    }
  }

  async #end(): Promise<void> {
    const { running } = this.#state;
    this.#reporter.stopping();
    this.#reporter.enter("stop", running);
    stopPrograms();
    await this.#guests.stop();
    await this.#follower.end();
    await this.#workshop.end();
    this.#reporter.say(running, "stopped, as told");
  }

  /** Decides about everything that has happened. */
  async #settle(): Promise<void> {
    for (let event = this.#events[0]; event; event = this.#events[0]) {
      await this.#decide(event);
      this.#events.shift();
    }
  }

  /** Throws where a decision cannot be written down: then it is not carried out, and made again later. */
  async #decide(event: HostEvent): Promise<void> {
    const before = this.#state;
    const [next, actions] = step(before, event);
    try {
      if (!isAsLasting(next, before)) this.#context.store.writeState(next);
    } catch (error) {
      // Serving again is worth more than remembering why.
      if (event.kind !== "failed") throw error;
      this.#reporter.complain(error);
    }
    this.#state = next;
    if (event.kind === "assembled" || event.kind === "unfit") this.#workshop.arrived(event.release);
    for (const action of actions) {
      try {
        await this.#act(action, before);
      } catch (error) {
        this.#reporter.complain(error);
      }
    }
  }

  async #act(action: HostAction, before: HostState): Promise<void> {
    const { store } = this.#context;
    switch (action.kind) {
      case "assemble":
        // Done by the look at the repository, which asks the same question.
        return;
      case "stop":
        // What can be made ready while the old guest runs is not made while none does.
        if (this.#state.running !== undefined) await this.#workshop.prepare(this.#state.running).catch(() => {});
        this.#reporter.enter("stop", before.running);
        this.#downSince ??= performance.now();
        await this.#guests.stop();
        this.#watch = undefined;
        return;
      case "launch":
        return this.#launch(action.release);
      case "adopt": {
        const running = await this.#guests.find();
        if (running) this.#watch = new Watch(this.#context, this.#guests, running);
        return this.#reporter.enter("probe", action.release);
      }
      case "switch":
        this.#reporter.enter("switch", action.release);
        return store.switchTo(action.release);
      case "collect": {
        this.#reporter.enter("collect", this.#state.current);
        for (const release of this.#workshop.collect(action.keep))
          this.#reporter.say(release, "removed, as it is needed no longer");
        this.#reporter.enter("idle", undefined);
      }
    }
  }

  async #launch(release: string): Promise<void> {
    this.#reporter.enter("launch", release);
    this.#retry = undefined;
    let running: Running;
    try {
      running = await this.#guests.start(await this.#workshop.take(release));
    } catch (error) {
      return this.#failed(release, `it cannot be launched: ${messageOf(error)}`);
    }
    if (this.#directory !== undefined) discardGuestDirectory(this.#context, this.#directory);
    this.#directory = running.directory;
    const how = [tenderOf(this.#context), ...(running.pid === null ? [] : [`process ${running.pid}`])].join(", ");
    this.#reporter.say(release, `launched (${how})${running.note === undefined ? "" : `; ${running.note}`}`);
    this.#watch = new Watch(this.#context, this.#guests, running);
    this.#reporter.enter("probe", release);
    await this.#workshop.clean(release);
  }

  async #lookAtGuest(): Promise<void> {
    const watch = this.#watch;
    if (!watch) return;
    this.#guests.trim();
    const verdict = await watch.look(this.#signal);
    if (!verdict) return;
    const { release } = watch.running;
    if (verdict.kind === "failed") return this.#failed(release, verdict.message);
    const downtime = this.#downSince === undefined ? undefined : performance.now() - this.#downSince;
    this.#downSince = undefined;
    const down = downtime === undefined ? "" : `; the site was down for ${formatDuration(downtime)}`;
    this.#reporter.say(release, `healthy: ${verdict.message}${down}`);
    this.#reporter.changed(release, true, verdict.message, downtime);
    this.#events.push({ kind: "healthy", release });
    const isNew = this.#state.staged === release;
    await this.#settle();
    if (isNew) this.#reporter.say(release, "current");
    this.#reporter.enter("idle", undefined);
  }

  /** A release on trial is bad at once; one that was good is started again, later each time. */
  #failed(release: string, reason: string): void {
    if (this.#watch?.isHealthy && this.#watch.age > STABLE) this.#failures = 0;
    this.#failures = release === this.#state.staged ? 1 : this.#failures + 1;
    this.#watch = undefined;
    this.#downSince ??= performance.now();
    const event: HostEvent = { kind: "failed", release, reason, failures: this.#failures };
    const [next] = step(this.#state, event);
    if (next.bad.some((bad) => bad.release === release)) {
      const back = next.current === undefined ? "there is none to go back to" : `going back to ${next.current}`;
      this.#reporter.say(release, `bad: ${reason}; ${back}`);
      this.#reporter.changed(release, false, reason, undefined);
      this.#failures = 0;
      this.#events.push(event);
      return;
    }
    const wait = backOff(this.#failures);
    this.#reporter.say(release, `failed: ${reason}; starting it again${wait > 0 ? ` in ${formatDuration(wait)}` : ""}`);
    this.#reporter.restarted();
    this.#retry = { at: performance.now() + wait, event };
  }

  async #obey(): Promise<void> {
    const { store } = this.#context;
    const request = takeRequest(store);
    if (!request) return;
    const { id, kind, to } = request;
    const event: HostEvent = kind === "rollback" ? { kind, to } : { kind };
    const problem = problemWith(store, event);
    if (problem !== undefined) return answerRequest(store, { id, ok: false, message: problem });
    const message = describe(store, event);
    this.#reporter.say(this.#state.current, `told to ${message}`);
    this.#events.push(event);
    await this.#settle();
    if (kind === "resume") this.#follower.hurry();
    answerRequest(store, { id, ok: true, message });
  }

  /** A changed secret, or another host.yml than the guest was started with, is a reason to start it again. */
  async #lookAtSecrets(): Promise<void> {
    if (performance.now() < this.#nextSecrets || !this.#watch) return;
    this.#nextSecrets = performance.now() + Math.min(this.#context.config.poll, MAX_SECRETS_AGE);
    const { release, print } = this.#watch.running;
    if (this.#workshop.printOf(release) === print) return;
    this.#reporter.say(release, "what it was given has changed (a secret, or launch in host.yml): starting it again");
    this.#workshop.drop();
    this.#events.push({ kind: "changed" });
  }
}
