/** Carries orders from placement to payment; invoked by the subscriber. */
import { type BatchResponse, decodeBatch } from "../engine/delivery/event-record.ts";
import { processBatch } from "../engine/processes/process-batch.ts";
import { eventStore } from "./event-store-connection.ts";
import { functionLogger } from "./function-logger.ts";
import { orderToCashManager } from "./order-to-cash-process.ts";

const log = functionLogger("process-order-to-cash");

export const handler = async (payload: unknown): Promise<BatchResponse> => {
  const events = decodeBatch(payload);
  const store = await eventStore();
  const startedAt = performance.now();
  const response = await processBatch({ eventStore: store, log }, orderToCashManager(store), events);
  const failed = response.batchItemFailures.length;
  const durationMs = Math.round(performance.now() - startedAt);
  log[failed === 0 ? "debug" : "warn"]({ events: events.length, failed, durationMs }, "processes told");
  return response;
};
