/** `tidemark replay`: rebuilds a view of a running system in the foreground, or undoes and cleans up after it. */
import { Argument, type Command, InvalidArgumentError, Option } from "commander";
import { describeDifference } from "../../engine/consistency/difference.ts";
import { formatPosition, parsePosition, type Position } from "../../engine/event-store/position.ts";
import { ReplayInterruptedError } from "../../engine/replay/errors.ts";
import type { LiveComparison } from "../../engine/replay/live-comparison.ts";
import { Replay, type ReplayObserver, type ReplayReport, type ReplayStep } from "../../engine/replay/replay.ts";
import { describeReport } from "../../engine/replay/report.ts";
import { versionsOf } from "../../projections/registry.ts";
import { CommandError, command, type CommonOptions, reportingErrors } from "../cli/command-error.ts";
import { type Progress, showProgress } from "../cli/progress.ts";
import { readRunningSystem } from "../system/running-system.ts";
import { withStores } from "../system/system-stores.ts";

interface ReplayOptions extends CommonOptions {
  readonly from?: Position;
}

const actions = ["run", "abort", "rollback", "retire"] as const;
type Action = (typeof actions)[number];

export function replayCommand(): Command {
  const from = new Option("--from <position>", "leave out events before this one, COMMIT/PREPARE").argParser((text) => {
    try {
      return parsePosition(text);
    } catch (error) {
      throw new InvalidArgumentError(error instanceof Error ? error.message : "Give COMMIT/PREPARE.");
    }
  });
  return command("replay", "Rebuilds a view from the event log, verifies it and swaps it in while the system runs on.")
    .addArgument(new Argument("<view>", "the view; or an action and the view"))
    .addArgument(new Argument("[view]", "the view, after an action"))
    .addOption(from)
    .addHelpText(
      "after",
      `
Actions, given before the view:
  run       rebuild, verify and swap (the default); takes up a replay that was cut off
  abort     end an unfinished replay and remove what it has made
  rollback  make the generation live again that was live before the last swap
  retire    remove the generation that was live before the last swap`,
    )
    .action(async (first: string, second: string | undefined, options: ReplayOptions) => {
      await reportingErrors(options.json, () => replay(first, second, options));
    });
}

async function replay(first: string, second: string | undefined, options: ReplayOptions): Promise<void> {
  const [action, view] = second === undefined ? (["run", first] as const) : ([actionOf(first), second] as const);
  const versions = versionsOf(view);
  await withStores(await readRunningSystem(options.data), (stores) =>
    act(action, new Replay(stores, versions), options),
  );
}

function actionOf(word: string): Action {
  const action = actions.find((known) => known === word);
  if (action !== undefined) return action;
  throw new CommandError("UNKNOWN_ACTION", `there is no action "${word}": use one of ${actions.join(", ")}`, 2);
}

async function act(action: Action, machine: Replay, options: ReplayOptions): Promise<void> {
  const { view } = machine;
  switch (action) {
    case "run":
      await run(machine, options);
      return;
    case "abort": {
      const { id } = await machine.abort();
      say(options, { view, outcome: "aborted", generation: id }, `the replay of ${view} is aborted: ${id} is removed`);
      return;
    }
    case "rollback": {
      const { id } = (await machine.rollback()).generation;
      say(options, { view, outcome: "rolled-back", generation: id }, `${view} is rolled back: ${id} is live again`);
      return;
    }
    case "retire": {
      const { id } = await machine.retire();
      say(options, { view, outcome: "retired", generation: id }, `${id} of ${view} is removed`);
      return;
    }
  }
}

function say({ json }: ReplayOptions, document: object, text: string): void {
  console.log(json === true ? JSON.stringify(document) : text);
}

async function run(machine: Replay, options: ReplayOptions): Promise<void> {
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, interrupt);
  const display = new StepDisplay(machine.view);
  const startedAt = performance.now();
  try {
    const from = options.from === undefined ? {} : { from: options.from };
    const report = await machine.run({ ...from, signal: interrupted.signal, observer: display.observer });
    display.stop();
    const seconds = (performance.now() - startedAt) / 1_000;
    say(options, { ...describeReport(report), seconds }, summary(report, seconds));
  } catch (error) {
    display.stop();
    if (!(error instanceof ReplayInterruptedError)) throw error;
    const goOn = `run it again to go on from its checkpoint, or: tidemark replay abort ${machine.view}`;
    throw new CommandError(error.code, `${error.message}; the live view is untouched; ${goOn}`, 1, error);
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.removeListener(signal, interrupt);
  }
}

/** Each step with the share of the log that it has read; a step that reads nothing has a line and no bar. */
class StepDisplay {
  readonly observer: ReplayObserver;
  readonly #view: string;
  #step: ReplayStep | undefined;
  #progress: Progress | undefined;

  constructor(view: string) {
    this.#view = view;
    this.observer = {
      step: (step) => {
        this.stop();
        this.#step = step;
        if (!stepsThatRead.has(step)) process.stderr.write(`${view}: ${step}\n`);
      },
      progress: (_events, at, target) => {
        this.#progress ??= showProgress(`${this.#view}: ${this.#step ?? ""}, percent`, 100);
        this.#progress.update(percentOf(at, target));
      },
    };
  }

  stop(): void {
    this.#progress?.stop();
    this.#progress = undefined;
  }
}

const stepsThatRead: ReadonlySet<ReplayStep> = new Set(["back-fill", "verify"]);

/** A position counts bytes or records of the log: as a measure of the way it serves as well as the number of events. */
function percentOf(at: Position, target: Position): number {
  return target.commit === 0n ? 100 : Number((at.commit * 100n) / target.commit);
}

function summary(report: ReplayReport, seconds: number): string {
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

function comparisonLines({ same, damaged, changed, undecided, differences }: LiveComparison): string[] {
  const counts = `${same} rows as before, ${damaged} mended, ${changed} changed by the new definition, ${undecided} undecided`;
  const listed = differences.map((found) =>
    found.explanation === "undecided"
      ? `              ${found.key.partition} / ${found.key.sort}: ${found.why}`
      : `              ${found.explanation}: ${describeDifference(found.difference)}`,
  );
  return [`  live view   ${counts}`, ...listed];
}
