/**
 * The life of releases on a host: (state, event) to (state, actions). All decisions about what runs and what is gone back
 * to are here, and nothing is done here. Pure.
 *
 *     found -> assemble -> assembled -> staged: stop, launch -> healthy -> current (the old one: rollback)
 *                                                            -> failed  -> bad, and current is launched again
 */

/** A release that is not tried again until the operator says so. */
export interface Bad {
  readonly release: string;
  /** One line. */
  readonly reason: string;
}

/** Releases are named `<sequence>-<12 hex digits>`, as their directories are. */
export interface HostState {
  /** Laid out and verified; its guest is being tried, or is to be. */
  readonly staged: string | undefined;
  /** The newest release that was found good. Once there is one, there is always one. */
  readonly current: string | undefined;
  /** The good one before. */
  readonly rollback: string | undefined;
  readonly bad: readonly Bad[];
  /** After a rollback by hand: what was left. Nothing up to its sequence is tried. */
  readonly held: string | undefined;
  /** Whose guest runs, as far as is known. */
  readonly running: string | undefined;
}

export const INITIAL: HostState = {
  staged: undefined,
  current: undefined,
  rollback: undefined,
  bad: [],
  held: undefined,
  running: undefined,
};

export type HostEvent =
  /** The program begins (again), and found this release's guest running, or none. */
  | { readonly kind: "started"; readonly running: string | undefined }
  /** The repository offers a release that may be run here. `insist`: the operator asked for it in spite of a hold. */
  | { readonly kind: "found"; readonly release: string; readonly insist?: boolean }
  /** It is on disk, and every byte of it is right. */
  | { readonly kind: "assembled"; readonly release: string; readonly insist?: boolean }
  | { readonly kind: "healthy"; readonly release: string }
  /** It did not become healthy in time, ended, or answers no more. `failures`: so many in a row, this one included. */
  | { readonly kind: "failed"; readonly release: string; readonly reason: string; readonly failures: number }
  /** It is here, but cannot be launched: what it needs and what is attached do not fit. Nothing was stopped for it. */
  | { readonly kind: "unfit"; readonly release: string; readonly reason: string }
  /** The operator goes back; `to` is on disk and verified. Without it: to the current release, or the one before. */
  | { readonly kind: "rollback"; readonly to?: string | undefined }
  /** The operator ends a hold and forgives bad releases. */
  | { readonly kind: "resume" }
  /** What the guest was given has changed: a secret, an option. */
  | { readonly kind: "changed" };

export type HostAction =
  | { readonly kind: "assemble"; readonly release: string }
  | { readonly kind: "stop" }
  | { readonly kind: "launch"; readonly release: string }
  /** Its guest runs already: watch it, and find out whether it is healthy. */
  | { readonly kind: "adopt"; readonly release: string }
  /** Make it the one that `current` names. */
  | { readonly kind: "switch"; readonly release: string }
  /** Releases beyond those kept may be removed, but none of these. */
  | { readonly kind: "collect"; readonly keep: readonly string[] };

type Step = readonly [HostState, readonly HostAction[]];

/** A release that was good and fails so often in a row is given up, if there is another good one. */
export const MAX_FAILURES = 5;
/** More than this is not worth remembering. */
const MAX_BAD = 100;

export function step(state: HostState, event: HostEvent): Step {
  switch (event.kind) {
    case "started":
      return started({ ...state, running: event.running });
    case "found":
      return mayTry(state, event.release, event.insist === true)
        ? [state, [{ kind: "assemble", release: event.release }]]
        : [state, []];
    case "assembled":
      return assembled(state, event.release, event.insist === true);
    case "healthy":
      return healthy(state, event.release);
    case "failed":
      return failed(state, event);
    case "unfit":
      return mayTry(state, event.release, true) ? [markBad(state, event), []] : [state, []];
    case "rollback":
      return rollBack(state, event.to);
    case "resume":
      return [{ ...state, bad: [], held: undefined }, []];
    case "changed":
      return state.running === undefined ? [state, []] : replaceGuest(state, state.running);
  }
}

/** Whether two states are the same but for what runs, which the system knows better after a crash. */
export function isAsLasting(a: HostState, b: HostState): boolean {
  const same = a.staged === b.staged && a.current === b.current && a.rollback === b.rollback && a.held === b.held;
  return same && a.bad === b.bad;
}

export const isBad = (state: HostState, release: string): boolean => state.bad.some((bad) => bad.release === release);

export const sequenceOf = (release: string): number => Number.parseInt(release, 10);

/** Why a release that the repository offers is not tried; undefined where it is, or where it is here already. */
export function whyNot(state: HostState, release: string, insist = false): string | undefined {
  const bad = state.bad.find((candidate) => candidate.release === release);
  if (bad) return `it is bad: ${bad.reason}`;
  return isHeld(state, release) && !insist ? `held since the rollback from ${state.held}` : undefined;
}

/** Whether a hold keeps it from being tried: only what is newer than what was rolled back from ends a hold. */
const isHeld = ({ held }: HostState, release: string) => held !== undefined && sequenceOf(release) <= sequenceOf(held);

function mayTry(state: HostState, release: string, insist: boolean): boolean {
  if (release === state.current || release === state.staged || isBad(state, release)) return false;
  return insist || !isHeld(state, release);
}

/** The release that a rollback would go to, or why there is none. */
export function rollbackTarget(state: HostState, to?: string): { readonly to: string } | { readonly problem: string } {
  const target = to ?? (state.staged === undefined ? state.rollback : state.current);
  if (target === undefined) return { problem: "there is no release to go back to" };
  if (target === state.current && state.staged === undefined) return { problem: `${target} is current already` };
  const bad = state.bad.find(({ release }) => release === target);
  return bad ? { problem: `${target} is bad: ${bad.reason}` } : { to: target };
}

function started(state: HostState): Step {
  const wanted = state.staged ?? state.current;
  if (wanted === undefined) return state.running === undefined ? [state, []] : stopGuest(state);
  const [next, actions]: Step =
    state.running === wanted ? [state, [{ kind: "adopt", release: wanted }]] : replaceGuest(state, wanted);
  // The crash may have come before what the last switch made superfluous was removed.
  return [next, state.staged === undefined ? [...actions, collect(next)] : actions];
}

function assembled(state: HostState, release: string, insist: boolean): Step {
  // The operator may have gone back while it was being laid out.
  if (!mayTry(state, release, insist)) return [state, []];
  return replaceGuest({ ...state, staged: release, held: undefined }, release);
}

function healthy(state: HostState, release: string): Step {
  if (release !== state.staged || release !== state.running) return [state, []];
  const rollback = state.current === release ? state.rollback : state.current;
  const next = { ...state, staged: undefined, current: release, rollback };
  return [next, [{ kind: "switch", release }, collect(next)]];
}

function markBad(state: HostState, { release, reason }: Bad): HostState {
  const bad = [...state.bad.filter((other) => other.release !== release), { release, reason }].slice(-MAX_BAD);
  // An older release that was tried again may be the one kept to go back to.
  return { ...state, bad, rollback: state.rollback === release ? undefined : state.rollback };
}

function failed(state: HostState, { release, reason, failures }: HostEvent & { kind: "failed" }): Step {
  if (release === state.staged) {
    const next = { ...markBad(state, { release, reason }), staged: undefined };
    return next.current === undefined ? stopGuest(next) : replaceGuest(next, next.current);
  }
  if (release !== state.current || state.staged !== undefined) return [state, []];
  const { rollback } = state;
  if (rollback === undefined || failures < MAX_FAILURES) return replaceGuest(state, release);
  const back = { ...markBad(state, { release, reason }), current: rollback, rollback: undefined };
  const [next, actions] = replaceGuest(back, rollback);
  return [next, [{ kind: "switch", release: rollback }, ...actions]];
}

function rollBack(state: HostState, to: string | undefined): Step {
  const target = rollbackTarget(state, to);
  if ("problem" in target) return [state, []];
  const left = state.staged ?? state.current;
  const held = newest(left, state.held);
  // What was left is no good to fall back on by itself: somebody just left it.
  const next = { ...state, staged: undefined, current: target.to, rollback: undefined, held };
  const switched: readonly HostAction[] = target.to === state.current ? [] : [{ kind: "switch", release: target.to }];
  const [after, actions] = replaceGuest(next, target.to);
  return [after, [...switched, ...actions]];
}

function newest(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return sequenceOf(a) >= sequenceOf(b) ? a : b;
}

/** A guest is always stopped before another is started: there are never two of one name. */
function replaceGuest(state: HostState, release: string): Step {
  const stop: readonly HostAction[] = state.running === undefined ? [] : [{ kind: "stop" }];
  return [{ ...state, running: release }, [...stop, { kind: "launch", release }]];
}

function stopGuest(state: HostState): Step {
  return [{ ...state, running: undefined }, state.running === undefined ? [] : [{ kind: "stop" }]];
}

function collect({ staged, current, rollback, running, held }: HostState): HostAction {
  const keep = [staged, current, rollback, running, held].filter((release) => release !== undefined);
  return { kind: "collect", keep: [...new Set(keep)] };
}
