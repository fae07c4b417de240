/** Shows something again and again until the user has seen enough: on a terminal in place, elsewhere one after the other. */
import { setTimeout as sleep } from "node:timers/promises";
import { exitCodeOf } from "./command-error.ts";

const home = "\u001b[H";
const clearScreen = `${home}\u001b[2J`;
const clearLine = "\u001b[K";
const clearBelow = "\u001b[J";

export interface WatchOptions {
  /** What is shown between two pictures, where there is no terminal. */
  readonly separator: string;
  readonly stream?: Pick<NodeJS.WriteStream, "isTTY" | "write">;
  /** Between two pictures; a second unless set. */
  readonly pauseMs?: number;
}

/**
 * Resolves after SIGINT or SIGTERM, which set the exit code of the process and leave no picture half drawn; what `picture`
 * is waiting for then is given up. Throws what `picture` throws.
 */
export async function watch(
  picture: () => Promise<string>,
  { separator, stream = process.stdout, pauseMs = 1_000 }: WatchOptions,
): Promise<void> {
  const stopped = new AbortController();
  const stop = (signal: NodeJS.Signals): void => {
    process.exitCode = exitCodeOf(signal);
    stopped.abort();
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, stop);
  const told = new Promise<undefined>((resolve) => {
    stopped.signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
  try {
    for (let isFirst = true; ; isFirst = false) {
      const next = picture();
      // When the user no longer waits for it, nobody hears how it ends.
      next.catch(() => undefined);
      const text = await Promise.race([next, told]);
      if (text === undefined) return;
      stream.write(stream.isTTY ? inPlace(text, isFirst) : `${isFirst ? "" : separator}${text}\n`);
      await sleep(pauseMs, undefined, { signal: stopped.signal }).catch(() => undefined);
    }
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.removeListener(signal, stop);
  }
}

/** Over the one before, line by line: a screen that is cleared first would flicker. */
function inPlace(text: string, isFirst: boolean): string {
  const lines = text.split("\n").map((line) => `${line}${clearLine}\n`);
  return `${isFirst ? clearScreen : home}${lines.join("")}${clearBelow}`;
}
