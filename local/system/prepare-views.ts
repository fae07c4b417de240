/** Invokes the `prepare` function, as one does after a deployment: it makes the first generation of each view. */
import { CommandError } from "../cli/command-error.ts";

const longestWaitMs = 120_000;

/**
 * Over a long log that takes longer than a request may. Asked again, the function waits for what it does already; `onWaiting` is
 * told each time.
 */
export async function prepareViews(invokeUrl: string, functionPrefix: string, onWaiting: () => void): Promise<void> {
  for (;;) {
    try {
      await askOnce(`${invokeUrl}/2015-03-31/functions/${functionPrefix}prepare/invocations`);
      return;
    } catch (error) {
      if (!(error instanceof DOMException && error.name === "TimeoutError")) throw error;
      onWaiting();
    }
  }
}

async function askOnce(url: string): Promise<void> {
  const response = await fetch(url, { method: "POST", body: "{}", signal: AbortSignal.timeout(longestWaitMs) });
  const answer = await response.text();
  if (response.ok && !response.headers.has("x-amz-function-error") && !answer.includes('"errorMessage"')) return;
  throw new CommandError("PREPARE_FAILED", `the views could not be prepared: ${answer.slice(0, 1_000)}`);
}
