/** Carries orders from placement to payment; invoked by the subscriber. */
import type { BatchResponse } from "../engine/delivery/event-record.ts";
import { BatchFormatError } from "../engine/delivery/event-record.ts";
import { decodePayload, type FailureResponse } from "../engine/delivery/function-payload.ts";
import { processBatch } from "../engine/processes/process-batch.ts";
import { countProcessFailure, tellUnlessWaiting } from "../engine/quarantine/quarantined-process.ts";
import { views } from "./dynamodb-connection.ts";
import { eventStore } from "./event-store-connection.ts";
import { functionLogger } from "./function-logger.ts";
import { orderToCashManager } from "./order-to-cash-process.ts";
import { orderToCashProcess } from "./process-names.ts";
import { retryLimits } from "./retry-limits.ts";

const log = functionLogger(orderToCashProcess);

export const handler = async (payload: unknown): Promise<BatchResponse | FailureResponse> => {
  const asked = decodePayload(payload);
  const context = { quarantine: views().quarantine, limits: retryLimits, log };
  if (asked.asks === "count-failure") {
    return { failure: await countProcessFailure(context, orderToCashProcess, asked.attempt) };
  }
  if (asked.asks === "catch-up") throw new BatchFormatError("a process has no rows to be brought up to anything");
  const { events } = asked;
  const store = await eventStore();
  const startedAt = performance.now();
  const response = await tellUnlessWaiting(context, orderToCashProcess, events, (some) =>
    processBatch({ eventStore: store, log }, orderToCashManager(store), some),
  );
  const failed = response.batchItemFailures.length;
  const durationMs = Math.round(performance.now() - startedAt);
  log[failed === 0 ? "debug" : "warn"]({ events: events.length, failed, durationMs }, "processes told");
  return response;
};
