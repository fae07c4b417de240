import type { BatchResponse } from "../../engine/delivery/event-record.ts";

/** Takes whatever it is given, and does nothing. */
export function handler(): Promise<BatchResponse> {
  return Promise.resolve({ batchItemFailures: [] });
}
