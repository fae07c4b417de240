/** What a replay did, for JSON: which has no 64-bit numbers, so positions are text. */
import { formatPosition } from "../event-store/position.ts";
import type { ReplayReport } from "./replay.ts";
import { comparisonOf } from "./report.ts";

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
          ...comparisonOf(built),
        }),
    seamEvents,
  };
}
