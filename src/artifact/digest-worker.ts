/** A worker thread that digests ranges of a file. */
import { parentPort, workerData } from "node:worker_threads";
import type { Extent } from "../image/format.ts";
import { rangeSha256 } from "./range-sha256.ts";

/** What the worker is started with. */
export interface DigestTask {
  /** Descriptor of the file, open for as long as the worker lives. */
  readonly fd: number;
  readonly ranges: readonly Extent[];
}

const { fd, ranges } = workerData as DigestTask;
const digests = rangeSha256(fd, ranges);
let step = digests.next();
while (!step.done) step = digests.next();
parentPort?.postMessage(step.value);
