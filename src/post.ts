/**
 * The Action's third door, which a runner opens whatever became of the run: takes away what a run left that was killed, keys
 * above all. One that ended, well or badly, has left nothing.
 */
import { sweepTemporaries } from "./util/cleanup.ts";

sweepTemporaries();
