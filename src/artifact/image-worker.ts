/** A worker thread of the image: fills slots while there are any to fill, and writes slots otherwise. */
import { workerData } from "node:worker_threads";
import { Hand } from "./hand.ts";
import { Ring, type RingMemory } from "./ring.ts";

/** What the worker is started with. */
export interface WorkerTask {
  readonly memory: RingMemory;
  /** Whether this worker is the one that reads files larger than a slot. */
  readonly readsLarge: boolean;
  /** The descriptor of the image. */
  readonly output: number;
}

const { memory, readsLarge, output } = workerData as WorkerTask;
const ring = new Ring(memory);
using hand = new Hand(ring, output, { readsLarge });
while (!ring.stopped) {
  const mark = ring.workMark();
  if (hand.fill() || hand.write()) ring.tellSequencer();
  else ring.waitForWork(mark, 1000);
}
