/**
 * Looks, by schedule, whether every stream that has moved since the last time is in the views as far as it has moved, and has the
 * projectors apply what never arrived. By hand also for one view, `{"view": "..."}`. Ends with an error when something is still
 * missing or a view could not be looked at, after all others were, so that Lambda's `Errors` metric and the alarm on it tell.
 */
import { quickCheckMetrics } from "../engine/consistency/metrics.ts";
import { quickCheck, type QuickCheckReport, type StreamBehind } from "../engine/consistency/quick-check.ts";
import { askToCatchUp } from "../engine/delivery/function-invocation.ts";
import type { StreamRevision } from "../engine/delivery/function-payload.ts";
import { formatPosition } from "../engine/event-store/position.ts";
import { versionsOf } from "../projections/registry.ts";
import { deploymentName } from "./deployment-name.ts";
import { catalogTable, views } from "./dynamodb-connection.ts";
import { eventStore } from "./event-store-connection.ts";
import { functionLogger } from "./function-logger.ts";
import { invocation } from "./lambda-connection.ts";
import { viewsToCheck } from "./views-to-check.ts";

const log = functionLogger("quick-check");

/** Events are missing from at least one view, or it is not known. */
export class EventsMissingError extends Error {
  readonly code = "EVENTS_MISSING";
  override readonly name = "EventsMissingError";
}

interface QuickCheckSummary {
  readonly views: readonly { readonly view: string; readonly streams: number; readonly healed: number }[];
}

/** A projector's own time-out is below it. */
const healMs = 60_000;
const streamsLogged = 20;

/** Throws {@link EventsMissingError} after all views were looked at; CheckEventError and UnknownViewError before any is. */
export const handler = async (event: unknown): Promise<QuickCheckSummary> => {
  const asked = viewsToCheck(event).map((view) => ({ view, versions: versionsOf(view) }));
  const { dynamodb, catalog, quarantine, tablePrefix } = views();
  const stores = { dynamodb, catalog, quarantine, catalogTable: catalogTable(tablePrefix) };
  const context = { ...stores, eventStore: await eventStore() };
  const { lambda, functionName } = invocation();
  const { signal } = new AbortController();
  const deployment = deploymentName(tablePrefix);
  const done: QuickCheckReport[] = [];
  const missing: string[] = [];
  for (const { view, versions } of asked) {
    const projector = functionName(`project-${view}`);
    const heal = (upTo: StreamRevision) =>
      askToCatchUp(lambda, { functionName: projector, timeoutMs: healMs, signal }, upTo);
    try {
      const report = await quickCheck(context, versions, { heal });
      logReport(report);
      // Straight to standard output: the log's own fields would not belong in a metric document.
      process.stdout.write(`${quickCheckMetrics(deployment, report)}\n`);
      done.push(report);
      if (report.behind.length > 0) missing.push(`${view} lacks events of ${report.behind.length} streams`);
    } catch (error) {
      log.error({ view, err: error }, "view could not be looked at");
      missing.push(`${view} could not be looked at`);
    }
  }
  if (missing.length > 0) throw new EventsMissingError(`${missing.join("; ")}: see the log and docs/consistency.md`);
  return { views: done.map(({ view, streams, healed }) => ({ view, streams, healed: healed.length })) };
};

function logReport({ view, generation, checkedTo, events, streams, healed, waiting, behind }: QuickCheckReport): void {
  const told = (all: readonly StreamBehind[]): string[] =>
    all
      .slice(0, streamsLogged)
      .map(({ stream, expected, actual }) => `${stream} at ${actual.toString()} of ${expected.toString()}`);
  const facts = { view, generation, checkedTo: formatPosition(checkedTo), events, streams, waiting: waiting.length };
  if (behind.length > 0) log.error({ ...facts, behind: told(behind) }, "events are missing from the view");
  else if (healed.length > 0) log.warn({ ...facts, healed: told(healed) }, "events had not arrived: applied now");
  else log.info(facts, "the view has what moved");
}
