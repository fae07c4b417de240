/** How long to wait before a repetition. */
export interface Backoff {
  /** Longest wait before the first repetition; it doubles with each failure. */
  readonly baseMs: number;
  readonly maximumMs: number;
}

/** Between half and all of the wait, at random: what failed together must not come back together. */
export function delayAfter(failures: number, { baseMs, maximumMs }: Backoff): number {
  const longest = Math.min(maximumMs, baseMs * 2 ** Math.min(failures - 1, 30));
  return longest / 2 + (Math.random() * longest) / 2;
}
