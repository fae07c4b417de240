import { setTimeout as sleep } from "node:timers/promises";

/** How often a command is tried, and how long it stands back between two tries, in milliseconds. */
export interface RetryPolicy {
  /** Tries against conflicts, the first included. */
  readonly attempts: number;
  /** Upper bound of the first wait; each later one doubles it, up to `longestMs`. */
  readonly firstMs: number;
  readonly longestMs: number;
}

export const defaultRetryPolicy: RetryPolicy = { attempts: 5, firstMs: 10, longestMs: 250 };

/**
 * Waits before the try after `attempt` (counted from 1). The wait is drawn from the whole range below the bound: clients
 * that met in one conflict would otherwise meet again in the next.
 */
export async function standBack({ firstMs, longestMs }: RetryPolicy, attempt: number): Promise<void> {
  await sleep(Math.random() * Math.min(longestMs, firstMs * 2 ** (attempt - 1)));
}
