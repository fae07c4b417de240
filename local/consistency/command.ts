/** `tidemark check`: every row and guard of the running system's views against the events. */
import type { Command } from "commander";
import type { CheckContext } from "../../engine/consistency/check.ts";
import { checkViews, type ViewOutcome, type ViewToCheck } from "../../engine/consistency/check-views.ts";
import { describeDifference, rowText, toJson } from "../../engine/consistency/difference.ts";
import { versionsOf, viewNames } from "../../projections/registry.ts";
import { command, type CommonOptions, exitCodes, reportingErrors } from "../cli/command-error.ts";
import { type Progress, showProgress } from "../cli/progress.ts";
import { readRunningSystem } from "../system/running-system.ts";
import { withStores } from "../system/system-stores.ts";

export function checkCommand(): Command {
  return command("check", "Compares every row and guard of the views with the events, while the system runs.")
    .argument("[view]", "the view to check; all of them unless given")
    .addHelpText(
      "after",
      "\nExit code 0: every row and guard is what the events say. 1: one is not, or it could not be found out.",
    )
    .action(async (view: string | undefined, options: CommonOptions) => {
      await reportingErrors(options.json, () => check(view, options));
    });
}

async function check(view: string | undefined, { json, data }: CommonOptions): Promise<void> {
  const asked = (view === undefined ? viewNames : [view]).map((name) => ({ view: name, versions: versionsOf(name) }));
  const outcomes = await withStores(await readRunningSystem(data), (stores) => checkAll(stores, asked));
  // With the store or DynamoDB down, no view can be checked, and each for that same reason: that is an error, not a finding.
  const [first] = outcomes;
  if (first?.outcome === "failed" && outcomes.every(({ outcome }) => outcome === "failed")) throw first.error;
  const isClean = outcomes.every(({ outcome }) => outcome === "agrees");
  if (json === true) console.log(JSON.stringify({ agrees: isClean, views: outcomes.map(asJson) }));
  else for (const outcome of outcomes) print(outcome);
  if (!isClean) process.exitCode = exitCodes.failure;
}

async function checkAll(context: CheckContext, asked: readonly ViewToCheck[]): Promise<ViewOutcome[]> {
  const outcomes: ViewOutcome[] = [];
  let shown: Progress | undefined;
  const watched = asked.map((toCheck) => ({
    ...toCheck,
    options: {
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

function print(outcome: ViewOutcome): void {
  const { view } = outcome;
  if (outcome.outcome === "failed") {
    console.log(`${view}: could not be checked: ${messageOf(outcome.error)}`);
    return;
  }
  const { rows, guards, events, differenceCount, differences, undecidedCount, undecided, scavengedStreams } =
    outcome.report;
  const verdict = {
    agrees: "agrees with its events",
    differs: `DIFFERS from its events in ${differenceCount} places`,
    undecided: "could not be decided",
  };
  console.log(`${view}: ${verdict[outcome.outcome]} (${rows} rows, ${guards} guards, ${events} events)`);
  for (const difference of differences) console.log(`  ${describeDifference(difference)}`);
  if (differenceCount > differences.length) console.log(`  and ${differenceCount - differences.length} more`);
  for (const { key, why } of undecided) console.log(`  row ${rowText(key)} is undecided: ${why}`);
  if (undecidedCount > undecided.length) console.log(`  and ${undecidedCount - undecided.length} more undecided`);
  if (scavengedStreams > 0) console.log(`  of ${scavengedStreams} streams the log no longer holds every event`);
}

function asJson(outcome: ViewOutcome): object {
  if (outcome.outcome === "failed") {
    const { view, error } = outcome;
    const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "FAILED";
    return { view, outcome: outcome.outcome, error: { code, message: messageOf(error) } };
  }
  const { view, ...report } = outcome.report;
  return { view, outcome: outcome.outcome, ...report, differences: report.differences.map(toJson) };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
