/** `tidemark replay`: what an operator does about the rebuilding of views of a running system. */
import { Argument, type Command, InvalidArgumentError, Option } from "commander";
import type { Position } from "../../engine/event-store/position.ts";
import { versionsOf } from "../../projections/registry.ts";
import { CommandError, command, type CommonOptions, exitCodes, reportingErrors } from "../cli/command-error.ts";
import { positionOption } from "../cli/position-option.ts";
import { deployedOption, type SystemAsked, withStoresOf } from "../system/system-stores.ts";
import { act, discontinue } from "./actions.ts";

/** By name: what it does, and the options that it takes beside `--data` and `--json`. */
const actions = {
  run: ["build, verify and swap (the default); takes up a replay that was cut off", "from rate soak report"],
  preview: ["tell what a replay would read, make, take, cost and change; nothing is made", "from until"],
  start: ["build and verify, and leave it ready to be swapped in", "from until as rate autoSwap soak report"],
  status: ["show the view's generations, what may be done about each, and who did what", "as"],
  pause: ["let an unfinished replay stand still", "as"],
  resume: ["go on with one that stands still or was cut off", "as report"],
  verify: ["compare what is not live yet with its events once more, and show the report", "as report"],
  swap: ["make live what is ready", ""],
  abort: ["end an unfinished replay and remove what it has made", "as"],
  rollback: ["make the generation live again that was live before the last swap", ""],
  retire: [
    "remove the generation that was live before the last swap; a view of --as; or all of a view that is not deployed any more",
    "as",
  ],
} as const satisfies Record<string, readonly [string, string]>;

export type Action = keyof typeof actions;

const onSeveralViews: ReadonlySet<Action> = new Set(["run", "preview", "start"]);

export interface ReplayOptions extends CommonOptions, SystemAsked {
  readonly from?: Position;
  readonly until?: Position;
  readonly as?: string;
  readonly rate?: number;
  readonly autoSwap?: boolean;
  readonly soak?: number;
  readonly report?: string;
}

export function replayCommand(): Command {
  const width = Math.max(...Object.keys(actions).map((name) => name.length));
  const listed = Object.entries(actions).map(([name, [what]]) => `  ${name.padEnd(width)}  ${what}`);
  return (
    command("replay", "Rebuilds views from the event log, verifies them and swaps them in while the system runs on.")
      .usage("[options] [action] <view...>")
      // What is optional comes first, which commander cannot say.
      .addArgument(new Argument("<words...>"))
      .configureHelp({
        visibleArguments: () => [
          new Argument("[action]", "one of those below; run unless given"),
          new Argument("<view...>", "the view; several for run, start and preview, which read the log once for all"),
        ],
      })
      .addOption(positionOption("from", "leave out events before this one, COMMIT/PREPARE; 0/0 leaves out none"))
      .addOption(positionOption("until", "leave out events after this one; of a view by --as, or of a preview"))
      .option("--as <name>", "a view as of a position, under this name, beside the live one")
      .addOption(numberOption("rate", "events a second that are read at most"))
      .option("--auto-swap", "swap in what is started as soon as it is ready")
      .addOption(numberOption("soak", "hours after the swap, until the generation before it is removed"))
      .option("--report <file>", "write the report there too: .html, .json or .txt")
      .option(...deployedOption)
      .addHelpText("after", `\nActions, given before the view:\n${listed.join("\n")}`)
      .action(async (words: readonly string[], options: ReplayOptions) => {
        await reportingErrors(options.json, () => replay(words, options));
      })
  );
}

function numberOption(flag: string, description: string): Option {
  return new Option(`--${flag} <number>`, description).argParser((text) => {
    const number = Number(text);
    if (text.trim() !== "" && Number.isFinite(number) && number > 0) return number;
    throw new InvalidArgumentError("Give a number above 0.");
  });
}

async function replay(words: readonly string[], options: ReplayOptions): Promise<void> {
  const [first = "", ...others] = words;
  const hasAction = isAction(first);
  const action: Action = hasAction ? first : "run";
  const views = hasAction ? others : words;
  checkUsage(action, views, options);
  const [view = ""] = views;
  if (action === "retire" && options.as === undefined && !isView(view)) {
    return withStoresOf(options, (stores) => discontinue(stores, view, options));
  }
  const asked = [...new Set(views)].map((name) => versionsOf(name));
  await withStoresOf(options, (stores) => act(action, stores, asked, options));
}

function isAction(word: string): word is Action {
  return Object.hasOwn(actions, word);
}

/** Whatever an action has no use for is refused: it would be taken for heard. */
function checkUsage(action: Action, views: readonly string[], options: ReplayOptions): void {
  const refuse = (code: string, message: string): never => {
    throw new CommandError(code, message, exitCodes.usage);
  };
  if (views.length === 0) refuse("VIEW_MISSING", `say which view to ${action}`);
  const [first = "", second] = views;
  if (second !== undefined && !onSeveralViews.has(action)) {
    const known = Object.keys(actions).join(", ");
    refuse("ONE_VIEW", `${action} is for one view at a time, not for ${views.join(" and ")}; actions are ${known}`);
  }
  if (second !== undefined && action === "run" && !isView(first)) {
    const known = Object.keys(actions).join(", ");
    refuse("UNKNOWN_ACTION", `there is no action "${first}", nor a view of that name: use one of ${known}`);
  }
  const [, taken] = actions[action];
  for (const name of ["from", "until", "as", "rate", "autoSwap", "soak", "report"] as const) {
    if (options[name] === undefined || taken.split(" ").includes(name)) continue;
    const flag = `--${name.replace("S", "-s")}`;
    refuse("OPTION_WITHOUT_USE", `${action} has no use for ${flag}: leave it out`);
  }
  if (action === "start" && options.until !== undefined && options.as === undefined) {
    refuse("UNTIL_WITHOUT_NAME", "a view that ends at --until stands beside the live one: name it by --as");
  }
  if (options.as !== undefined && (options.autoSwap !== undefined || options.soak !== undefined)) {
    refuse("NAME_WITH_SWAP", "a view by --as is never swapped in: leave out --auto-swap and --soak");
  }
  if (options.report !== undefined && !/\.(html|json|txt)$/.test(options.report)) {
    refuse("REPORT_FORMAT", `--report ${options.report}: end its name with .html, .json or .txt`);
  }
}

function isView(word: string): boolean {
  try {
    versionsOf(word);
    return true;
  } catch {
    return false;
  }
}
