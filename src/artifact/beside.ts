/**
 * Digests beside other work. The sha256 of an image can only be taken from its first byte to its last, and takes as long
 * as the git blob ids of all the files in it: a thread for the one while this thread does the other halves the time.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { Extent } from "../image/format.ts";
import type { DigestAnswer, DigestTask } from "./digest-worker.ts";
import { rangeSha256 } from "./range-sha256.ts";

/** As built, the worker stands beside the chunk with this code; as source, beside this file. */
const WORKER = new URL(import.meta.url.endsWith(".ts") ? "./digest-worker.ts" : "./digest-worker.js", import.meta.url);
/** A worker takes some 30 ms to start, in which so much is digested without. */
const WORKER_PAYS = 32 * 1024 * 1024;

/**
 * Hex sha256 of ranges of an open file, and what `work` gives meanwhile. The other thread also looks for `mark`, where there
 * is one and another thread. Throws what `work` throws; IO_FAILED where the file ends within a range.
 */
export async function besideSha256<T>(
  fd: number,
  ranges: readonly Extent[],
  work: () => Promise<T>,
  mark?: string,
): Promise<DigestAnswer & { readonly result: T }> {
  const bytes = ranges.reduce((sum, { size }) => sum + size, 0);
  if (bytes < WORKER_PAYS || availableParallelism() === 1) {
    const result = await work();
    return { sha256: await inTurns(rangeSha256(fd, ranges)), marks: undefined, result };
  }
  const task: DigestTask = { fd, ranges, mark };
  const worker = new Worker(WORKER, { workerData: task, resourceLimits: { maxYoungGenerationSizeMb: 2 } });
  try {
    const digests = new Promise<DigestAnswer | undefined>((resolve) => {
      worker.once("message", resolve);
      worker.once("error", () => resolve(undefined));
      worker.once("exit", () => resolve(undefined));
    });
    const result = await work();
    // Where no thread can be had (a limit on processes, too little memory), this one does it, and says what went wrong.
    const answer = (await digests) ?? { sha256: await inTurns(rangeSha256(fd, ranges)), marks: undefined };
    return { ...answer, result };
  } finally {
    // The descriptor may be closed from here on.
    await worker.terminate();
  }
}

/** Signals, and whatever else the process does, get their turn. */
async function inTurns<T>(steps: Generator<void, T>): Promise<T> {
  for (;;) {
    const { value, done } = steps.next();
    if (done) return value;
    await nextTurn();
  }
}

export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
