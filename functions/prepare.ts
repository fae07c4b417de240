/** Invoked after each deployment: builds the first generation of every view that has none. May be repeated. */
import { prepareView } from "../engine/replay/prepare-view.ts";
import { versionsOf, viewNames } from "../projections/registry.ts";
import { functionLogger } from "./function-logger.ts";
import { replayContext } from "./replay-context.ts";

const log = functionLogger("prepare");

export const handler = async (): Promise<{ views: { view: string; outcome: "prepared" | "present" }[] }> => {
  const context = await replayContext("prepare");
  const views = [];
  for (const view of viewNames) {
    const outcome = await prepareView(context, versionsOf(view));
    log.info({ view, outcome }, "view prepared");
    views.push({ view, outcome });
  }
  return { views };
};
