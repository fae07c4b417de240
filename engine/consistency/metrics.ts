import { embeddedMetrics } from "../metrics/embedded-metrics.ts";
import type { ViewOutcome } from "./check-views.ts";
import type { QuickCheckReport } from "./quick-check.ts";

/** The metrics of one view's check, those of some rows under names of their own. `FailedChecks` is 1 for a view that could not be checked, and then stands alone. */
export function checkMetrics(deployment: string, outcome: ViewOutcome, timestampMs = Date.now()): string {
  const dimensions = { Deployment: deployment, View: outcome.view };
  if (outcome.outcome === "failed") return embeddedMetrics({ dimensions, counts: { FailedChecks: 1 }, timestampMs });
  const { rows, guards, events, differenceCount, undecidedCount, scavengedStreams, only } = outcome.report;
  if (only !== undefined) {
    const counts = { SampledRows: rows, SampledDifferences: differenceCount, SampledUndecidedRows: undecidedCount };
    return embeddedMetrics({ dimensions, counts: { FailedChecks: 0, ...counts }, timestampMs });
  }
  const counts = {
    FailedChecks: 0,
    Rows: rows,
    Guards: guards,
    Events: events,
    Differences: differenceCount,
    UndecidedRows: undecidedCount,
    ScavengedStreams: scavengedStreams,
  };
  return embeddedMetrics({ dimensions, counts, timestampMs });
}

/** The metrics of one view's quick check: streams that were forgotten and are applied, and those that are not. */
export function quickCheckMetrics(
  deployment: string,
  { view, streams, healed, behind }: QuickCheckReport,
  timestampMs = Date.now(),
): string {
  return embeddedMetrics({
    dimensions: { Deployment: deployment, View: view },
    counts: { StreamsMoved: streams, StreamsForgotten: healed.length, StreamsMissing: behind.length },
    timestampMs,
  });
}
