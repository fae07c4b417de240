/**
 * Compares views with the events: by schedule every view, by hand also one, `{"view": "..."}`. Ends with an error when one is
 * not what its events say or could not be compared, so that Lambda's `Errors` metric, and the alarm on it, tell.
 */
import { checkViews, refuseDrift, type ViewOutcome } from "../engine/consistency/check-views.ts";
import { describeDifference, rowText } from "../engine/consistency/difference.ts";
import { checkMetrics } from "../engine/consistency/metrics.ts";
import { versionsOf } from "../projections/registry.ts";
import { deploymentName } from "./deployment-name.ts";
import { views } from "./dynamodb-connection.ts";
import { eventStore } from "./event-store-connection.ts";
import { functionLogger } from "./function-logger.ts";
import { viewsToCheck } from "./views-to-check.ts";

const log = functionLogger("check");

interface CheckSummary {
  readonly views: readonly {
    readonly view: string;
    readonly rows: number;
    readonly guards: number;
    readonly events: number;
  }[];
}

/** Throws ViewsDriftedError after all views were checked; CheckEventError and UnknownViewError before any is. */
export const handler = async (event: unknown): Promise<CheckSummary> => {
  const toCheck = viewsToCheck(event).map((view) => ({ view, versions: versionsOf(view) }));
  const { dynamodb, catalog, quarantine, tablePrefix } = views();
  const deployment = deploymentName(tablePrefix);
  const outcomes: ViewOutcome[] = [];
  for await (const outcome of checkViews({ dynamodb, catalog, quarantine, eventStore: await eventStore() }, toCheck)) {
    logOutcome(outcome);
    // Straight to standard output: the log's own fields would not belong in a metric document.
    process.stdout.write(`${checkMetrics(deployment, outcome)}\n`);
    outcomes.push(outcome);
  }
  refuseDrift(outcomes);
  return { views: outcomes.flatMap(summaryOf) };
};

function summaryOf(outcome: ViewOutcome): CheckSummary["views"] {
  if (outcome.outcome === "failed") return [];
  const { view, rows, guards, events } = outcome.report;
  return [{ view, rows, guards, events }];
}

function logOutcome(outcome: ViewOutcome): void {
  const { view } = outcome;
  if (outcome.outcome === "failed") {
    log.error({ view, err: outcome.error }, "view could not be checked");
    return;
  }
  const { generation, version, rows, guards, events, differenceCount, undecidedCount, scavengedStreams } =
    outcome.report;
  const numbers = {
    view,
    generation,
    version,
    rows,
    guards,
    events,
    differenceCount,
    undecidedCount,
    scavengedStreams,
  };
  if (outcome.outcome === "agrees") {
    log.info(numbers, "view agrees with its events");
    return;
  }
  const differences = outcome.report.differences.map(describeDifference);
  const undecided = outcome.report.undecided.map(({ key, why }) => `${rowText(key)}: ${why}`);
  log.error({ ...numbers, differences, undecided }, "view is not known to be what its events say");
}
