/** Memory on small hosts. */
import { setFlagsFromString } from "node:v8";

/**
 * Keeps V8's nursery at its first size of a megabyte: streaming makes much garbage that is short-lived, and a nursery that
 * grows to hold it takes 100 MB where a machine has much memory. Costs a few percent of time. To be called first.
 */
export function keepHeapSmall(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
}
