/** `tidemark check`: every row and guard of the running system's views against the events. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { randomUUID } from "node:crypto";
import { messageOf } from "../../engine/errors/message-of.ts";
import type { CheckContext } from "../../engine/consistency/check.ts";
import { checkViews, type ViewOutcome, type ViewToCheck } from "../../engine/consistency/check-views.ts";
import { describeDifference, rowText, toJson } from "../../engine/consistency/difference.ts";
import type { CheckOptions, RowsAsked } from "../../engine/consistency/generation-check.ts";
import { describeRepair, type Repair, repairToJson } from "../../engine/consistency/repair.ts";
import { type RepairedView, repairView } from "../../engine/consistency/repair-view.ts";
import { sampleSizes } from "../../engine/consistency/row-sample.ts";
import { versionsOf, viewNames } from "../../projections/registry.ts";
import {
  CommandError,
  command,
  type CommonOptions,
  errorDocument,
  exitCodes,
  reportingErrors,
} from "../cli/command-error.ts";
import { type Progress, showProgress } from "../cli/progress.ts";
import { deployedOption, type SystemAsked, withStoresOf } from "../system/system-stores.ts";
import { checkQuickly } from "./quick-check.ts";

interface CheckCommandOptions extends CommonOptions, SystemAsked {
  readonly repair?: boolean;
  readonly quick?: boolean;
  readonly full?: boolean;
  readonly sample?: number;
  readonly seed?: string;
  readonly row?: string;
}

/** What a check found last, and what was repaired before it. */
type Checked = ViewOutcome & { readonly repairs?: readonly Repair[] };

export function checkCommand(): Command {
  return command("check", "Compares every row and guard of the views with the events, while the system runs.")
    .argument("[view]", "the view to check; all of them unless given")
    .option("--full", "every row and guard; so it is unless told otherwise")
    .addOption(sampleOption())
    .option("--seed <text>", "which rows --sample takes: the same seed takes the same ones; by chance unless given")
    .option("--row <key>", "only this row: its partition, its sort key, or both as `partition / sort`")
    .option("--repair", "put right what is wrong, row by row, and check again")
    .option(
      "--quick",
      "only whether the streams that moved since the last quick check are in the views; applies what is not",
    )
    .option(...deployedOption)
    .addHelpText(
      "after",
      "\nExit code 0: every row and guard is what the events say. 1: one is not, or it could not be found out.",
    )
    .action(async (view: string | undefined, options: CheckCommandOptions) => {
      await reportingErrors(options.json, async () => {
        refuseContradictions(view, options);
        await (options.quick === true
          ? checkQuickly(view === undefined ? viewNames : [view], options)
          : check(view, options));
      });
    });
}

function sampleOption(): Option {
  return new Option(
    "--sample <rows>",
    "only so many rows at random, half from the log's keys and half from the table's",
  ).argParser((text) => {
    const rows = Number(text);
    if (!/^\d+$/.test(text) || rows < sampleSizes.least || rows > sampleSizes.most) {
      throw new InvalidArgumentError(`Give a number of rows from ${sampleSizes.least} to ${sampleSizes.most}.`);
    }
    return rows;
  });
}

/** Throws CommandError. */
function refuseContradictions(view: string | undefined, options: CheckCommandOptions): void {
  const { quick, full, sample, row, seed, repair } = options;
  const kinds = Object.entries({ "--quick": quick, "--full": full, "--sample": sample, "--row": row });
  const given = kinds.filter(([, value]) => value !== undefined).map(([name]) => name);
  const refuse = (code: string, why: string): never => {
    throw new CommandError(code, why, exitCodes.usage);
  };
  if (given.length > 1) refuse("CHECKS_CONTRADICT", `${given.join(" and ")} are different checks: give one of them`);
  if (quick === true && repair === true)
    refuse("QUICK_WITH_REPAIR", "--quick looks at no rows, and --repair puts rows right: give one of them");
  if (quick === true && options.deployed === true)
    refuse("QUICK_OF_DEPLOYED", "--quick invokes functions of this machine: of a deployment, invoke quick-check");
  if (seed !== undefined && sample === undefined)
    refuse("SEED_WITHOUT_SAMPLE", "--seed says which rows --sample takes: give both, or none");
  if (row !== undefined && view === undefined)
    refuse("ROW_WITHOUT_VIEW", "--row is of one view: name the view before it");
}

/** Which rows were asked for; undefined for all. */
function rowsAsked({ sample, seed, row }: CheckCommandOptions): RowsAsked | undefined {
  if (row !== undefined) return { row };
  return sample === undefined ? undefined : { sample, seed: seed ?? randomUUID().slice(0, 8) };
}

async function check(view: string | undefined, options: CheckCommandOptions): Promise<void> {
  const { json, repair } = options;
  const only = rowsAsked(options);
  const asked = (view === undefined ? viewNames : [view]).map((name) => ({
    view: name,
    versions: versionsOf(name),
    options: only === undefined ? {} : { only },
  }));
  const outcomes = await withStoresOf(options, async (stores) => {
    const found: readonly Checked[] = await checkAll(stores, asked, repair === true);
    return repair === true ? repairAll(stores, found) : found;
  });
  // With the store or DynamoDB down, no view can be checked, and each for that same reason: that is an error, not a finding.
  const [first] = outcomes;
  // After a repair it is none: what it has changed, and what it has found, is to be told.
  const isOutage = outcomes.every(({ outcome, repairs }) => outcome === "failed" && repairs === undefined);
  if (first?.outcome === "failed" && isOutage) throw first.error;
  const isClean = outcomes.every(({ outcome }) => outcome === "agrees");
  if (json === true) console.log(JSON.stringify({ agrees: isClean, views: outcomes.map(asJson) }));
  else for (const outcome of outcomes) print(outcome);
  if (!isClean) process.exitCode = exitCodes.failure;
}

async function repairAll(context: CheckContext, found: readonly ViewOutcome[]): Promise<readonly Checked[]> {
  const outcomes: Checked[] = [];
  for (const outcome of found)
    outcomes.push(outcome.outcome === "differs" ? await repaired(context, outcome) : outcome);
  return outcomes;
}

async function repaired(
  context: CheckContext,
  outcome: Extract<ViewOutcome, { outcome: "differs" }>,
): Promise<RepairedView> {
  const { view, report } = outcome;
  const versions = versionsOf(view);
  const progress = showProgress(`${view}: repaired`, report.differences.length);
  const checkAgain = async (options: CheckOptions): Promise<ViewOutcome> => {
    progress.stop();
    const [after] = await checkAll(context, [{ view, versions, options }], false);
    return after ?? outcome;
  };
  const onRepair = (_: unknown, done: number): void => progress.update(done);
  try {
    return await repairView(context, versions, report, checkAgain, { onRepair });
  } finally {
    progress.stop();
  }
}

/** With `all` every difference is listed, however many. */
async function checkAll(context: CheckContext, asked: readonly ViewToCheck[], all: boolean): Promise<ViewOutcome[]> {
  const outcomes: ViewOutcome[] = [];
  let shown: Progress | undefined;
  const watched = asked.map((toCheck) => ({
    ...toCheck,
    options: {
      ...toCheck.options,
      ...(all ? { differencesListed: Number.POSITIVE_INFINITY } : {}),
      onEvents: (_events: number, at: { commit: bigint }, tail: { commit: bigint }) => {
        // How many events there are, nobody knows before they are read; how long the log is, the store tells.
        const length = Number(tail.commit > at.commit ? tail.commit : at.commit);
        shown ??= showProgress(`${toCheck.view}: bytes of the log`, length);
        shown.update(Number(at.commit), length);
      },
      onWaiting: (guards: number) => {
        shown?.stop();
        shown = undefined;
        console.error(`${toCheck.view}: waiting for the events of ${guards} streams to arrive`);
      },
    },
  }));
  for await (const outcome of checkViews(context, watched)) {
    shown?.stop();
    shown = undefined;
    outcomes.push(outcome);
  }
  return outcomes;
}

function print(outcome: Checked): void {
  const { view, repairs = [] } = outcome;
  for (const repaired of repairs) console.log(`${view}: ${describeRepair(repaired)}`);
  if (outcome.outcome === "failed") {
    const what = outcome.repairs === undefined ? "checked" : "repaired, or checked afterwards";
    console.log(`${view}: could not be ${what}: ${messageOf(outcome.error)}`);
    return;
  }
  const { rows, guards, events, differenceCount, differences, undecidedCount, undecided, scavengedStreams, only } =
    outcome.report;
  const verdict = {
    agrees: "agrees with its events",
    differs: `DIFFERS from its events in ${differenceCount} places`,
    undecided: "could not be decided",
  };
  console.log(`${view}: ${verdict[outcome.outcome]} (${rows} rows, ${guards} guards, ${events} events${ofOnly(only)})`);
  for (const difference of differences) console.log(`  ${describeDifference(difference)}`);
  if (differenceCount > differences.length) console.log(`  and ${differenceCount - differences.length} more`);
  for (const { key, why } of undecided) console.log(`  row ${rowText(key)} is undecided: ${why}`);
  if (undecidedCount > undecided.length) console.log(`  and ${undecidedCount - undecided.length} more undecided`);
  if (scavengedStreams > 0) console.log(`  of ${scavengedStreams} streams the log no longer holds every event`);
}

function ofOnly(only: RowsAsked | undefined): string {
  if (only === undefined) return "";
  return "row" in only ? "; this row only" : `; a sample of ${only.sample}, seed ${only.seed}`;
}

function asJson(outcome: Checked): object {
  const repaired = outcome.repairs === undefined ? {} : { repairs: outcome.repairs.map(repairToJson) };
  if (outcome.outcome === "failed") {
    const { view, error } = outcome;
    return { view, outcome: outcome.outcome, ...repaired, error: errorDocument(error) };
  }
  const { view, ...report } = outcome.report;
  return { view, outcome: outcome.outcome, ...repaired, ...report, differences: report.differences.map(toJson) };
}
