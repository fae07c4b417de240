/**
 * Invoked after each deployment: builds the first generation of every view that has none. May be repeated, and has to be when
 * it answers `unfinished`: the log was longer than its time.
 */
import type { Context } from "aws-lambda";
import { type PreparedView, prepareViews } from "../engine/replay/prepare-views.ts";
import { versionsOf, viewNames } from "../projections/registry.ts";
import { functionLogger } from "./function-logger.ts";
import { replayContext } from "./replay-context.ts";
import { timeIsNearlyUp } from "./time-limit.ts";

const log = functionLogger("prepare");

export const handler = async (
  _: unknown,
  context: Pick<Context, "getRemainingTimeInMillis">,
): Promise<{ readonly views: readonly PreparedView[] }> => {
  const signal = timeIsNearlyUp(context);
  const views = await prepareViews(await replayContext("prepare"), viewNames.map(versionsOf), {
    signal,
    observer: { step: (step, { id, table }) => log.info({ generation: id, table, step }, "replay step") },
  });
  for (const { view, outcome } of views) log.info({ view, outcome }, "view prepared");
  return { views };
};
