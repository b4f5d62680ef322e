/**
 * How an operator's command reaches a supervisor that runs: a file in the state directory, and a file in answer. Whoever
 * may write there may as well do what is asked for. Without a supervisor the command does it itself.
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import * as v from "valibot";
import { DeployError } from "../errors.ts";
import { writeAtomic } from "../util/files.ts";
import type { HostContext } from "./context.ts";
import { lockHolder, lockState } from "./lock.ts";
import { type HostEvent, rollbackTarget, step } from "./state.ts";
import { damageOf, type HostStore } from "./store.ts";

const requestSchema = v.object({
  id: v.string(),
  kind: v.picklist(["rollback", "resume"]),
  to: v.optional(v.string()),
});
const answerSchema = v.object({ id: v.string(), ok: v.boolean(), message: v.string() });

export type Request = v.InferOutput<typeof requestSchema>;
export type Answer = v.InferOutput<typeof answerSchema>;

const requestFile = (store: HostStore) => path.join(store.directory, "request.json");
const answerFile = (store: HostStore) => path.join(store.directory, "answer.json");

/** A supervisor looks every fifth of a second, but may be in the middle of stopping a guest (milliseconds). */
const PATIENCE = 30_000;

export interface Wish {
  readonly kind: "rollback" | "resume";
  /** A release's name, the beginning of its commit's id, or its sequence. */
  readonly to?: string | undefined;
  readonly dryRun: boolean;
}

/** Has the wish carried out; what was done. Throws RELEASE_MISSING for a rollback to nothing. */
export async function ask(context: HostContext, wish: Wish): Promise<string> {
  const { store } = context;
  const to = wish.to === undefined ? undefined : resolveRelease(store, wish.to);
  const event: HostEvent = wish.kind === "rollback" ? { kind: "rollback", to } : { kind: "resume" };
  const problem = problemWith(store, event);
  if (problem !== undefined) throw refused(problem);
  if (wish.dryRun) return `dry run: would ${describe(store, event)}`;
  if (lockHolder(store.directory) !== undefined) return askSupervisor(store, { kind: wish.kind, to });
  using _lock = lockState(store.directory);
  store.recover();
  const done = describe(store, event);
  const [state, actions] = step(store.state(), event);
  store.writeState(state);
  for (const action of actions) if (action.kind === "switch") store.switchTo(action.release);
  return `${done}; no host up runs here, so no guest was touched`;
}

async function askSupervisor(store: HostStore, { kind, to }: Omit<Request, "id">): Promise<string> {
  const id = `${process.pid}-${Date.now()}`;
  rmSync(answerFile(store), { force: true });
  writeAtomic(requestFile(store), JSON.stringify({ id, kind, ...(to === undefined ? {} : { to }) }), 0o600);
  for (const deadline = performance.now() + PATIENCE; performance.now() < deadline; await delay(50)) {
    const answer = read(answerFile(store), answerSchema);
    if (answer?.id !== id) continue;
    rmSync(answerFile(store), { force: true });
    if (answer.ok) return answer.message;
    throw refused(answer.message);
  }
  rmSync(requestFile(store), { force: true });
  throw new DeployError("IO_FAILED", "the supervisor does not answer", {
    hint: "is it host up, and not a long host sync?",
  });
}

/** The supervisor's side: what was asked for, once. */
export function takeRequest(store: HostStore): Request | undefined {
  if (!existsSync(requestFile(store))) return undefined;
  const request = read(requestFile(store), requestSchema);
  rmSync(requestFile(store), { force: true });
  return request;
}

export function answerRequest(store: HostStore, answer: Answer): void {
  writeAtomic(answerFile(store), JSON.stringify(answer), 0o600);
}

/** Why an event of the operator's would do nothing; undefined where it does something. */
export function problemWith(store: HostStore, event: HostEvent): string | undefined {
  if (event.kind !== "rollback") return undefined;
  const target = rollbackTarget(store.state(), event.to);
  if ("problem" in target) return target.problem;
  if (!store.has(target.to)) return `${target.to} is not on this host any more`;
  if (store.record().verified[target.to] === undefined) return `${target.to} was never verified here`;
  const damage = damageOf(store, target.to);
  return damage === undefined ? undefined : `${target.to} is damaged on this host: ${damage}`;
}

/** What an event of the operator's does, in words. */
export function describe(store: HostStore, event: HostEvent): string {
  const state = store.state();
  if (event.kind === "rollback") {
    const target = rollbackTarget(state, event.to);
    const from = state.staged ?? state.current ?? "nothing";
    return "to" in target
      ? `go back from ${from} to ${target.to}, and hold until something newer arrives`
      : target.problem;
  }
  const held = state.held === undefined ? [] : [`end the hold since the rollback from ${state.held}`];
  const bad = state.bad.length === 0 ? [] : [`forgive ${state.bad.map(({ release }) => release).join(", ")}`];
  return [...held, ...bad].join(" and ") || "do nothing: nothing is held, and no release is bad";
}

/** Throws RELEASE_MISSING where no release on disk, or more than one, is meant. */
function resolveRelease(store: HostStore, text: string): string {
  const matching = store.releases().filter((name) => {
    const [sequence, commit = ""] = name.split("-");
    if (name === text || sequence === text) return true;
    // The name has the first 12 digits; the rest is in the manifest, unless that is damaged.
    if (!/^[0-9a-f]{4,64}$/.test(text)) return false;
    return text.length <= commit.length ? commit.startsWith(text) : commitOf(store, name)?.startsWith(text) === true;
  });
  const exact = matching.includes(text) ? text : matching.length === 1 ? matching[0] : undefined;
  if (exact !== undefined) return exact;
  throw new DeployError(
    "RELEASE_MISSING",
    `${text} is ${matching.length === 0 ? "no release" : "more than one release"} on this host`,
    {
      problems: store.releases(),
      hint: "give a commit of the source repository, or a release's name",
    },
  );
}

function commitOf(store: HostStore, name: string): string | undefined {
  return damageOf(store, name) === undefined ? store.manifest(name).source.commit : undefined;
}

const refused = (problem: string) =>
  new DeployError("RELEASE_MISSING", problem, {
    hint: "host status lists the releases on this host; --to goes to any of them",
  });

function read<T>(file: string, schema: v.GenericSchema<unknown, T>): T | undefined {
  try {
    return v.parse(schema, JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return undefined;
  }
}
