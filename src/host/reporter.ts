/** What the supervisor tells: the log, one line an event; the status file; the service manager. */
import { DeployError, messageOf } from "../errors.ts";
import type { HostContext, Phase } from "./context.ts";
import { type Notifier, openNotifier } from "./notify.ts";
import { type Status, writeStatus } from "./runtime.ts";
import type { Watch } from "./watch.ts";

export class Reporter {
  readonly #context: HostContext;
  readonly #runtime: string;
  readonly #notifier: Notifier;
  readonly #since: string;
  #phase: Phase = "idle";
  #poll: Status["poll"];
  #probe: Status["probe"];
  #change: Status["change"];
  #restarts = 0;
  /** What was complained of last: of the repository, and of everything else. */
  readonly #complaints = { poll: "", turn: "" };
  #written = "";
  #nextAlive = 0;

  constructor(context: HostContext, runtime: string) {
    this.#context = context;
    this.#runtime = runtime;
    this.#notifier = openNotifier(context.env, (problem) => context.log.warning(problem));
    this.#since = context.now().toISOString();
  }

  ready(): void {
    this.#notifier.ready();
  }

  stopping(): void {
    this.#notifier.stopping();
  }

  say(release: string | undefined, event: string): void {
    this.#context.log.info(release === undefined ? event : `release ${release}: ${event}`);
  }

  enter(phase: Phase, release: string | undefined): void {
    this.#phase = phase;
    this.#context.onPhase?.(phase, release);
  }

  /** The look at the repository is over, one way or the other. */
  polled(message: string, warning: string | undefined): void {
    this.#poll = { at: this.#time(), ok: true, message: warning ?? message };
    // It names a duration, which grows.
    if (warning === undefined) this.#complaints.poll = "";
    else this.#complainOnce("poll", warning, warning.slice(0, 40));
    this.#leavePoll();
  }

  pollFailed(error: unknown): void {
    const text = explain(error);
    this.#poll = { at: this.#time(), ok: false, message: text };
    this.#complainOnce("poll", text, text);
    this.#leavePoll();
  }

  /** An error that stays is told once, not at every turn. */
  complain(error: unknown): void {
    const text = explain(error);
    this.#complainOnce("turn", text, text);
  }

  changed(release: string, ok: boolean, message: string, downtime: number | undefined): void {
    this.#change = { at: this.#time(), ok, release, message, downtime: downtime ?? null };
  }

  restarted(): void {
    this.#restarts++;
  }

  /** Brings the status file and the service manager up to date. */
  update(watch: Watch | undefined): void {
    const running = watch?.running;
    const last = watch?.last;
    if (last && last !== this.#lastProbe) this.#probe = { at: this.#time(), ...last };
    this.#lastProbe = last;
    const status: Status = {
      pid: process.pid,
      since: this.#since,
      phase: this.#phase,
      ...(running
        ? { guest: { release: running.release, since: new Date(running.since).toISOString(), pid: running.pid } }
        : {}),
      ...(this.#poll ? { poll: this.#poll } : {}),
      ...(this.#probe ? { probe: this.#probe } : {}),
      ...(this.#change ? { change: this.#change } : {}),
      restarts: this.#restarts,
    };
    const text = JSON.stringify(status);
    if (text !== this.#written) {
      this.#written = text;
      this.#write(status);
      const what = running ? `${running.release} ${watch?.isHealthy ? "is healthy" : "is being tried"}` : "no guest";
      this.#notifier.status(`${what}; ${this.#phase}`);
    }
    const { interval } = this.#notifier;
    if (interval === undefined || performance.now() < this.#nextAlive) return;
    this.#nextAlive = performance.now() + interval;
    this.#notifier.alive();
  }

  #lastProbe: Watch["last"];

  #write(status: Status): void {
    try {
      writeStatus(this.#runtime, status);
    } catch {
      // A full disk costs the status, not the guest.
    }
  }

  #leavePoll(): void {
    if (this.#phase === "fetch" || this.#phase === "verify" || this.#phase === "assemble")
      this.enter("idle", undefined);
  }

  #complainOnce(about: "poll" | "turn", text: string, key: string): void {
    if (key !== this.#complaints[about]) this.#context.log.warning(text);
    this.#complaints[about] = key;
  }

  #time(): string {
    return this.#context.now().toISOString();
  }
}

function explain(error: unknown): string {
  if (!(error instanceof DeployError)) return messageOf(error);
  const { message, problems, hint, exitCode } = error;
  const told = problems.length > 0 ? `: ${problems.join("; ")}` : "";
  return `${exitCode === 4 ? "refused: " : ""}${message}${told}${hint === undefined ? "" : ` (${hint})`}`;
}
