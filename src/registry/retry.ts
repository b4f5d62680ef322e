/** Asking again, later and later, of what may go well the next time. */
import { setTimeout as sleep } from "node:timers/promises";
import { Transient } from "./exchange.ts";

export interface Retrying {
  /** Told before each wait. */
  readonly onRetry: (reason: string, milliseconds: number) => void;
  readonly random: () => number;
  readonly signal: AbortSignal | undefined;
}

/** Tries in all; with the waits between them some 15 seconds, which a registry needs to start again. */
export const MAX_TRIES = 7;
const FIRST_WAIT = 250;
/** Longer than this nobody is told to wait (milliseconds). */
const LONGEST_WAIT = 60_000;

/** Runs `work` until it does not throw `Transient`; then throws the failure that the last one stands for. */
export async function retrying<T>(work: () => Promise<T>, { onRetry, random, signal }: Retrying): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Transient)) throw error;
      if (tried >= MAX_TRIES) throw error.failure;
      const wait = waitBefore(tried, error.after, random());
      onRetry(error.failure.message, wait);
      await sleep(wait, undefined, signal ? { signal } : {}).catch(() => {
        throw error.failure;
      });
    }
  }
}

/** Twice as long each time, half of it left to chance so that many do not come back at once. Pure. */
export function waitBefore(tried: number, after: number, random: number): number {
  const own = FIRST_WAIT * 2 ** (tried - 1);
  return Math.round(Math.min(LONGEST_WAIT, Math.max(after, own * (0.5 + random))));
}

/** Retry-After in milliseconds: seconds, or a date against the answer's own Date; 0 where there is none. Pure. */
export function retryAfter(headers: Headers): number {
  const value = headers.get("retry-after") ?? "";
  if (/^\d{1,6}$/.test(value)) return Number(value) * 1000;
  const wait = Date.parse(value) - Date.parse(headers.get("date") ?? "");
  return Number.isFinite(wait) && wait > 0 ? wait : 0;
}
