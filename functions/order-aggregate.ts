/** Ordering as the engine and the API meet it: the streams it lives in, and what its rejections are to an HTTP client. */
import { orderingEventTypes } from "../domain/ordering/events.ts";
import { orderDecider, type OrderRejection } from "../domain/ordering/order.ts";
import type { RejectionStatus } from "../engine/http/command-answer.ts";

export const orderAggregate = { category: "order", decider: orderDecider, eventTypes: orderingEventTypes };

export const orderRejectionStatus: RejectionStatus<OrderRejection> = {
  ORDER_NOT_FOUND: 404,
  ORDER_ALREADY_PLACED: 409,
  ORDER_NOT_CONFIRMED: 409,
  ORDER_ALREADY_CONFIRMED: 409,
  ORDER_REJECTED: 409,
  ORDER_CANCELLED: 409,
  ORDER_COMPLETED: 409,
  MIXED_CURRENCIES: 422,
  NO_LINES: 422,
};
