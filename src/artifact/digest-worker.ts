/** A worker thread that digests ranges of a file, and looks for a text in them on the way. */
import { parentPort, workerData } from "node:worker_threads";
import type { Extent } from "../image/format.ts";
import { markFinder } from "../util/mark-finder.ts";
import { rangeSha256 } from "./range-sha256.ts";

/** What the worker is started with. */
export interface DigestTask {
  /** Descriptor of the file, open for as long as the worker lives. */
  readonly fd: number;
  readonly ranges: readonly Extent[];
  /** ASCII. */
  readonly mark: string | undefined;
}

export interface DigestAnswer {
  /** Hex, of each range. */
  readonly sha256: readonly string[];
  /** Where the mark stands, counted from the beginning of the first range; undefined where it was not looked for. */
  readonly marks: readonly number[] | undefined;
}

/** Bytes that are little else than marks are searched again by whoever wants to know. */
const MOST_MARKS = 100_000;

const { fd, ranges, mark } = workerData as DigestTask;
const finder = mark === undefined ? undefined : markFinder(mark, MOST_MARKS);
const digests = rangeSha256(fd, ranges, (bytes) => finder?.take(bytes));
let step = digests.next();
while (!step.done) step = digests.next();
const answer: DigestAnswer = { sha256: step.value, marks: finder?.offsets };
parentPort?.postMessage(answer);
