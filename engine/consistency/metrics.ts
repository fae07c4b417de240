/**
 * A check's numbers as CloudWatch metrics, in the embedded metric format: one JSON line on standard output, from which
 * CloudWatch makes the metrics by itself, so that a check makes no call and needs no permission for them.
 */
import type { ViewOutcome } from "./check-views.ts";

export const metricNamespace = "Tidemark";

/** One metric document of the format. Values are counts; `dimensions` name what was counted. */
export function embeddedMetrics(
  dimensions: Readonly<Record<string, string>>,
  counts: Readonly<Record<string, number>>,
  timestampMs: number,
): string {
  const directive = {
    Namespace: metricNamespace,
    Dimensions: [Object.keys(dimensions)],
    Metrics: Object.keys(counts).map((Name) => ({ Name, Unit: "Count" })),
  };
  return JSON.stringify({
    _aws: { Timestamp: timestampMs, CloudWatchMetrics: [directive] },
    ...dimensions,
    ...counts,
  });
}

/** The metrics of one view's check. `FailedChecks` is 1 for a view that could not be checked, and then stands alone. */
export function checkMetrics(deployment: string, outcome: ViewOutcome, timestampMs = Date.now()): string {
  const dimensions = { Deployment: deployment, View: outcome.view };
  if (outcome.outcome === "failed") return embeddedMetrics(dimensions, { FailedChecks: 1 }, timestampMs);
  const { rows, guards, events, differenceCount, undecidedCount, scavengedStreams } = outcome.report;
  const counts = {
    FailedChecks: 0,
    Rows: rows,
    Guards: guards,
    Events: events,
    Differences: differenceCount,
    UndecidedRows: undecidedCount,
    ScavengedStreams: scavengedStreams,
  };
  return embeddedMetrics(dimensions, counts, timestampMs);
}
