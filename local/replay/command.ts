/** `tidemark replay`: rebuilds a view of a running system in the foreground, or undoes and cleans up after it. */
import { Argument, type Command } from "commander";
import type { Position } from "../../engine/event-store/position.ts";
import { Replay } from "../../engine/replay/replay.ts";
import { replayStatus } from "../../engine/replay/replay-status.ts";
import { versionsOf } from "../../projections/registry.ts";
import { CommandError, command, type CommonOptions, exitCodes, reportingErrors } from "../cli/command-error.ts";
import { positionOption } from "../cli/position-option.ts";
import { readRunningSystem } from "../system/running-system.ts";
import { withStores } from "../system/system-stores.ts";
import { runInForeground } from "./foreground-replay.ts";
import { showStatus } from "./show-status.ts";

interface ReplayOptions extends CommonOptions {
  readonly from?: Position;
}

const actions = ["run", "status", "abort", "rollback", "retire"] as const;
type Action = (typeof actions)[number];

export function replayCommand(): Command {
  const from = positionOption("from", "leave out events before this one, COMMIT/PREPARE; 0/0 leaves out none");
  return (
    command("replay", "Rebuilds a view from the event log, verifies it and swaps it in while the system runs on.")
      .usage("[options] [action] <view>")
      // What is optional comes first, which commander cannot say: for it the view may be followed by another.
      .addArgument(new Argument("<view>"))
      .addArgument(new Argument("[view after an action]"))
      .configureHelp({
        visibleArguments: () => [
          new Argument("[action]", "one of those below; run unless given"),
          new Argument("<view>", "the view"),
        ],
      })
      .addOption(from)
      .addHelpText(
        "after",
        `
Actions, given before the view:
  run       rebuild, verify and swap (the default); takes up a replay that was cut off
  status    show the view's generations, what may be done about each, and who did what
  abort     end an unfinished replay and remove what it has made
  rollback  make the generation live again that was live before the last swap
  retire    remove the generation that was live before the last swap`,
      )
      .action(async (first: string, second: string | undefined, options: ReplayOptions) => {
        await reportingErrors(options.json, () => replay(first, second, options));
      })
  );
}

async function replay(first: string, second: string | undefined, options: ReplayOptions): Promise<void> {
  const [action, view] = second === undefined ? (["run", first] as const) : ([actionOf(first), second] as const);
  if (action !== "run" && options.from !== undefined) {
    const why = `--from says what a rebuilt view counts, and ${action} rebuilds none: leave it out`;
    throw new CommandError("FROM_WITHOUT_RUN", why, exitCodes.usage);
  }
  const versions = versionsOf(view);
  await withStores(await readRunningSystem(options.data), async (stores) => {
    if (action === "status") showStatus(await replayStatus(stores, view), options);
    else await act(action, new Replay(stores, versions), options);
  });
}

function actionOf(word: string): Action {
  const action = actions.find((known) => known === word);
  if (action !== undefined) return action;
  const known = actions.join(", ");
  throw new CommandError("UNKNOWN_ACTION", `there is no action "${word}": use one of ${known}`, exitCodes.usage);
}

async function act(action: Exclude<Action, "status">, machine: Replay, options: ReplayOptions): Promise<void> {
  const { view } = machine;
  switch (action) {
    case "run":
      await runInForeground(machine, options);
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
