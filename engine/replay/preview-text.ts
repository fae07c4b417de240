/** What a replay would do, for a person. */
import type { Preview } from "./preview.ts";
import { comparisonLines } from "./report-text.ts";

export function previewText(preview: Preview): string {
  const { view, version, from, until, events, rows, guards, bytes, writeUnits, readUnits, seconds, cost } = preview;
  const basis = { "last replay": "as its last replay took", "rule of thumb": "by rule of thumb" };
  return [
    `${view}, version ${version}: nothing is made yet`,
    `  reads       ${events} events, up to ${until}${from === "0/0" ? "" : `, of which those from ${from} on count`}`,
    `  makes       ${rows} rows and ${guards} guards, ${(bytes / 1_024).toFixed(0)} KiB`,
    ...(preview.scavengedStreams === 0
      ? []
      : [`              of ${preview.scavengedStreams} streams the log no longer holds all events`]),
    `  takes       about ${Math.max(1, Math.round(seconds.expected))} s, ${basis[seconds.basis]}`,
    `  costs       $${dollars(cost.dynamodb)} for ${writeUnits} write and ${readUnits} read units of DynamoDB, $${dollars(cost.lambda)} for Lambda`,
    ...(preview.comparedWithLive === undefined ? [] : comparisonLines(preview.comparedWithLive)),
  ].join("\n");
}

/** To two digits that say something: most of these sums are far below a cent. */
function dollars(sum: number): string {
  return sum >= 1 ? sum.toFixed(2) : sum.toPrecision(2);
}
