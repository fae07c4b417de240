/** `tidemark explain`: the events that made a row, and whether the row that readers see is what they say. */
import type { Command } from "commander";
import { type CheckContext, liveOf } from "../../engine/consistency/check.ts";
import { describeDifference, jsonValue, rowText, toJson } from "../../engine/consistency/difference.ts";
import {
  type AttributeChange,
  type ExplainedEvent,
  explainRow,
  type Explanation,
} from "../../engine/consistency/explain.ts";
import { judgeRow } from "../../engine/consistency/judge-row.ts";
import type { PictureOutcome } from "../../engine/consistency/row-picture.ts";
import { formatPosition, type Position } from "../../engine/event-store/position.ts";
import { withDecisions } from "../../engine/quarantine/decisions.ts";
import { versionsOf } from "../../projections/registry.ts";
import { command, type CommonOptions, exitCodes, reportingErrors } from "../cli/command-error.ts";
import { positionOption } from "../cli/position-option.ts";
import { type Progress, showProgress } from "../cli/progress.ts";
import { deployedOption, type SystemAsked, withStoresOf } from "../system/system-stores.ts";

interface ExplainCommandOptions extends CommonOptions, SystemAsked {
  readonly until?: Position;
}

interface Explained {
  readonly view: string;
  readonly version: number;
  readonly generation: string;
  readonly explanation: Explanation;
  /** Of the row that readers see; absent when an earlier one was asked for. */
  readonly live?: PictureOutcome;
}

export function explainCommand(): Command {
  return command("explain", "Lists the events that made a row, each with what it changed.")
    .argument("<view>", "the view")
    .argument("<key>", "the row: its partition, its sort key, or both as `partition / sort`")
    .addOption(positionOption("until", "only events up to this one, COMMIT/PREPARE"))
    .option(...deployedOption)
    .addHelpText(
      "after",
      "\nExit code 0: explained, and the row is what its events say. 1: it is not, nobody can say, or there is no such row.",
    )
    .action(async (view: string, key: string, options: ExplainCommandOptions) => {
      await reportingErrors(options.json, () => explain(view, key, options));
    });
}

async function explain(view: string, asked: string, options: ExplainCommandOptions): Promise<void> {
  const { json, until } = options;
  const versions = versionsOf(view);
  const explained = await withStoresOf(options, async (stores): Promise<Explained> => {
    const { generation, projection, decisions } = await liveOf(stores, view, versions);
    const explanation = await watched(stores, view, {
      ...{ projection, generation, decisions, asked },
      ...(until === undefined ? {} : { until }),
    });
    const scope = { ...stores, projection: withDecisions(projection, decisions), generation };
    return {
      view,
      version: generation.version,
      generation: generation.id,
      explanation,
      ...(until === undefined ? { live: await judgeRow(scope, explanation.key) } : {}),
    };
  });
  if (json === true) console.log(JSON.stringify(asJson(explained)));
  else for (const line of lines(explained)) console.log(line);
  if (explained.live !== undefined && explained.live.outcome !== "agrees") process.exitCode = exitCodes.failure;
}

async function watched(
  { eventStore }: Pick<CheckContext, "eventStore">,
  view: string,
  options: Omit<Parameters<typeof explainRow>[0], "eventStore" | "onEvents">,
): Promise<Explanation> {
  let shown: Progress | undefined;
  try {
    return await explainRow({
      ...options,
      eventStore,
      onEvents: (_, at, target) => {
        shown ??= showProgress(`${view}: bytes of the log`, Number(target.commit));
        shown.update(Number(at.commit));
      },
    });
  } finally {
    shown?.stop();
  }
}

const notes: Readonly<Record<ExplainedEvent["outcome"], string>> = {
  counted: "",
  discarded: "discarded",
  "before-offset": "before the first event that this generation counts",
  waiting: "waits: an event before it in its stream cannot be applied",
};

function lines({ view, version, generation, explanation, live }: Explained): string[] {
  const { key, position, events, row, unreadable } = explanation;
  return [
    `${view}, version ${version}, generation ${generation}: row ${rowText(key)}`,
    ...events.map(describeEvent),
    ...unreadable.map(
      ({ stream, revision, message }) =>
        `  ${revision.toString()}@${stream} may touch it and cannot be applied: ${message}`,
    ),
    `at ${formatPosition(position)}: ${Object.keys(row).length === 0 ? "not there" : JSON.stringify(jsonValue(row))}`,
    ...(live === undefined ? [] : [verdict(live)]),
  ];
}

function describeEvent({
  recordedAt,
  position,
  stream,
  revision,
  type,
  outcome,
  reason,
  changes,
}: ExplainedEvent): string {
  const what = `${recordedAt.toISOString()}  ${formatPosition(position)}  ${revision.toString()}@${stream}  ${type}`;
  const note = reason === undefined ? notes[outcome] : `${notes[outcome]}: ${reason}`;
  const said = outcome === "counted" ? changes.map(describeChange).join(", ") || "changes nothing" : note;
  return `  ${what}: ${said}`;
}

function describeChange({ attribute, before, after }: AttributeChange): string {
  if (after === undefined) return `${attribute} ${text(before)} -> gone`;
  return before === undefined ? `${attribute} ${text(after)}` : `${attribute} ${text(before)} -> ${text(after)}`;
}

const text = (value: unknown): string => JSON.stringify(jsonValue(value));

function verdict(live: PictureOutcome): string {
  switch (live.outcome) {
    case "agrees":
      return "the row that readers see is what those of its events say that have arrived in it";
    case "differs":
      return `the row that readers see is NOT what its events say: ${describeDifference(live.difference)}`;
    case "undecided":
      return `whether the row that readers see is what its events say is undecided: ${live.why}`;
  }
}

function asJson({ explanation, live, ...of }: Explained): object {
  const { key, position, events, row, unreadable } = explanation;
  return {
    ...of,
    key,
    position: formatPosition(position),
    events: events.map(({ recordedAt, changes, ...event }) => ({
      ...event,
      position: formatPosition(event.position),
      revision: event.revision.toString(),
      recordedAt: recordedAt.toISOString(),
      changes: changes.map(({ attribute, before, after }) => ({
        attribute,
        ...(before === undefined ? {} : { before: jsonValue(before) }),
        ...(after === undefined ? {} : { after: jsonValue(after) }),
      })),
    })),
    row: jsonValue(row),
    unreadable: unreadable.map((event) => ({ ...event, revision: event.revision.toString() })),
    ...(live === undefined ? {} : { live: liveAsJson(live) }),
  };
}

function liveAsJson(live: PictureOutcome): object {
  if (live.outcome !== "differs") return live;
  return { outcome: live.outcome, difference: toJson(live.difference) };
}
