/** The worker threads of an image. */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { WorkerTask } from "./image-worker.ts";
import { Signals } from "./signals.ts";

/** As built, the worker stands beside the chunk with this code; as source, beside this file. */
const WORKER = new URL(import.meta.url.endsWith(".ts") ? "./image-worker.ts" : "./image-worker.js", import.meta.url);

/** Nothing is kept for long in a worker; a small nursery keeps its memory small. */
const newWorker = () => new Worker(WORKER, { resourceLimits: { maxYoungGenerationSizeMb: 2 } });

/** Threads that work on an image where nobody says how many: more than two wait for each other. */
export const USUAL_THREADS = Math.min(2, availableParallelism());

/** A worker that is there before its task: it starts while the names of a large site are read. */
export class StandBy implements AsyncDisposable {
  #worker: Worker | undefined;

  /** Starts the worker, where one is of use and none was started. */
  call(): void {
    if (USUAL_THREADS === 1 || this.#worker) return;
    // Without it a worker is started when there is work; what is wrong shows then.
    try {
      this.#worker = newWorker();
    } catch {
      return;
    }
    this.#worker.on("error", () => (this.#worker = undefined));
  }

  /** Hands the worker over, if there is one. */
  take(): Worker | undefined {
    const worker = this.#worker;
    this.#worker = undefined;
    return worker;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker?.terminate();
  }
}

/** A worker could not start, or ended as it never should: the image has to be made without. */
export class CrewLost extends Error {}

export class Crew implements AsyncDisposable {
  readonly #signals: Signals;
  readonly #standBy: StandBy | undefined;
  readonly #workers: Worker[] = [];
  #lost: unknown;

  constructor(signals: SharedArrayBuffer, standBy?: StandBy) {
    this.#signals = new Signals(signals);
    this.#standBy = standBy;
  }

  /** Throws `CrewLost` where the system lets no thread start. */
  hire(task: WorkerTask): void {
    const worker = this.#standBy?.take() ?? this.#start();
    const lose = (cause: unknown) => {
      this.#lost ??= cause;
      this.#signals.tellSequencer();
    };
    worker.on("error", lose);
    // Told to end, it does so when nobody asks any more.
    worker.on("exit", (code) => lose(new Error(`exit code ${code}`)));
    worker.postMessage(task);
    this.#workers.push(worker);
  }

  #start(): Worker {
    try {
      return newWorker();
    } catch (cause) {
      throw new CrewLost("no worker can be started", { cause });
    }
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
