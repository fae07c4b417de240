/** Customers as the engine and the API meet them: the streams they live in, and what their rejections are to an HTTP client. */
import { customersEventTypes } from "../domain/customers/events.ts";
import {
  type Customer,
  customerDecider,
  type CustomerRejection,
  customerSnapshot,
} from "../domain/customers/customer.ts";
import type { RejectionStatus } from "../engine/http/command-answer.ts";
import type { SnapshotPolicy } from "../engine/snapshots/snapshot-policy.ts";
import fingerprints from "./reducer-fingerprints.json" with { type: "json" };

/** The one aggregate that grows without end: two events for each order, as long as the customer buys. */
const snapshots: SnapshotPolicy<Customer> = {
  fingerprint: fingerprints.customer,
  format: customerSnapshot,
  everyEvents: 100,
  slowLoadMs: 200,
};

export const customerAggregate = {
  category: "customer",
  decider: customerDecider,
  eventTypes: customersEventTypes,
  snapshots,
};

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
