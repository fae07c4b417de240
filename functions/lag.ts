/**
 * Measures, by schedule, how far every view and process is behind the log, and writes it as metrics. Ends with an error when
 * one could not be told, after all others were, so that Lambda's `Errors` metric and the alarm on it tell.
 */
import { type LagReport, lagSeconds, measureLag } from "../engine/delivery/lag.ts";
import { lagMetrics, measurementMetrics } from "../engine/delivery/lag-metrics.ts";
import { deploymentName } from "./deployment-name.ts";
import { views } from "./dynamodb-connection.ts";
import { eventStore } from "./event-store-connection.ts";
import { functionLogger } from "./function-logger.ts";
import { functionNameSettings, readSettings } from "./settings.ts";
import { triggers } from "./subscriptions.ts";

const log = functionLogger("lag");

export class LagNotMeasuredError extends Error {
  readonly code = "LAG_NOT_MEASURED";
  override readonly name = "LagNotMeasuredError";
}

interface LagSummary {
  readonly subscriptions: readonly { readonly name: string; readonly events: number; readonly seconds: number }[];
}

/** Throws {@link LagNotMeasuredError}, EventStoreUnavailableError and EventStoreError. */
export const handler = async (): Promise<LagSummary> => {
  const { FUNCTION_PREFIX: prefix } = readSettings(functionNameSettings);
  const { dynamodb, catalog, quarantine } = views();
  const measured = triggers((name) => `${prefix}${name}`);
  const reports = await measureLag({ dynamodb, catalog, quarantine, eventStore: await eventStore() }, measured);
  const now = new Date();
  const named = measured.flatMap(({ name }, index) => {
    const report = reports[index];
    return report === undefined ? [] : [{ name, report }];
  });
  const deployment = deploymentName(prefix);
  for (const { name, report } of named) write(lagMetrics(deployment, name, report, now));
  write(measurementMetrics(deployment, reports, now));
  refuseUntold(named);
  return { subscriptions: named.flatMap(({ name, report }) => summaryOf(name, report, now)) };
};

/** Straight to standard output: the log's own fields would not belong in a metric document. */
function write(document: string | undefined): void {
  if (document !== undefined) process.stdout.write(`${document}\n`);
}

function refuseUntold(named: readonly { readonly name: string; readonly report: LagReport }[]): void {
  const untold = named.flatMap(({ name, report: { outcome } }) =>
    "error" in outcome ? [{ name, error: outcome.error }] : [],
  );
  for (const { name, error } of untold) log.error({ subscription: name, err: error }, "lag could not be told");
  const [first] = untold;
  if (first === undefined) return;
  const names = untold.map(({ name }) => name).join(", ");
  throw new LagNotMeasuredError(`the lag of ${names} could not be told: see the log`, { cause: first.error });
}

function summaryOf(name: string, { outcome }: LagReport, now: Date): LagSummary["subscriptions"] {
  if ("error" in outcome) return [];
  return [{ name, events: outcome.lag.events, seconds: lagSeconds(outcome.lag, now) }];
}
