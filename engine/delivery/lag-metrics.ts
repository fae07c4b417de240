import { embeddedMetrics } from "../metrics/embedded-metrics.ts";
import { type LagReport, lagSeconds } from "./lag.ts";

/**
 * The metrics of one subscription's lag, or undefined for one that could not be told: no number is better than one that says
 * that all is well. `name` is the function's, without the deployment's prefix.
 */
export function lagMetrics(deployment: string, name: string, report: LagReport, now: Date): string | undefined {
  const { view, generation, quarantined, outcome } = report;
  if ("error" in outcome) return undefined;
  const { lag } = outcome;
  return embeddedMetrics({
    dimensions: { Deployment: deployment, ...(view === undefined ? { Function: name } : { View: view }) },
    counts: { LagEvents: lag.events, ...(quarantined === undefined ? {} : { Quarantined: quarantined }) },
    seconds: { LagSeconds: lagSeconds(lag, now) },
    properties: { Bound: lag.bound, ...(generation === undefined ? {} : { Generation: generation.id }) },
    timestampMs: now.getTime(),
  });
}

/** Of one measurement: how many subscriptions it could tell the lag of, and how many streams wait in all of them. */
export function measurementMetrics(deployment: string, reports: readonly LagReport[], now: Date): string {
  const told = reports.filter(({ outcome }) => "lag" in outcome).length;
  const quarantined = reports.reduce((sum, report) => sum + (report.quarantined ?? 0), 0);
  return embeddedMetrics({
    dimensions: { Deployment: deployment },
    counts: { MeasuredSubscriptions: told, QuarantinedStreams: quarantined },
    timestampMs: now.getTime(),
  });
}
