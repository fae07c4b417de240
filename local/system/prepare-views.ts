/** Invokes the `prepare` function, as one does after a deployment: it makes the first generation of each view. */
import { z } from "zod";
import { fromJson } from "../../engine/json/from-json.ts";
import { CommandError } from "../cli/command-error.ts";

const longestWaitMs = 120_000;

const answerSchema = z.object({ views: z.array(z.object({ outcome: z.enum(["prepared", "present", "unfinished"]) })) });

/**
 * Over a long log that takes longer than a request may, or than an invocation may. Asked again, the function waits for what it
 * does already, or goes on with it; `onWaiting` is told each time.
 */
export async function prepareViews(invokeUrl: string, functionPrefix: string, onWaiting: () => void): Promise<void> {
  for (;;) {
    try {
      if (await areReady(`${invokeUrl}/2015-03-31/functions/${functionPrefix}prepare/invocations`)) return;
    } catch (error) {
      if (!(error instanceof DOMException && error.name === "TimeoutError")) throw error;
    }
    onWaiting();
  }
}

async function areReady(url: string): Promise<boolean> {
  const response = await fetch(url, { method: "POST", body: "{}", signal: AbortSignal.timeout(longestWaitMs) });
  const text = await response.text();
  const answer = answerSchema.safeParse(fromJson(text));
  if (response.ok && answer.success) return answer.data.views.every(({ outcome }) => outcome !== "unfinished");
  throw new CommandError("PREPARE_FAILED", `the views could not be prepared: ${text.slice(0, 1_000)}`);
}
