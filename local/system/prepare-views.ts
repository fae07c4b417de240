/** Invokes the `prepare` function, as one does after a deployment: it makes the first generation of each view. */
import { CommandError } from "../cli/command-error.ts";

export async function prepareViews(invokeUrl: string, functionPrefix: string): Promise<void> {
  const response = await fetch(`${invokeUrl}/2015-03-31/functions/${functionPrefix}prepare/invocations`, {
    method: "POST",
    body: "{}",
    signal: AbortSignal.timeout(120_000),
  });
  const answer = await response.text();
  if (response.ok && !response.headers.has("x-amz-function-error") && !answer.includes('"errorMessage"')) return;
  throw new CommandError("PREPARE_FAILED", `the views could not be prepared: ${answer.slice(0, 1_000)}`);
}
