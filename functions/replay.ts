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
  NothingToDoError,
  ReplayBusyError,
  ReplayInterruptedError,
  ReplayLostError,
  ReplayPausedError,
} from "../engine/replay/errors.ts";
import { Replay, type ReplayObserver, RetirementFailedError, type Started } from "../engine/replay/replay.ts";
import type { ReplayContext } from "../engine/replay/replay-context.ts";
import { replayStatus, statusToJson } from "../engine/replay/replay-status.ts";
import { reportPage } from "../engine/replay/report-page.ts";
import { describeReport } from "../engine/replay/run-report.ts";
import { versionsOf, viewNames } from "../projections/registry.ts";
import { functionLogger } from "./function-logger.ts";
import { replayContext } from "./replay-context.ts";
import { timeIsNearlyUp } from "./time-limit.ts";
import { type Continuation, goOn, InvocationTime, progressOf, tooShort } from "./replay-continuation.ts";

const log = functionLogger("replay");

const position = z.string().transform((text) => parsePosition(text));
const above0 = z.number().positive();
const oneView = { view: z.string(), as: z.string().exactOptional() };
/** One or several, which read the log once for all. */
const viewsSchema = z.union([
  z.object({ view: z.string() }).transform(({ view }) => [view]),
  z.object({ views: z.array(z.string()).min(1) }).transform(({ views }) => [...new Set(views)]),
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
    generations: z.record(z.string(), z.string()),
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
  'give {"view": ...} or {"views": [...]}, perhaps with "action": "run" or "start" and "from", "until" and "as", "rate" or "soakHours", and "autoSwap" only with "start"; or {"view": ..., "action": ...} with "preview", "status", "pause", "resume", "verify", "swap", "abort", "rollback" or "retire", of which only "preview" takes "from" and "until"; or {"action": "resume"}';

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
    const { since, generations, ...wishes } = request;
    return start({ ...wishes, action: "start" }, signal, { since, generations });
  }
  const stores = await replayContext("replay");
  const named = "view" in request ? request.view : undefined;
  if (named === undefined) return resumeAll(stores, signal);
  if (request.action === "retire" && request.as === undefined && !viewNames.includes(named)) {
    return { view: named, outcome: "discontinued", generations: await discontinueView(stores, named) };
  }
  const replay = new Replay(stores, versionsOf(named), "as" in request ? request.as : undefined);
  const { view } = replay;
  const time = new InvocationTime();
  const watching = { signal, observer: observerOf(view, time) };
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
      const resumed = await replay.tryResume({ ...watching, for: "operator" });
      if (resumed === undefined) return { view, outcome: "nothing-to-resume" };
      const asked = { views: [named], ...("as" in request ? { as: request.as } : {}) };
      return answerTo(stores, [resumed], asked, { time });
    }
    case "pause":
      return { view, outcome: "paused", generation: (await replay.pause()).id };
    case "swap": {
      const swapped = await replay.swap(watching).then(
        (report): Started => ({ view, report }),
        (error: unknown): Started => ({ view, error }),
      );
      return answerTo(stores, [swapped], { views: [named] }, { time });
    }
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

/** `earlier` is of the invocation that asked for this one when its time was up. */
async function start(
  { action, as, from, until, rate, autoSwap, soakHours, ...named }: Wishes,
  signal: AbortSignal,
  earlier?: Pick<Continuation, "generations" | "since">,
): Promise<Answer | readonly Answer[]> {
  const views = viewsSchema.safeParse(named);
  const isTwice = named.view !== undefined && named.views !== undefined;
  if (!views.success || isTwice || (action === "run" && autoSwap !== undefined))
    throw new ReplayRequestError(rightRequest);
  const stores = await replayContext("replay");
  const replays = views.data.map((view) => new Replay(stores, versionsOf(view), as));
  const time = new InvocationTime();
  const swaps = action === "run" ? true : autoSwap;
  const swapping = swaps === undefined ? {} : { autoSwap: swaps };
  const started = await Replay.startTogether(replays, {
    ...range(from, until),
    ...(rate === undefined ? {} : { rate }),
    ...swapping,
    ...(soakHours === undefined ? {} : { soakHours }),
    ...(earlier === undefined ? {} : { goesOnWith: new Map(Object.entries(earlier.generations)) }),
    signal,
    observer: observerOf(views.data.join(", "), time),
  });
  const asked = { views: views.data, ...(as === undefined ? {} : { as }), ...swapping };
  return answerTo(stores, started, asked, { time, ...(earlier === undefined ? {} : { since: earlier.since }) });
}

/** One answer for one view; what its time ended goes on by itself. `since` where another invocation has asked for this one. */
async function answerTo(
  stores: ReplayContext,
  started: readonly Started[],
  asked: Omit<Continuation, "generations" | "since">,
  { time, since }: { readonly time: InvocationTime; readonly since?: string },
): Promise<Answer | readonly Answer[]> {
  const left = asked.views.flatMap((view, index) => {
    const one = started[index];
    return one !== undefined && "error" in one && isInterrupted(one) && one.generation !== undefined
      ? [{ view, entry: one.view, generation: one.generation }]
      : [];
  });
  const generations = Object.fromEntries(left.map(({ entry, generation }) => [entry, generation]));
  const going = { ...asked, views: left.map(({ view }) => view), generations };
  const isTooSlow = time.isTooShortToVerify;
  const continues = left.length > 0 && (await goOn(stores, log, going, { since, isTooSlow }));
  const answers: Answer[] = [];
  const failures: unknown[] = [];
  for (const one of started) {
    const answer = answerOf(one, since !== undefined, continues);
    if (answer !== undefined) answers.push(answer);
    else if ("error" in one) {
      log.error({ view: one.view, err: one.error }, "replay failed");
      failures.push(one.error);
    }
  }
  if (failures.length > 0 && started.length === 1) throw failures[0];
  if (failures.length > 0) throw new AggregateError(failures, "replays failed: see the log");
  return answers.length === 1 ? (answers[0] ?? {}) : answers;
}

/** Undefined for what failed. Where nobody asked by hand, that others were quicker is no failure. */
function answerOf(one: Started, isByItself: boolean, continues?: boolean): Answer | undefined {
  if ("report" in one) return describeReport(one.report);
  const { view, error } = one;
  if (error instanceof RetirementFailedError) {
    // The schedule removes it.
    log.warn({ view, err: error }, "swapped; what soaked before could not be removed yet");
    return { ...describeReport(error.report), removal: error.message };
  }
  if (isInterrupted(one)) return { view, outcome: "interrupted", ...(continues === undefined ? {} : { continues }) };
  if (!isByItself) return undefined;
  if (error instanceof ReplayPausedError) return { view, outcome: "paused" };
  if (error instanceof NothingToDoError) return { view, outcome: "nothing-to-resume" };
  return error instanceof ReplayBusyError || error instanceof ReplayLostError ? { view, outcome: "busy" } : undefined;
}

function isInterrupted({ error }: { readonly error: unknown }): boolean {
  return error instanceof ReplayInterruptedError && !(error instanceof ReplayPausedError);
}

/** One view after the other; what goes wrong with one holds back no other, and fails the invocation at the end. */
async function resumeAll(context: ReplayContext, signal: AbortSignal): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  const errors: unknown[] = [];
  const time = new InvocationTime();
  for (const view of viewNames) {
    const names = await context.catalog.namesBeside(view);
    for (const as of [undefined, ...names]) {
      const replay = new Replay(context, versionsOf(view), as);
      try {
        answers.push(await resumed(context, replay, { view, as, signal, time }));
      } catch (error) {
        log.error({ view: replay.view, err: error }, "replay failed");
        errors.push(error);
      }
    }
  }
  if (errors.length > 0) throw new AggregateError(errors, "replays failed: see the log");
  return answers;
}

async function resumed(
  context: ReplayContext,
  replay: Replay,
  { view, as, signal, time }: Continuing & { readonly signal: AbortSignal; readonly time: InvocationTime },
): Promise<Answer> {
  const going = { views: [view], ...(as === undefined ? {} : { as }) };
  const hasWholeTime = time.hasJustBegun;
  const before = await progressOf(context, going);
  const started = await replay
    .tryResume({ signal, observer: observerOf(replay.view, time) })
    .catch((error: unknown): Started => ({ view: replay.view, error }));
  if (started === undefined) return { view: replay.view, outcome: "nothing-to-resume" };
  const answer = answerOf(started, true);
  if (answer === undefined) throw "error" in started ? started.error : new Error("a report has an answer");
  if (!("error" in started) || !isInterrupted(started)) return answer;
  if (hasWholeTime && (time.isTooShortToVerify || (await progressOf(context, going)) === before))
    throw new ReplayTooSlowError(tooShort);
  log.info({ view: replay.view }, "time is up: the schedule goes on from the checkpoint");
  return answer;
}

interface Continuing {
  readonly view: string;
  readonly as?: string | undefined;
}

/** The schedule would begin the same step again each time, and nobody know: the alarm tells. */
export class ReplayTooSlowError extends Error {
  readonly code = "REPLAY_TOO_SLOW";
  override readonly name = "ReplayTooSlowError";
}

function observerOf(view: string, time: InvocationTime): ReplayObserver {
  return {
    step: (step, { id }) => {
      time.step(step);
      log.info({ view, generation: id, step }, "replay step");
    },
    givesWay: (views) => log.info({ views }, "replay reads slower while live delivery is behind"),
    waiting: ({ for: what, until }, { id }) =>
      log.info({ view, generation: id, waitingFor: what, until: new Date(until).toISOString() }, "replay waits"),
  };
}
