/**
 * Fires the deadlines that are due; by schedule, and harmless at any other time. Ends with an error when one could not be
 * fired, so that Lambda's `Errors` metric tells; the next run fires it.
 */
import { z } from "zod";
import type { ProcessInput } from "../domain/order-to-cash/order-to-cash.ts";
import { deadlineNames } from "../domain/order-to-cash/events.ts";
import { type DueDeadline, fireDeadlines, type FiredDeadlines } from "../engine/processes/deadlines.ts";
import type { ViewReader } from "../engine/views/view-reader.ts";
import { clockList, orderToCash } from "../projections/order-to-cash.ts";
import { views } from "./dynamodb-connection.ts";
import { eventStore } from "./event-store-connection.ts";
import { functionLogger } from "./function-logger.ts";
import { orderToCashManager } from "./order-to-cash-process.ts";

const log = functionLogger("fire-deadlines");

export class DeadlinesNotFiredError extends Error {
  readonly code = "DEADLINES_NOT_FIRED";
  override readonly name = "DeadlinesNotFiredError";
}

/** Throws {@link DeadlinesNotFiredError} after all were tried. */
export const handler = async (): Promise<FiredDeadlines> => {
  const store = await eventStore();
  const due = dueAt(views().reader, new Date().toISOString());
  const fired = await fireDeadlines({ eventStore: store, log }, orderToCashManager(store), due);
  log.info(fired, "deadlines fired");
  if (fired.failed > 0) throw new DeadlinesNotFiredError(`${fired.failed} deadlines were not fired: see the log`);
  return fired;
};

const rowSchema = z.object({ orderId: z.string(), clockAt: z.string(), deadline: z.enum(deadlineNames) });

/** The running deadlines of which the time has come, earliest first. `now` is ISO 8601 in UTC with milliseconds. */
export async function* dueAt(reader: ViewReader, now: string): AsyncGenerator<DueDeadline<ProcessInput>> {
  const { name, partition } = clockList;
  let cursor: string | undefined;
  do {
    const after = cursor === undefined ? {} : { cursor };
    const query = { partition: "running", index: { name, partition }, limit: 200, ...after };
    const page = await reader.query(orderToCash.name, query);
    for (const { attributes } of page.rows) {
      const { orderId, clockAt, deadline } = rowSchema.parse(attributes);
      if (clockAt > now) return;
      const input = { type: "PassDeadline", name: deadline, dueAt: clockAt, at: now } as const;
      yield { id: orderId, input, key: `${deadline}:${clockAt}` };
    }
    cursor = page.cursor;
  } while (cursor !== undefined);
}
