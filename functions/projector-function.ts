/** What the projector functions have in common: a batch of the subscriber in, Lambda's partial batch response out. */
import { catchUp } from "../engine/delivery/catch-up.ts";
import type { BatchResponse } from "../engine/delivery/event-record.ts";
import { type CatchUpResponse, decodePayload, type FailureResponse } from "../engine/delivery/function-payload.ts";
import { countFailure, projectBatch } from "../engine/delivery/project-batch.ts";
import type { Projection } from "../engine/views/projection.ts";
import { views } from "./dynamodb-connection.ts";
import { eventStore } from "./event-store-connection.ts";
import { functionLogger } from "./function-logger.ts";
import { retryLimits } from "./retry-limits.ts";

/** `versions` are those of one view that are deployed. */
export function projectorFunction(
  versions: readonly [Projection, ...Projection[]],
): (payload: unknown) => Promise<BatchResponse | CatchUpResponse | FailureResponse> {
  const log = functionLogger(`project-${versions[0].name}`);
  return async (payload) => {
    const asked = decodePayload(payload);
    const { dynamodb, catalog, quarantine } = views();
    const context = { dynamodb, eventStore: await eventStore(), catalog, quarantine, limits: retryLimits, log };
    if (asked.asks === "count-failure") {
      return { failure: await countFailure(context, versions, asked.attempt) };
    }
    if (asked.asks === "catch-up") return catchUp(context, versions, asked.upTo);
    const { events } = asked;
    const startedAt = performance.now();
    const response = await projectBatch(context, versions, events);
    const failed = response.batchItemFailures.length;
    const durationMs = Math.round(performance.now() - startedAt);
    log[failed === 0 ? "debug" : "warn"]({ events: events.length, failed, durationMs }, "batch projected");
    return response;
  };
}
