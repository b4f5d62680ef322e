/**
 * The state machine of the host: what it decides, and what it never does, whatever happens in whatever order. The random
 * test makes 100,000 histories; UNIKERNEL_DEPLOY_SOAK=N makes N times as many, from other seeds.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type HostAction,
  type HostEvent,
  type HostState,
  INITIAL,
  isBad,
  MAX_FAILURES,
  rollbackTarget,
  sequenceOf,
  step,
  whyNot,
} from "../../src/host/state.ts";

const name = (sequence: number) => `${sequence}-${String(sequence).padStart(12, "0")}`;

/** The state after events, and the actions of the last. */
function after(...events: HostEvent[]): readonly [HostState, readonly HostAction[]] {
  return events.reduce<readonly [HostState, readonly HostAction[]]>(
    ([state], event) => step(state, event),
    [INITIAL, []],
  );
}

const deployed = (release: string): HostEvent[] => [
  { kind: "found", release },
  { kind: "assembled", release },
  { kind: "healthy", release },
];
const failed = (release: string, failures = 1): HostEvent => ({
  kind: "failed",
  release,
  reason: "no answer",
  failures,
});

describe("step", () => {
  test("brings a first release up: assemble, launch, and current when it is healthy", () => {
    assert.deepEqual(after({ kind: "found", release: name(1) })[1], [{ kind: "assemble", release: name(1) }]);
    assert.deepEqual(after(...deployed(name(1)).slice(0, 2))[1], [{ kind: "launch", release: name(1) }]);
    const [state, actions] = after(...deployed(name(1)));
    assert.equal(state.current, name(1));
    assert.equal(state.staged, undefined);
    assert.deepEqual(actions, [
      { kind: "switch", release: name(1) },
      { kind: "collect", keep: [name(1)] },
    ]);
  });

  test("stops the old guest before the new one is launched, and keeps the old release to go back to", () => {
    const [, actions] = after(...deployed(name(1)), ...deployed(name(2)).slice(0, 2));
    assert.deepEqual(actions, [{ kind: "stop" }, { kind: "launch", release: name(2) }]);
    assert.equal(after(...deployed(name(1)), ...deployed(name(2)))[0].rollback, name(1));
  });

  test("goes back by itself from a release that does not get healthy, and does not try it again until told", () => {
    const events = [...deployed(name(1)), ...deployed(name(2)).slice(0, 2), failed(name(2))];
    const [state, actions] = after(...events);
    assert.deepEqual(actions, [{ kind: "stop" }, { kind: "launch", release: name(1) }]);
    assert.equal(state.current, name(1));
    assert.deepEqual(state.bad, [{ release: name(2), reason: "no answer" }]);
    assert.deepEqual(after(...events, { kind: "found", release: name(2) })[1], []);
    assert.equal(whyNot(state, name(2)), "it is bad: no answer");
    const told = after(...events, { kind: "resume" }, { kind: "found", release: name(2) });
    assert.deepEqual(told[1], [{ kind: "assemble", release: name(2) }]);
  });

  test("stops a first release that fails, and has nothing to launch instead", () => {
    const [state, actions] = after(...deployed(name(1)).slice(0, 2), failed(name(1)));
    assert.deepEqual(actions, [{ kind: "stop" }]);
    assert.equal(state.current, undefined);
  });

  test("starts a good release again when its guest ends, and gives it up only for another good one", () => {
    const one = deployed(name(1));
    const two = [...one, ...deployed(name(2))];
    assert.deepEqual(after(...two, failed(name(2)))[1], [{ kind: "stop" }, { kind: "launch", release: name(2) }]);
    const [state, actions] = after(...two, failed(name(2), MAX_FAILURES));
    assert.deepEqual(actions, [
      { kind: "switch", release: name(1) },
      { kind: "stop" },
      { kind: "launch", release: name(1) },
    ]);
    assert.equal(isBad(state, name(2)), true);
    assert.equal(after(...one, failed(name(1), 1000))[0].current, name(1));
  });

  test("holds after a rollback by hand until something newer arrives, or until told", () => {
    const events = [...deployed(name(1)), ...deployed(name(2)), { kind: "rollback" } as const];
    const [state, actions] = after(...events);
    assert.deepEqual(actions, [
      { kind: "switch", release: name(1) },
      { kind: "stop" },
      { kind: "launch", release: name(1) },
    ]);
    assert.equal(state.held, name(2));
    assert.deepEqual(after(...events, { kind: "found", release: name(2) })[1], []);
    assert.deepEqual(after(...events, { kind: "found", release: name(3) })[1].length, 1);
    assert.equal(after(...events, ...deployed(name(3)))[0].held, undefined);
    assert.deepEqual(after(...events, { kind: "resume" }, { kind: "found", release: name(2) })[1].length, 1);
    assert.deepEqual(rollbackTarget(state), { problem: "there is no release to go back to" });
  });

  test("gives up a trial when the operator goes back meanwhile", () => {
    const [state, actions] = after(...deployed(name(1)), ...deployed(name(2)).slice(0, 2), { kind: "rollback" });
    assert.deepEqual(actions, [{ kind: "stop" }, { kind: "launch", release: name(1) }]);
    assert.equal(state.held, name(2));
    assert.equal(state.staged, undefined);
  });

  test("takes up after a crash where it was: adopts a guest that runs, replaces one that should not", () => {
    const [one] = after(...deployed(name(1)));
    const tidy = { kind: "collect", keep: [name(1)] };
    assert.deepEqual(step(one, { kind: "started", running: name(1) })[1], [{ kind: "adopt", release: name(1) }, tidy]);
    assert.deepEqual(step(one, { kind: "started", running: undefined })[1], [
      { kind: "launch", release: name(1) },
      tidy,
    ]);
    const [trial] = after(...deployed(name(1)), ...deployed(name(2)).slice(0, 2));
    assert.deepEqual(step(trial, { kind: "started", running: name(1) })[1], [
      { kind: "stop" },
      { kind: "launch", release: name(2) },
    ]);
    assert.deepEqual(step(INITIAL, { kind: "started", running: name(7) })[1], [{ kind: "stop" }]);
  });

  test("restarts the guest when what it is given changes", () => {
    const [state] = after(...deployed(name(1)));
    assert.deepEqual(step(state, { kind: "changed" })[1], [{ kind: "stop" }, { kind: "launch", release: name(1) }]);
    assert.deepEqual(step(INITIAL, { kind: "changed" })[1], []);
  });
});

/** xorshift32: the same histories on every machine. */
function generator(seed: number): (below: number) => number {
  let x = seed | 0 || 1;
  return (below) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % below;
  };
}

/** What the actions do to a host, and what must never be seen there. */
class World {
  state: HostState = INITIAL;
  guest: string | undefined;
  readonly asked = new Set<string>();
  readonly verified = new Set<string>();
  /** The highest sequence left by hand that nothing has ended since. */
  left = 0;
  everCurrent = false;

  send(event: HostEvent): void {
    const before = this.state;
    const [state, actions] = step(before, event);
    this.state = state;
    for (const action of actions) this.#act(action, event);
    this.everCurrent ||= state.current !== undefined;
    assert.ok(!this.everCurrent || state.current !== undefined, "there was a current release, and now there is none");
    assert.ok(state.current === undefined || !isBad(state, state.current), "the current release is bad");
    assert.ok(state.staged === undefined || !isBad(state, state.staged), "the staged release is bad");
    assert.ok(state.rollback === undefined || !isBad(state, state.rollback), "the release to go back to is bad");
    assert.ok(state.current === undefined || state.current !== state.rollback, "current is its own rollback");
    assert.equal(state.running, this.guest, "what runs is not what is thought to run");
    if (event.kind === "rollback" && state.held !== undefined) this.left = Math.max(this.left, sequenceOf(state.held));
    if (event.kind === "resume" || state.held === undefined) this.left = 0;
  }

  #act(action: HostAction, event: HostEvent): void {
    const { state } = this;
    if (action.kind === "stop") this.guest = undefined;
    else if (action.kind === "adopt") assert.equal(this.guest, action.release, "adopted a guest that does not run");
    else if (action.kind === "assemble") {
      assert.ok(!isBad(state, action.release), "a bad release is assembled");
      this.asked.add(action.release);
    } else if (action.kind === "launch") {
      assert.equal(this.guest, undefined, "a second guest is launched");
      assert.ok(this.verified.has(action.release), "an unverified release is launched");
      assert.ok(!isBad(state, action.release), "a bad release is launched");
      assert.ok(
        [state.staged, state.current].includes(action.release),
        "what is launched is neither staged nor current",
      );
      const insisted = "insist" in event && event.insist;
      if (action.release === state.staged && event.kind === "assembled" && !insisted)
        assert.ok(sequenceOf(action.release) > this.left, "a held release is launched");
      this.guest = action.release;
    } else if (action.kind === "switch") assert.equal(action.release, state.current);
    else {
      for (const release of [state.staged, state.current, state.rollback, this.guest])
        assert.ok(release === undefined || action.keep.includes(release), "what is needed may be removed");
    }
  }
}

/** One history of 40 events, likely ones and unlikely ones. */
function live(random: (below: number) => number): void {
  const world = new World();
  const some = () => name(1 + random(6));
  const known = () => [...world.verified][random(Math.max(1, world.verified.size))];
  for (let i = 0; i < 40; i++) {
    const kind = random(20);
    if (kind < 4) world.send({ kind: "found", release: some(), insist: random(12) === 0 });
    else if (kind < 8) {
      const release = [...world.asked][random(Math.max(1, world.asked.size))];
      if (release === undefined) continue;
      world.asked.delete(release);
      world.verified.add(release);
      world.send({ kind: "assembled", release, insist: random(12) === 0 });
    } else if (kind < 12) world.send({ kind: "healthy", release: random(4) === 0 ? some() : (world.guest ?? some()) });
    else if (kind < 15) {
      const release = random(4) === 0 ? some() : (world.guest ?? some());
      world.send({ kind: "failed", release, reason: "x", failures: 1 + random(MAX_FAILURES + 1) });
    } else if (kind < 17) world.send({ kind: "rollback", to: random(2) === 0 ? known() : undefined });
    else if (kind === 17 && random(3) === 0) world.send({ kind: "unfit", release: some(), reason: "x" });
    else if (kind === 17) world.send({ kind: "resume" });
    else if (kind === 18) world.send({ kind: "changed" });
    else {
      // The host's program is killed, and the guest may have gone with it.
      if (random(2) === 0) world.guest = undefined;
      world.send({ kind: "started", running: world.guest });
    }
  }
}

test("random histories keep the invariants", () => {
  const times = Number(process.env["UNIKERNEL_DEPLOY_SOAK"] ?? 1);
  for (let run = 0; run < 100_000 * times; run++) {
    try {
      live(generator(run * 2654435761 + 12345));
    } catch (error) {
      throw new Error(`history ${run}`, { cause: error });
    }
  }
});
