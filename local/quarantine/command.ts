/** `tidemark quarantine`: the events that were given up, and what to do about them. */
import { Command } from "commander";
import {
  decisionToJson,
  quarantinedStreamToJson,
  recordToJson,
  redrivenToJson,
} from "../../engine/quarantine/as-json.ts";
import { type QuarantineOperations, type Redriven, subjectOf } from "../../engine/quarantine/operations.ts";
import { type QuarantineRecord, viewOfTarget } from "../../engine/quarantine/quarantine-record.ts";
import { createLogger } from "../../engine/http/logger.ts";
import { quarantineOperations } from "../../functions/quarantine-operations.ts";
import { command, type CommonOptions, exitCodes, reportingErrors } from "../cli/command-error.ts";
import { showProgress } from "../cli/progress.ts";
import { readRunningSystem } from "../system/running-system.ts";
import { withStores } from "../system/system-stores.ts";

export function quarantineCommand(): Command {
  const list = command("list", "Lists the streams that wait, the longest waiting first.")
    .argument("[subject]", "a view or a process; all of them unless given")
    .action((subject: string | undefined, options: CommonOptions) =>
      run(options, (all) => listed(all, subject, options)),
    );
  const show = command("show", "Shows a stream that waits, and the event that it waits at.")
    .argument("<subject>", "the view or process")
    .argument("<stream>", "the stream, such as order-10248")
    .action((subject: string, stream: string, options: CommonOptions) =>
      run(options, (all) => shown(all, subject, stream, options)),
    );
  const redrive = command("redrive", "Tries again what waits, in the order of its stream.")
    .argument("[subject]", "a view or a process; all of them unless given")
    .argument("[stream]", "one stream of it; all that wait there unless given")
    .addHelpText(
      "after",
      "\nExit code 0: nothing of it waits any more. 1: something still fails, or could not be tried.",
    )
    .action((subject: string | undefined, stream: string | undefined, options: CommonOptions) =>
      run(options, (all) => redriven(all, subject, stream, options)),
    );
  const discard = command(
    "discard",
    "Takes the event that a stream waits at out of a view for good, and goes on behind it.",
  )
    .argument("<subject>", "the view or process")
    .argument("<stream>", "the stream that waits")
    .requiredOption("--reason <text>", "why, for those who find it missing")
    .addHelpText("after", "\nReplay, verification and checks leave the event out too. It stays in the log.")
    .action((subject: string, stream: string, options: CommonOptions & { readonly reason: string }) =>
      run(options, (all) => discarded(all, subject, stream, options)),
    );
  const group = new Command("quarantine").description("Shows and mends what was given up: events that kept failing.");
  for (const each of [list, show, redrive, discard]) group.addCommand(each.exitOverride());
  return group;
}

async function run(options: CommonOptions, action: (operations: QuarantineOperations) => Promise<void>): Promise<void> {
  await reportingErrors(options.json, async () => {
    const log = createLogger("quarantine", { level: "silent" });
    await withStores(await readRunningSystem(options.data), (stores) => action(quarantineOperations(stores, log)));
  });
}

async function listed(
  operations: QuarantineOperations,
  subject: string | undefined,
  { json }: CommonOptions,
): Promise<void> {
  const records = await operations.list(subject);
  if (json === true) console.log(JSON.stringify({ quarantined: records.map(recordToJson) }));
  else console.log(records.length === 0 ? "nothing is quarantined" : records.map(describeRecord).join("\n"));
}

function whereOf(record: QuarantineRecord): string {
  const generation = viewOfTarget(record.target)?.generation;
  return generation === undefined ? subjectOf(record) : `${subjectOf(record)} (${generation})`;
}

function describeRecord(record: QuarantineRecord): string {
  const { stream, revision, waitingTo, reason = "", firstFailedAt, lastError } = record;
  const behind = waitingTo - revision;
  const others = behind === 0n ? "" : `, ${behind.toString()} wait behind it`;
  return `${whereOf(record)}  ${stream} at revision ${revision.toString()}${others}: ${reason}, first ${firstFailedAt}: ${lastError}`;
}

async function shown(
  operations: QuarantineOperations,
  subject: string,
  stream: string,
  { json }: CommonOptions,
): Promise<void> {
  const found = (await operations.show(subject, stream)).map(quarantinedStreamToJson);
  console.log(json === true ? JSON.stringify({ quarantined: found }) : JSON.stringify(found, null, 2));
}

async function redriven(
  operations: QuarantineOperations,
  subject: string | undefined,
  stream: string | undefined,
  { json }: CommonOptions,
): Promise<void> {
  const outcomes: Redriven[] = [];
  const { length } = stream === undefined ? await operations.list(subject) : [stream];
  const progress = showProgress("streams redriven", length);
  try {
    for await (const outcome of operations.redrive(subject, stream)) {
      outcomes.push(outcome);
      progress.update(outcomes.length, Math.max(length, outcomes.length));
    }
  } finally {
    progress.stop();
  }
  if (outcomes.some(({ outcome: { outcome } }) => outcome === "still-failing" || outcome === "failed")) {
    process.exitCode = exitCodes.failure;
  }
  if (json === true) console.log(JSON.stringify({ redriven: outcomes.map(redrivenToJson) }));
  else console.log(outcomes.length === 0 ? "nothing is quarantined" : outcomes.map(describeRedriven).join("\n"));
}

function describeRedriven({ record, outcome }: Redriven): string {
  const what = `${whereOf(record)}  ${record.stream}`;
  switch (outcome.outcome) {
    case "released":
      return `${what} goes on: ${outcome.events} events applied`;
    case "still-failing":
      return `${what} still fails at revision ${outcome.revision.toString()}: ${outcome.error}`;
    case "nothing-to-do":
      return `${what} waits no more`;
    case "failed":
      return `${what} could not be tried: ${outcome.error instanceof Error ? outcome.error.message : String(outcome.error)}`;
  }
}

async function discarded(
  operations: QuarantineOperations,
  subject: string,
  stream: string,
  { json, reason }: CommonOptions & { readonly reason: string },
): Promise<void> {
  const decision = await operations.discard(subject, stream, reason);
  // What waited behind it waits for nothing any more; where it still does, another event of it fails, which is told.
  const outcomes: Redriven[] = [];
  const waits = (await operations.list(subject)).some((record) => record.stream === stream);
  if (waits) for await (const outcome of operations.redrive(subject, stream)) outcomes.push(outcome);
  if (json === true) {
    console.log(JSON.stringify({ discarded: decisionToJson(decision), redriven: outcomes.map(redrivenToJson) }));
    return;
  }
  console.log(`${subject}  event ${decision.revision.toString()}@${stream} is left out from now on`);
  for (const outcome of outcomes) console.log(describeRedriven(outcome));
}
