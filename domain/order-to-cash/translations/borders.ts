/** The streams that the process listens to, by their category: how their events read, and what each becomes. */
import { billingEventTypes } from "../../billing/events.ts";
import { logisticsEventTypes } from "../../logistics/events.ts";
import { orderingEventTypes } from "../../ordering/events.ts";
import { fromBilling } from "./billing.ts";
import { fromLogistics } from "./logistics.ts";
import { fromOrdering } from "./ordering.ts";

export const borders = {
  order: { eventTypes: orderingEventTypes, translations: fromOrdering },
  shipment: { eventTypes: logisticsEventTypes, translations: fromLogistics },
  invoice: { eventTypes: billingEventTypes, translations: fromBilling },
};

/** Event types that the process is to be told of. */
export const translatedTypes: readonly string[] = Object.values(borders).flatMap(({ translations }) =>
  Object.keys(translations),
);
