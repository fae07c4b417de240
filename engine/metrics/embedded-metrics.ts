/**
 * Numbers as CloudWatch metrics, in the embedded metric format: one JSON line on standard output, from which CloudWatch makes
 * the metrics by itself, so that a function makes no call and needs no permission for them.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 */
export const metricNamespace = "Tidemark";

export interface MetricDocument {
  /** Name what was measured. CloudWatch knows a metric by its name and all of them. */
  readonly dimensions: Readonly<Record<string, string>>;
  readonly counts: Readonly<Record<string, number>>;
  readonly seconds?: Readonly<Record<string, number>>;
  /** Stand in the log beside the metrics, and make none. */
  readonly properties?: Readonly<Record<string, string | number>>;
  readonly timestampMs: number;
}

/** One document of the format, without a line end. */
export function embeddedMetrics({
  dimensions,
  counts,
  seconds = {},
  properties = {},
  timestampMs,
}: MetricDocument): string {
  const named = (values: Readonly<Record<string, number>>, Unit: string) =>
    Object.keys(values).map((Name) => ({ Name, Unit }));
  const directive = {
    Namespace: metricNamespace,
    Dimensions: [Object.keys(dimensions)],
    Metrics: [...named(counts, "Count"), ...named(seconds, "Seconds")],
  };
  return JSON.stringify({
    _aws: { Timestamp: timestampMs, CloudWatchMetrics: [directive] },
    ...dimensions,
    ...properties,
    ...counts,
    ...seconds,
  });
}
