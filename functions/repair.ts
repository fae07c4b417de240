/**
 * Puts right what differs in one view, `{"view": "..."}`, row by row, and checks it again; by hand only. The log has what each
 * row and guard held and holds, right before it is written and right after. Ends with an error when the view is not known to be
 * right afterwards. A function of its own, so that those which check by schedule may write nothing.
 */
import { outcomeOf, refuseDrift, type ViewOutcome } from "../engine/consistency/check-views.ts";
import type { CheckOptions } from "../engine/consistency/generation-check.ts";
import { checkMetrics } from "../engine/consistency/metrics.ts";
import { type Repair, repairToJson } from "../engine/consistency/repair.ts";
import { repairView } from "../engine/consistency/repair-view.ts";
import { versionsOf } from "../projections/registry.ts";
import { logOutcome } from "./check-log.ts";
import { deploymentName } from "./deployment-name.ts";
import { views } from "./dynamodb-connection.ts";
import { eventStore } from "./event-store-connection.ts";
import { functionLogger } from "./function-logger.ts";
import { repairAsked } from "./views-to-check.ts";

const log = functionLogger("repair");

interface RepairSummary {
  readonly view: string;
  readonly repairs: readonly Record<string, unknown>[];
}

/** Throws ViewsDriftedError after the repair; CheckEventError and UnknownViewError before any. */
export const handler = async (event: unknown): Promise<RepairSummary> => {
  const { view, only } = repairAsked(event);
  const versions = versionsOf(view);
  const { dynamodb, catalog, quarantine, tablePrefix } = views();
  const context = { dynamodb, catalog, quarantine, eventStore: await eventStore() };
  const checked = async (options: CheckOptions): Promise<ViewOutcome> => {
    const outcome = await outcomeOf(context, { view, versions, options });
    logOutcome(log, outcome);
    // Straight to standard output: the log's own fields would not belong in a metric document.
    process.stdout.write(`${checkMetrics(deploymentName(tablePrefix), outcome)}\n`);
    return outcome;
  };
  const all = { differencesListed: Number.POSITIVE_INFINITY };
  const found = await checked(only === undefined ? all : { ...all, only });
  if (found.outcome !== "differs") {
    refuseDrift([found]);
    return { view, repairs: [] };
  }
  const watch = {
    onWrite: (repair: Repair) => log.warn({ view, ...repairToJson(repair) }, "about to be repaired"),
    onRepair: logRepair(view),
  };
  const repaired = await repairView(context, versions, found.report, checked, watch);
  if (repaired.outcome === "failed")
    log.error({ view, err: repaired.error }, "view was not repaired, or not checked again");
  refuseDrift([repaired]);
  return { view, repairs: repaired.repairs.map(repairToJson) };
};

function logRepair(view: string): (repair: Repair) => void {
  return (repair) => {
    const facts = { view, ...repairToJson(repair) };
    if (repair.what === "left") log.error(facts, "left as it is");
    else if (repair.what === "right-already") log.info(facts, "right by now");
    else log.warn(facts, "repaired");
  };
}
