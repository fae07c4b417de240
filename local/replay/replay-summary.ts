/** What a replay did, in lines for a person. */
import { formatPosition } from "../../engine/event-store/position.ts";
import { comparisonLines } from "../../engine/replay/report-text.ts";
import { reportedComparison } from "../../engine/replay/report.ts";
import type { BuildReport } from "../../engine/replay/build-generation.ts";
import type { ReplayReport } from "../../engine/replay/replay.ts";

const states: Readonly<Record<ReplayReport["outcome"], string>> = {
  live: "rebuilt and live",
  ready: "rebuilt and ready to be swapped in",
  verified: "rebuilt and verified",
  frozen: "built and frozen",
};

export function summary(
  { view, outcome, generation, former, built, seamEvents }: ReplayReport,
  seconds: number,
): string {
  const { id, version } = generation;
  return [
    `${view} is ${states[outcome]}: generation ${id}, version ${version}, in ${seconds.toFixed(1)} s`,
    ...(built === undefined ? [] : builtLines(built)),
    ...(outcome === "live" || outcome === "ready"
      ? [`  seam        ${seamEvents} events brought up after the join`]
      : []),
    ...(outcome === "ready" ? [`  to swap     npx tidemark replay swap ${view}`] : []),
    ...(former === undefined
      ? []
      : [`  way back    npx tidemark replay rollback ${view}   (${former.id} is still being written)`]),
  ].join("\n");
}

function builtLines({ events, written, verification, verifiedTo, comparison, comparedWith }: BuildReport): string[] {
  const { rows, guards, scavengedStreams } = verification;
  return [
    `  back-fill   ${events} events read, ${written} rows and guards written`,
    `  verified    ${rows} rows and ${guards} guards are what the events say, up to ${formatPosition(verifiedTo)}`,
    ...(scavengedStreams === 0
      ? []
      : [`              of ${scavengedStreams} streams the log no longer holds all events`]),
    ...(comparison === undefined || comparedWith === undefined
      ? []
      : comparisonLines(reportedComparison(comparison, comparedWith))),
  ];
}
