/**
 * Rebuilds views. By hand: `{"view": "sales-by-month"}`, with `"from": "COMMIT/PREPARE"` if events before that are not to
 * count, or, without it, with another `"action"`. By schedule, `{"action": "resume"}`: takes up what a worker that is gone has left
 * unfinished. One that is not done when its time is nearly up stops at a checkpoint, and the schedule goes on from there.
 */
import type { Context } from "aws-lambda";
import * as z from "zod";
import { parsePosition } from "../engine/event-store/position.ts";
import { ReplayBusyError, ReplayInterruptedError, ReplayLostError } from "../engine/replay/errors.ts";
import { Replay, type ReplayObserver } from "../engine/replay/replay.ts";
import { replayStatus, statusToJson } from "../engine/replay/replay-status.ts";
import { describeReport } from "../engine/replay/run-report.ts";
import { versionsOf, viewNames } from "../projections/registry.ts";
import { functionLogger } from "./function-logger.ts";
import { replayContext } from "./replay-context.ts";

const log = functionLogger("replay");

const requestSchema = z.union([
  z.strictObject({ action: z.literal("resume") }),
  z.strictObject({ view: z.string(), action: z.literal("run").default("run"), from: z.string().optional() }),
  // What rebuilds nothing has no use for "from".
  z.strictObject({ view: z.string(), action: z.enum(["status", "abort", "rollback", "retire"]) }),
]);

const rightRequest =
  'give {"view": ...}, perhaps with "from": "COMMIT/PREPARE", or with "action": "status", "abort", "rollback" or "retire" and no "from"; or {"action": "resume"}';

export class ReplayRequestError extends Error {
  readonly code = "REPLAY_REQUEST";
  override readonly name = "ReplayRequestError";
}

/** For a step to come to a safe place. */
const reservedMs = 30_000;

type Answer = Readonly<Record<string, unknown>>;

export const handler = async (
  event: unknown,
  context: Pick<Context, "getRemainingTimeInMillis">,
): Promise<Answer | readonly Answer[]> => {
  const request = requestSchema.safeParse(event);
  if (!request.success) throw new ReplayRequestError(rightRequest, { cause: request.error });
  const signal = AbortSignal.timeout(Math.max(1, context.getRemainingTimeInMillis() - reservedMs));
  if (!("view" in request.data)) return resumeAll(signal);

  const { view } = request.data;
  const stores = await replayContext("replay");
  const replay = new Replay(stores, versionsOf(view));
  switch (request.data.action) {
    case "run": {
      const { from } = request.data;
      const position = from === undefined ? {} : { from: parsePosition(from) };
      return unlessInterrupted(view, async () =>
        describeReport(await replay.run({ ...position, signal, observer: observerOf(view) })),
      );
    }
    case "status":
      return statusToJson(await replayStatus(stores, view));
    case "abort":
      return { view, outcome: "aborted", generation: (await replay.abort()).id };
    case "rollback":
      return { view, outcome: "rolled-back", generation: (await replay.rollback()).generation.id };
    case "retire":
      return { view, outcome: "retired", generation: (await replay.retire()).id };
  }
};

/** One view after the other; what goes wrong with one holds back no other, and fails the invocation at the end. */
async function resumeAll(signal: AbortSignal): Promise<readonly Answer[]> {
  const context = await replayContext("replay");
  const answers: Answer[] = [];
  const errors: unknown[] = [];
  for (const view of viewNames) {
    const replay = new Replay(context, versionsOf(view));
    try {
      answers.push(
        await unlessInterrupted(view, async () => {
          const report = await replay.resume({ signal, observer: observerOf(view) });
          return report === undefined ? { view, outcome: "nothing-to-resume" } : describeReport(report);
        }),
      );
    } catch (error) {
      // A worker that is alive goes on with it.
      if (error instanceof ReplayBusyError || error instanceof ReplayLostError) answers.push({ view, outcome: "busy" });
      else {
        log.error({ view, err: error }, "replay failed");
        errors.push(error);
      }
    }
  }
  if (errors.length > 0) throw new AggregateError(errors, "replays failed: see the log");
  return answers;
}

async function unlessInterrupted(view: string, work: () => Promise<Answer>): Promise<Answer> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ReplayInterruptedError)) throw error;
    log.info({ view }, "time is up: the schedule goes on from the checkpoint");
    return { view, outcome: "interrupted" };
  }
}

function observerOf(view: string): ReplayObserver {
  return {
    step: (step, { id }) => log.info({ view, generation: id, step }, "replay step"),
    waiting: ({ for: what, until }, { id }) =>
      log.info({ view, generation: id, waitingFor: what, until: new Date(until).toISOString() }, "replay waits"),
  };
}
