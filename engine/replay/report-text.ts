/** A report for a person who looks on: one fact a line. */
import { attributesText } from "../consistency/difference.ts";
import type { RowAttributes } from "../views/projection.ts";
import type { GenerationReport, ReportedComparison, ReportedDifference } from "./report.ts";

/** Whether the rebuilt rows are what the events say, as far as anybody has looked. */
export function verdictOf({ checked }: GenerationReport): string {
  if (checked === undefined || checked.outcome === "agrees") return "every row and guard is what the events say";
  if (checked.outcome === "undecided") return `of ${checked.undecided} rows nobody can say whether they are right`;
  return `it DIFFERS from its events in ${checked.differences} places`;
}

export function reportText(report: GenerationReport): string {
  const { view, generation, version, from, until, rows, guards, verifiedTo, comparedWithLive, checked, at, by } =
    report;
  const end = until === undefined ? "" : `, up to ${until}`;
  const start = from === "0/0" ? "" : `, counting events from ${from} on`;
  return [
    `${view}: ${verdictOf(report)}`,
    `  generation  ${generation}, version ${version}${start}${end}`,
    `  made        ${at} by ${by}`,
    `  verified    ${rows} rows and ${guards} guards up to ${verifiedTo}`,
    ...(report.scavengedStreams === 0
      ? []
      : [`              of ${report.scavengedStreams} streams the log no longer holds all events`]),
    ...(checked === undefined
      ? []
      : [
          `  once more   ${checked.at}: ${checked.rows} rows and ${checked.guards} guards, ${checked.outcome}`,
          ...checked.lines.map((line) => `              ${line}`),
        ]),
    ...(comparedWithLive === undefined ? [] : comparisonLines(comparedWithLive)),
  ].join("\n");
}

/** How rows compare with the live ones: the counts that are not 0, and the differences that are listed. */
export function comparisonLines(comparison: ReportedComparison): string[] {
  const counts = countsOf(comparison).map(([count, what]) => `${count} ${what}`);
  const { missingTable } = comparison;
  const missing = missingTable === undefined ? [] : [`              ${missingText(missingTable)}`];
  const listed = comparison.differences.map((difference) => `              ${differenceText(difference)}`);
  return [`  live view   ${counts.join(", ")}`, ...missing, ...listed];
}

export function missingText(table: string): string {
  return `its table ${table} was not there: nothing could be compared`;
}

/** With what each count says; those that are hardly ever there are left out while they are 0. */
export function countsOf(comparison: ReportedComparison): (readonly [number, string])[] {
  const { same, damaged, behind, changed, otherOffset, undecided } = comparison;
  const rare = [
    [behind, "behind in the live view"],
    [changed, "changed by the new definition"],
    [otherOffset, "left out or counted by another offset"],
    [undecided, "undecided"],
  ] as const;
  return [[same, "rows as before"], [damaged, "mended"], ...rare.filter(([count]) => count > 0)];
}

export function differenceText({ explanation, row, expected, found, why }: ReportedDifference): string {
  if (why !== undefined) return `${explanation}: row ${row}: ${why}`;
  const sides = [
    ...(expected === undefined ? ["should not be there"] : [`expected ${sideText(expected)}`]),
    ...(found === undefined ? ["is missing"] : [`found ${sideText(found)}`]),
  ];
  return `${explanation}: row ${row}: ${sides.join(", ")}`;
}

/** As the report has kept it: with numbers of 64 bits as text. */
function sideText(side: Readonly<Record<string, unknown>>): string {
  return attributesText(side as RowAttributes);
}
