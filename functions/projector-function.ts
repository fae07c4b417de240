/** What the projector functions have in common: a batch of the subscriber in, Lambda's partial batch response out. */
import { type BatchResponse, decodeBatch } from "../engine/delivery/event-record.ts";
import { projectBatch } from "../engine/delivery/project-batch.ts";
import type { Projection } from "../engine/views/projection.ts";
import { views } from "./dynamodb-connection.ts";
import { eventStore } from "./event-store-connection.ts";
import { functionLogger } from "./function-logger.ts";

/** `versions` are those of one view that are deployed. */
export function projectorFunction(
  versions: readonly [Projection, ...Projection[]],
): (payload: unknown) => Promise<BatchResponse> {
  const log = functionLogger(`project-${versions[0].name}`);
  return async (payload) => {
    const events = decodeBatch(payload);
    const { dynamodb, catalog } = views();
    const startedAt = performance.now();
    const response = await projectBatch({ dynamodb, eventStore: await eventStore(), catalog, log }, versions, events);
    const failed = response.batchItemFailures.length;
    const durationMs = Math.round(performance.now() - startedAt);
    log[failed === 0 ? "debug" : "warn"]({ events: events.length, failed, durationMs }, "batch projected");
    return response;
  };
}
