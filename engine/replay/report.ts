/**
 * What a replay found, in a form that can be kept, printed, sent and read again: how the rebuilt rows were proved to be what
 * the events say, and how they compare with those that readers see. Positions and 64-bit numbers are text.
 */
import { z } from "zod";
import { type Difference, jsonValue, rowText } from "../consistency/difference.ts";
import { formatPosition } from "../event-store/position.ts";
import type { Generation } from "../views/catalog.ts";
import type { BuildReport } from "./build-generation.ts";
import type { LiveComparison, LiveDifference } from "./live-comparison.ts";

const attributesSchema = z.record(z.string(), z.unknown());

/** A row that differs: `expected` is what the new generation holds, or for damage what the row's events say; `found` is live. */
const reportedDifferenceSchema = z.object({
  explanation: z.enum(["damage-in-live", "behind-in-live", "new-definition", "other-offset", "undecided"]),
  row: z.string(),
  expected: attributesSchema.exactOptional(),
  found: attributesSchema.exactOptional(),
  /** Why nobody can say. */
  why: z.string().exactOptional(),
});

const comparisonSchema = z.object({
  /** Generation and version of the live rows. */
  generation: z.string(),
  version: z.int(),
  same: z.int(),
  damaged: z.int(),
  behind: z.int(),
  changed: z.int(),
  otherOffset: z.int(),
  undecided: z.int(),
  /** Name of the live table, where it was not there: then all rows are counted as damaged. */
  missingTable: z.string().exactOptional(),
  /** The first of those that are not the same. */
  differences: z.array(reportedDifferenceSchema),
});

/** A comparison with the events while it was written, by the code of the consistency check. */
const checkSchema = z.object({
  /** ISO 8601. */
  at: z.string(),
  outcome: z.enum(["agrees", "differs", "undecided"]),
  rows: z.int(),
  guards: z.int(),
  differences: z.int(),
  undecided: z.int(),
  /** The first of the differences, a line each. */
  lines: z.array(z.string()),
});

export const generationReportSchema = z.object({
  view: z.string(),
  generation: z.string(),
  version: z.int(),
  fingerprint: z.string().exactOptional(),
  from: z.string(),
  until: z.string().exactOptional(),
  /** ISO 8601, and who had it made. */
  at: z.string(),
  by: z.string(),
  /** Read by the last run's back-fill, and puts of rows and guards by it. */
  events: z.int(),
  written: z.int(),
  /** Of all streams, as its verification read them. */
  logEvents: z.int(),
  /** Rows and guards that were compared with the events up to this position, and found equal. */
  verifiedTo: z.string(),
  rows: z.int(),
  guards: z.int(),
  scavengedStreams: z.int(),
  seconds: z.object({ backFill: z.number(), verify: z.number(), compare: z.number() }),
  /** Absent where no generation was live. */
  comparedWithLive: comparisonSchema.exactOptional(),
  /** The last one since. */
  checked: checkSchema.exactOptional(),
});

export type GenerationReport = z.output<typeof generationReportSchema>;
export type ReportedComparison = z.output<typeof comparisonSchema>;
export type ReportedDifference = z.output<typeof reportedDifferenceSchema>;

export interface ReportOrigin {
  readonly view: string;
  readonly generation: Generation;
  /** ISO 8601. */
  readonly at: string;
  readonly by: string;
}

export function reportOf({ view, generation, at, by }: ReportOrigin, built: BuildReport): GenerationReport {
  const { id, version, fingerprint, from, until } = generation;
  const { verification } = built;
  return {
    view,
    generation: id,
    version,
    ...(fingerprint === undefined ? {} : { fingerprint }),
    from: formatPosition(from),
    ...(until === undefined ? {} : { until: formatPosition(until) }),
    at,
    by,
    events: built.events,
    written: built.written,
    logEvents: built.logEvents,
    verifiedTo: formatPosition(built.verifiedTo),
    ...verification,
    seconds: built.seconds,
    ...comparisonOf(built),
  };
}

/** Of a generation that was compared with a live one. */
export function comparisonOf({
  comparison,
  comparedWith,
}: Pick<BuildReport, "comparison" | "comparedWith">): Pick<GenerationReport, "comparedWithLive"> {
  if (comparison === undefined || comparedWith === undefined) return {};
  return { comparedWithLive: reportedComparison(comparison, comparedWith) };
}

export function reportedComparison(comparison: LiveComparison, { id, version }: Generation): ReportedComparison {
  const { differences, ...counts } = comparison;
  return { generation: id, version, ...counts, differences: differences.map(reported) };
}

function reported(found: LiveDifference): ReportedDifference {
  if (found.explanation === "undecided") return { explanation: "undecided", row: rowText(found.key), why: found.why };
  return { explanation: found.explanation, ...sidesOf(found.difference) };
}

function sidesOf(difference: Difference): Omit<ReportedDifference, "explanation"> {
  const row = "key" in difference ? rowText(difference.key) : difference.stream;
  const side = (name: "expected" | "actual"): Record<string, unknown> | undefined => {
    if (!("key" in difference) || difference.kind === "guard-orphan" || !(name in difference)) return undefined;
    const attributes: unknown = Object.entries(difference).find(([known]) => known === name)?.[1];
    return attributesSchema.parse(jsonValue(attributes));
  };
  const expected = side("expected");
  const found = side("actual");
  return { row, ...(expected === undefined ? {} : { expected }), ...(found === undefined ? {} : { found }) };
}
