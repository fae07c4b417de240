/** Customers as the engine and the API meet them: the streams they live in, and what their rejections are to an HTTP client. */
import { customersEventTypes } from "../domain/customers/events.ts";
import { customerDecider, type CustomerRejection } from "../domain/customers/customer.ts";
import type { RejectionStatus } from "../engine/http/command-answer.ts";

export const customerAggregate = { category: "customer", decider: customerDecider, eventTypes: customersEventTypes };

export const customerRejectionStatus: RejectionStatus<CustomerRejection> = {
  CUSTOMER_NOT_FOUND: 404,
  CUSTOMER_ALREADY_REGISTERED: 409,
  CUSTOMER_SUSPENDED: 409,
  CREDIT_LIMIT_EXCEEDED: 409,
  LIMIT_BELOW_RESERVED: 409,
  RESERVATION_RELEASED: 409,
  RESERVATION_DIFFERS: 409,
  CREDIT_CURRENCY_MISMATCH: 422,
};
