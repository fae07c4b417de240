/**
 * Rebuilds views. By hand: `{"view": "sales-by-month"}`, or several, `{"views": [...]}`, with the actions and options of
 * `tidemark replay`. One that is not done when its time is nearly up stops at a checkpoint and invokes itself to go on. By
 * schedule, `{"action": "resume"}`: takes up what a worker that is gone has left unfinished, for an invocation can get lost.
 */
import type { Context } from "aws-lambda";
import * as z from "zod";
import { parsePosition, type Position } from "../engine/event-store/position.ts";
import { discontinueView } from "../engine/replay/discontinue-view.ts";
import {
  ReplayBusyError,
  ReplayInterruptedError,
  ReplayLostError,
  ReplayPausedError,
} from "../engine/replay/errors.ts";
import { Replay, type ReplayObserver, type Started } from "../engine/replay/replay.ts";
import type { ReplayContext } from "../engine/replay/replay-context.ts";
import { replayStatus, statusToJson } from "../engine/replay/replay-status.ts";
import { reportPage } from "../engine/replay/report-page.ts";
import { describeReport } from "../engine/replay/run-report.ts";
import { versionsOf, viewNames } from "../projections/registry.ts";
import { functionLogger } from "./function-logger.ts";
import { replayContext } from "./replay-context.ts";
import { timeIsNearlyUp } from "./time-limit.ts";
import { type Continuation, goOn } from "./replay-continuation.ts";

const log = functionLogger("replay");

const position = z.string().transform((text) => parsePosition(text));
const above0 = z.number().positive();
const oneView = { view: z.string(), as: z.string().exactOptional() };
/** One or several, which read the log once for all. */
const viewsSchema = z.union([
  z.object({ view: z.string() }).transform(({ view }) => [view]),
  z.object({ views: z.array(z.string()).min(1) }).transform(({ views }) => views),
]);

const wishesSchema = z.strictObject({
  action: z.enum(["run", "start"]).default("run"),
  view: z.string().exactOptional(),
  views: z.array(z.string()).exactOptional(),
  from: position.exactOptional(),
  until: position.exactOptional(),
  as: z.string().exactOptional(),
  rate: above0.exactOptional(),
  autoSwap: z.boolean().exactOptional(),
  soakHours: above0.exactOptional(),
});

const requestSchema = z.union([
  z.strictObject({ action: z.literal("resume") }),
  z.strictObject({
    action: z.literal("continue"),
    views: z.array(z.string()),
    as: z.string().exactOptional(),
    autoSwap: z.boolean().exactOptional(),
    since: z.string(),
  }),
  z.strictObject({
    action: z.literal("preview"),
    view: z.string(),
    from: position.exactOptional(),
    until: position.exactOptional(),
  }),
  z.strictObject({ action: z.literal("verify"), ...oneView, format: z.enum(["json", "html"]).default("json") }),
  z.strictObject({ action: z.enum(["status", "pause", "resume", "abort", "retire"]), ...oneView }),
  z.strictObject({ action: z.enum(["swap", "rollback"]), view: z.string() }),
  wishesSchema,
]);

type Wishes = z.output<typeof wishesSchema>;

const rightRequest =
  'give {"view": ...} or {"views": [...]}, perhaps with "action": "run" or "start" and "from", "until" and "as", "rate", "autoSwap" or "soakHours"; or {"view": ..., "action": ...} with "preview", "status", "pause", "resume", "verify", "swap", "abort", "rollback" or "retire", of which only "preview" takes "from" and "until"; or {"action": "resume"}';

export class ReplayRequestError extends Error {
  readonly code = "REPLAY_REQUEST";
  override readonly name = "ReplayRequestError";
}

type Answer = Readonly<Record<string, unknown>>;

export const handler = async (
  event: unknown,
  context: Pick<Context, "getRemainingTimeInMillis">,
): Promise<Answer | readonly Answer[]> => {
  const request = parsed(event);
  const signal = timeIsNearlyUp(context);
  if (request.action === "run" || request.action === "start") return start(request, signal);
  if (request.action === "continue") {
    const { since, ...wishes } = request;
    return start({ ...wishes, action: "start" }, signal, since);
  }
  const stores = await replayContext("replay");
  const named = "view" in request ? request.view : undefined;
  if (named === undefined) return resumeAll(stores, signal);
  if (request.action === "retire" && request.as === undefined && !viewNames.includes(named)) {
    return { view: named, outcome: "discontinued", generations: await discontinueView(stores, named) };
  }
  const replay = new Replay(stores, versionsOf(named), "as" in request ? request.as : undefined);
  const { view } = replay;
  const watching = { signal, observer: observerOf(view) };
  switch (request.action) {
    case "preview": {
      const { from, until } = request;
      return { ...(await replay.preview({ ...range(from, until), ...watching })), outcome: "previewed" };
    }
    case "status":
      return statusToJson(await replayStatus(stores, view));
    case "verify": {
      const report = await replay.verify(watching);
      return request.format === "html" ? { view, html: reportPage(report) } : report;
    }
    case "resume": {
      const report = await replay.resume({ ...watching, for: "operator" });
      return report === undefined ? { view, outcome: "nothing-to-resume" } : describeReport(report);
    }
    case "pause":
      return { view, outcome: "paused", generation: (await replay.pause()).id };
    case "swap":
      return describeReport(await replay.swap(watching));
    case "abort":
      return { view, outcome: "aborted", generation: (await replay.abort()).id };
    case "rollback":
      return { view, outcome: "rolled-back", generation: (await replay.rollback()).generation.id };
    case "retire":
      return { view, outcome: "retired", generation: (await replay.retire()).id };
  }
};

function parsed(event: unknown): z.output<typeof requestSchema> {
  const request = requestSchema.safeParse(event);
  if (request.success) return request.data;
  throw new ReplayRequestError(rightRequest, { cause: request.error });
}

function range(from: Position | undefined, until: Position | undefined): { from?: Position; until?: Position } {
  return { ...(from === undefined ? {} : { from }), ...(until === undefined ? {} : { until }) };
}

/** `since` is where they stood when this invocation was asked for by one whose time was up. */
async function start(
  { action, as, from, until, rate, autoSwap, soakHours, ...named }: Wishes,
  signal: AbortSignal,
  since?: string,
): Promise<Answer | readonly Answer[]> {
  const views = viewsSchema.safeParse(named);
  if (!views.success || (named.view !== undefined && named.views !== undefined))
    throw new ReplayRequestError(rightRequest);
  const stores = await replayContext("replay");
  const replays = views.data.map((view) => new Replay(stores, versionsOf(view), as));
  const swaps = action === "run" ? true : autoSwap;
  const swapping = swaps === undefined ? {} : { autoSwap: swaps };
  const started = await Replay.startTogether(replays, {
    ...range(from, until),
    ...(rate === undefined ? {} : { rate }),
    ...swapping,
    ...(soakHours === undefined ? {} : { soakHours }),
    signal,
    observer: observerOf(views.data.join(", ")),
  });
  return answerTo(stores, started, { views: views.data, ...(as === undefined ? {} : { as }), ...swapping }, since);
}

/** One answer for one view; what its time ended goes on by itself. */
async function answerTo(
  stores: ReplayContext,
  started: readonly Started[],
  asked: Omit<Continuation, "since">,
  since: string | undefined,
): Promise<Answer | readonly Answer[]> {
  const isInterrupted = (one: Started): boolean =>
    "error" in one && one.error instanceof ReplayInterruptedError && !(one.error instanceof ReplayPausedError);
  const interrupted = asked.views.filter((_, index) => started.some((one, at) => at === index && isInterrupted(one)));
  const continues = interrupted.length > 0 && (await goOn(stores, log, { ...asked, views: interrupted }, since));
  const failed = started.flatMap((one) => ("error" in one && !isInterrupted(one) ? [one] : []));
  for (const { view, error } of failed) log.error({ view, err: error }, "replay failed");
  const [failure] = failed;
  if (failure !== undefined && started.length === 1) throw failure.error;
  if (failure !== undefined)
    throw new AggregateError(
      failed.map(({ error }) => error),
      "replays failed: see the log",
    );
  const answers = started.map((one): Answer =>
    "report" in one ? describeReport(one.report) : { view: one.view, outcome: "interrupted", continues },
  );
  return answers.length === 1 ? (answers[0] ?? {}) : answers;
}

/** One view after the other; what goes wrong with one holds back no other, and fails the invocation at the end. */
async function resumeAll(context: ReplayContext, signal: AbortSignal): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  const errors: unknown[] = [];
  for (const view of viewNames) {
    const names = await context.catalog.namesBeside(view);
    for (const name of [undefined, ...names]) {
      const replay = new Replay(context, versionsOf(view), name);
      try {
        answers.push(await resumed(replay, signal));
      } catch (error) {
        // A worker that is alive goes on with it.
        if (error instanceof ReplayBusyError || error instanceof ReplayLostError) {
          answers.push({ view: replay.view, outcome: "busy" });
        } else {
          log.error({ view: replay.view, err: error }, "replay failed");
          errors.push(error);
        }
      }
    }
  }
  if (errors.length > 0) throw new AggregateError(errors, "replays failed: see the log");
  return answers;
}

async function resumed(replay: Replay, signal: AbortSignal): Promise<Answer> {
  const { view } = replay;
  try {
    const report = await replay.resume({ signal, observer: observerOf(view) });
    return report === undefined ? { view, outcome: "nothing-to-resume" } : describeReport(report);
  } catch (error) {
    if (!(error instanceof ReplayInterruptedError)) throw error;
    log.info({ view }, "time is up: the schedule goes on from the checkpoint");
    return { view, outcome: "interrupted" };
  }
}

function observerOf(view: string): ReplayObserver {
  return {
    step: (step, { id }) => log.info({ view, generation: id, step }, "replay step"),
    givesWay: (views) => log.info({ views }, "replay reads slower while live delivery is behind"),
    waiting: ({ for: what, until }, { id }) =>
      log.info({ view, generation: id, waitingFor: what, until: new Date(until).toISOString() }, "replay waits"),
  };
}
