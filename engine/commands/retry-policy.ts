import { setTimeout as sleep } from "node:timers/promises";

/** How often a command is tried, and how long it stands back between two tries, in milliseconds. */
export interface RetryPolicy {
  /** Tries against conflicts, the first included. */
  readonly attempts: number;
  /** Upper bound of the first wait; each later one doubles it, up to `longestMs`. */
  readonly firstMs: number;
  readonly longestMs: number;
}

/**
 * As many tries, and as long ones, as fifty clients at one aggregate need to come past each other: with 5 tries of up to
 * 10 to 80 ms four in five of their commands were refused, and the appends in vain held up the others
 * (`npm run bench -- --only contention`). The price is that the last of such a crowd waits, at most 2.6 s in all, where it
 * was told of a conflict before; a function has 10 s.
 */
export const defaultRetryPolicy: RetryPolicy = { attempts: 10, firstMs: 20, longestMs: 500 };

/**
 * Waits before the try after `attempt` (counted from 1). The wait is drawn from the whole range below the bound: clients
 * that met in one conflict would otherwise meet again in the next.
 */
export async function standBack({ firstMs, longestMs }: RetryPolicy, attempt: number): Promise<void> {
  await sleep(Math.random() * Math.min(longestMs, firstMs * 2 ** (attempt - 1)));
}
