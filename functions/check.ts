/**
 * Compares views with the events: every view, or one, `{"view": "..."}`; of each all rows, some at random, `{"sample": 100}`, or
 * one by its name. Ends with an error when one is not what its events say or could not be compared, so that Lambda's `Errors`
 * metric, and the alarm on it, tell. It is deployed twice, as `check` and, in `sample-check.ts`, for samples: each has its schedule and alarms.
 */
import { randomUUID } from "node:crypto";
import { checkViews, refuseDrift, type ViewOutcome } from "../engine/consistency/check-views.ts";
import type { RowsAsked } from "../engine/consistency/generation-check.ts";
import { checkMetrics } from "../engine/consistency/metrics.ts";
import { versionsOf } from "../projections/registry.ts";
import { logOutcome } from "./check-log.ts";
import { deploymentName } from "./deployment-name.ts";
import { views } from "./dynamodb-connection.ts";
import { eventStore } from "./event-store-connection.ts";
import { functionLogger } from "./function-logger.ts";
import { checkAsked } from "./views-to-check.ts";

const log = functionLogger("check");

interface CheckSummary {
  /** Of a sample with its seed, by which it can be had again. */
  readonly only?: RowsAsked;
  readonly views: readonly {
    readonly view: string;
    readonly rows: number;
    readonly guards: number;
    readonly events: number;
  }[];
}

/** Throws ViewsDriftedError after all views were checked; CheckEventError and UnknownViewError before any is. */
export const handler = async (event: unknown): Promise<CheckSummary> => {
  const asked = checkAsked(event, () => randomUUID().slice(0, 8));
  const only = asked.only === undefined ? {} : { only: asked.only };
  const toCheck = asked.views.map((view) => ({ view, versions: versionsOf(view), options: only }));
  const { dynamodb, catalog, quarantine, tablePrefix } = views();
  const deployment = deploymentName(tablePrefix);
  const outcomes: ViewOutcome[] = [];
  for await (const outcome of checkViews({ dynamodb, catalog, quarantine, eventStore: await eventStore() }, toCheck)) {
    logOutcome(log, outcome);
    // Straight to standard output: the log's own fields would not belong in a metric document.
    process.stdout.write(`${checkMetrics(deployment, outcome)}\n`);
    outcomes.push(outcome);
  }
  refuseDrift(outcomes);
  return { ...only, views: outcomes.flatMap(summaryOf) };
};

function summaryOf(outcome: ViewOutcome): CheckSummary["views"] {
  if (outcome.outcome === "failed") return [];
  const { view, rows, guards, events } = outcome.report;
  return [{ view, rows, guards, events }];
}
