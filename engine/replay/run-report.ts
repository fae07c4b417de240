/** What a replay did, for JSON: which has no 64-bit numbers, so positions are text. */
import { toJson } from "../consistency/difference.ts";
import { formatPosition } from "../event-store/position.ts";
import type { LiveComparison, LiveDifference } from "./live-comparison.ts";
import type { ReplayReport } from "./replay.ts";

export function describeReport({
  view,
  outcome,
  generation,
  former,
  built,
  seamEvents,
}: ReplayReport): Record<string, unknown> {
  return {
    view,
    outcome,
    generation: generation.id,
    version: generation.version,
    from: formatPosition(generation.from),
    ...(former === undefined ? {} : { former: former.id }),
    ...(built === undefined
      ? {}
      : {
          events: built.events,
          written: built.written,
          verifiedTo: formatPosition(built.verifiedTo),
          verified: built.verification,
          ...(built.comparison === undefined ? {} : { comparedWithLive: describeComparison(built.comparison) }),
        }),
    seamEvents,
  };
}

function describeComparison({ differences, ...counts }: LiveComparison): Record<string, unknown> {
  return { ...counts, differences: differences.map(describeDifference) };
}

function describeDifference(found: LiveDifference): Record<string, unknown> {
  return found.explanation === "undecided" ? { ...found } : { ...found, difference: toJson(found.difference) };
}
