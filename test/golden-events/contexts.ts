/** Every context whose events are stored: one line each. */
import { billingEventTypes } from "../../domain/billing/events.ts";
import { customersEventTypes } from "../../domain/customers/events.ts";
import { logisticsEventTypes } from "../../domain/logistics/events.ts";
import { orderToCashEventTypes } from "../../domain/order-to-cash/events.ts";
import { orderingEventTypes } from "../../domain/ordering/events.ts";
import type { EventTypes } from "../../engine/event-store/event-types.ts";

export interface ContextEvents {
  /** Name of its folder, in domain/ and here. */
  readonly context: string;
  readonly eventTypes: EventTypes;
}

export const contexts: readonly ContextEvents[] = [
  { context: "ordering", eventTypes: orderingEventTypes },
  { context: "customers", eventTypes: customersEventTypes },
  { context: "billing", eventTypes: billingEventTypes },
  { context: "logistics", eventTypes: logisticsEventTypes },
  { context: "order-to-cash", eventTypes: orderToCashEventTypes },
];
