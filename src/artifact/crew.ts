/** The worker threads of an image. */
import { Worker } from "node:worker_threads";
import type { WorkerTask } from "./image-worker.ts";
import { Signals } from "./signals.ts";

/** As built, the worker stands beside the chunk with this code; as source, beside this file. */
const WORKER = new URL(import.meta.url.endsWith(".ts") ? "./image-worker.ts" : "./image-worker.js", import.meta.url);

/** A worker could not start, or ended as it never should: the image has to be made without. */
export class CrewLost extends Error {}

export class Crew implements AsyncDisposable {
  readonly #signals: Signals;
  readonly #workers: Worker[] = [];
  #lost: unknown;

  constructor(signals: SharedArrayBuffer) {
    this.#signals = new Signals(signals);
  }

  hire(task: WorkerTask): void {
    // Nothing is kept for long in a worker; a small nursery keeps its memory small.
    const worker = new Worker(WORKER, { workerData: task, resourceLimits: { maxYoungGenerationSizeMb: 2 } });
    worker.on("error", (error) => {
      this.#lost = error;
      this.#signals.tellSequencer();
    });
    this.#workers.push(worker);
  }

  get size(): number {
    return this.#workers.length;
  }

  /** Throws `CrewLost` where a worker is no more. */
  check(): void {
    if (this.#lost !== undefined) throw new CrewLost("a worker ended", { cause: this.#lost });
  }

  /** Waits until no worker touches the image any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#signals.stop();
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}
