/** A worker thread of the image: fills slots while there are any to fill, and writes slots otherwise. */
import { parentPort } from "node:worker_threads";
import { Hand } from "./hand.ts";
import { Ring, type RingMemory } from "./ring.ts";
import { SerialHand, type SerialTask } from "./serial-hand.ts";
import { Signals } from "./signals.ts";

/** What a worker is to do, for an image whose every offset is planned ahead. */
export interface PlannedTask {
  readonly kind: "planned";
  readonly memory: RingMemory;
  /** Whether this worker is the one that reads files larger than a slot. */
  readonly readsLarge: boolean;
  /** The descriptor of the image. */
  readonly output: number;
}

export type WorkerTask = PlannedTask | SerialTask;

/** The sequencer has hashing to do besides; a worker has time for large files. */
const EVERYTHING = { leavesLarge: false };

parentPort?.once("message", (task: WorkerTask) => {
  const signals = new Signals(task.memory.signals);
  using hand = task.kind === "planned" ? new Hand(new Ring(task.memory), task.output, task) : new SerialHand(task);
  while (!signals.stopped) {
    const mark = signals.workMark();
    if (hand.fill(EVERYTHING) || hand.write()) signals.tellSequencer();
    else signals.waitForWork(mark, 1000);
  }
});
