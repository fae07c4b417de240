/** What a replay did, in lines for a person. */
import { describeDifference } from "../../engine/consistency/difference.ts";
import { formatPosition } from "../../engine/event-store/position.ts";
import type { LiveComparison } from "../../engine/replay/live-comparison.ts";
import type { ReplayReport } from "../../engine/replay/replay.ts";

export function summary(report: ReplayReport, seconds: number): string {
  const { view, generation, former, built, seamEvents } = report;
  const lines = [
    `${view} is rebuilt and live: generation ${generation.id}, version ${generation.version}, in ${seconds.toFixed(1)} s`,
  ];
  if (built !== undefined) {
    const { rows, guards, scavengedStreams } = built.verification;
    lines.push(
      `  back-fill   ${built.events} events read, ${built.written} rows and guards written`,
      `  verified    ${rows} rows and ${guards} guards are what the events say, up to ${formatPosition(built.verifiedTo)}`,
    );
    if (scavengedStreams > 0)
      lines.push(`              of ${scavengedStreams} streams the log no longer holds all events`);
    if (built.comparison !== undefined) lines.push(...comparisonLines(built.comparison));
  }
  lines.push(`  seam        ${seamEvents} events brought up after the join`);
  if (former !== undefined) {
    lines.push(`  way back    npm run replay -- rollback ${view}   (${former.id} is still being written)`);
  }
  return lines.join("\n");
}

function comparisonLines(comparison: LiveComparison): string[] {
  const { same, damaged, behind, changed, otherOffset, undecided, differences } = comparison;
  const counts = [
    `${same} rows as before`,
    `${damaged} mended`,
    ...(behind === 0 ? [] : [`${behind} behind in the former view`]),
    ...(changed === 0 ? [] : [`${changed} changed by the new definition`]),
    ...(otherOffset === 0 ? [] : [`${otherOffset} left out or counted by another offset`]),
    ...(undecided === 0 ? [] : [`${undecided} undecided`]),
  ];
  const listed = differences.map((found) =>
    found.explanation === "undecided"
      ? `              ${found.key.partition} / ${found.key.sort}: ${found.why}`
      : `              ${found.explanation}: ${describeDifference(found.difference)}`,
  );
  return [`  live view   ${counts.join(", ")}`, ...listed];
}
