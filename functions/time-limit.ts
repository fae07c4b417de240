import type { Context } from "aws-lambda";

/** For a step to come to a safe place. */
const reservedMs = 30_000;

/** Aborted when the invocation's time is nearly up. */
export function timeIsNearlyUp(context: Pick<Context, "getRemainingTimeInMillis">): AbortSignal {
  return AbortSignal.timeout(Math.max(1, context.getRemainingTimeInMillis() - reservedMs));
}
