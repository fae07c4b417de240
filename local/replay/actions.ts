/** Each action of `tidemark replay` on the stores of a running system, with what it says. */
import { discontinueView } from "../../engine/replay/discontinue-view.ts";
import { Replay, type ReplayReport } from "../../engine/replay/replay.ts";
import type { ReplayContext } from "../../engine/replay/replay-context.ts";
import { previewText } from "../../engine/replay/preview-text.ts";
import { replayStatus } from "../../engine/replay/replay-status.ts";
import { reportText } from "../../engine/replay/report-text.ts";
import type { Projection } from "../../engine/views/projection.ts";
import { CommandError, exitCodes } from "../cli/command-error.ts";
import type { Action, ReplayOptions } from "./command.ts";
import { previewInForeground, runInForeground, verifyInForeground } from "./foreground-replay.ts";
import { writeReport } from "./report-file.ts";
import { showStatus } from "./show-status.ts";

export type Versions = readonly [Projection, ...Projection[]];

/** `asked` are the deployed versions of each view; those actions that are for one view are given one. */
export async function act(
  action: Action,
  stores: ReplayContext,
  asked: readonly Versions[],
  options: ReplayOptions,
): Promise<void> {
  const machines = asked.map((versions) => new Replay(stores, versions, options.as));
  const [machine] = machines;
  if (machine === undefined) throw new Error("an action is on a view");
  const { view } = machine;
  switch (action) {
    case "run":
      await runInForeground(machines, { ...options, autoSwap: true });
      return;
    case "start":
      await runInForeground(machines, options);
      return;
    case "resume":
      return resume(machine, options);
    case "preview": {
      const previews = await previewInForeground(machines, options);
      const document = previews.length === 1 ? previews[0] : { views: previews };
      say(options, document ?? {}, previews.map(previewText).join("\n"));
      return;
    }
    case "status": {
      const beside = await stores.catalog.namesBeside(view);
      showStatus(await replayStatus(stores, view), options.as === undefined ? beside : [], options);
      return;
    }
    case "verify": {
      const report = await verifyInForeground(machine);
      if (options.report !== undefined) await writeReport(options.report, report);
      say(options, report, reportText(report));
      if (report.checked?.outcome === "differs") process.exitCode = exitCodes.failure;
      return;
    }
    case "pause": {
      const { id } = await machine.pause();
      say(options, { view, outcome: "paused", generation: id }, `the replay of ${view} is paused: ${id} stands still`);
      return;
    }
    case "swap": {
      // Told before what soaked until then is removed, which takes a while and may fail.
      await machine.swap({ observer: { swapped: (report) => saySwapped(report, options) } });
      return;
    }
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

/** Of a view that no deployed projection makes. */
export async function discontinue(stores: ReplayContext, view: string, options: ReplayOptions): Promise<void> {
  const generations = await discontinueView(stores, view);
  const text = `${view} is removed, with ${generations.length} generations: ${generations.join(", ")}`;
  say(options, { view, outcome: "discontinued", generations }, text);
}

async function resume(machine: Replay, options: ReplayOptions): Promise<void> {
  if (await runInForeground([machine], { ...options, resumes: true })) return;
  const { view } = machine;
  throw new CommandError(
    "NOTHING_TO_DO",
    `no replay of ${view} is unfinished, or stands still: there is nothing to resume`,
  );
}

function saySwapped({ view, generation, former }: ReplayReport, options: ReplayOptions): void {
  const back = former === undefined ? "" : `; back: tidemark replay rollback ${view}`;
  const document = {
    view,
    outcome: "live",
    generation: generation.id,
    ...(former === undefined ? {} : { former: former.id }),
  };
  say(options, document, `${view} is swapped: ${generation.id} is live${back}`);
}

function say({ json }: ReplayOptions, document: object, text: string): void {
  console.log(json === true ? JSON.stringify(document) : text);
}
