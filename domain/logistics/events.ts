/**
 * What can happen to a shipment, as stored in `shipment-<shipmentId>`. Every event says whose shipment for which order it is
 * about, because a reader sees one event alone.
 */
import { z } from "zod";
import {
  currencySchema,
  customerIdSchema,
  instantSchema,
  moneySchema,
  orderIdSchema,
  productIdSchema,
} from "../kernel/schemas.ts";
import { shipmentIdSchema } from "./shipment-id.ts";

const shipmentSchema = z.strictObject({
  shipmentId: shipmentIdSchema,
  orderId: orderIdSchema,
  customerId: customerIdSchema,
});

export const shipmentScheduledSchema = shipmentSchema.extend({
  items: z.array(z.strictObject({ productId: productIdSchema, quantity: z.int() })),
  /** What freight is charged in. */
  currency: currencySchema,
});

export const shipmentDispatchedSchema = shipmentSchema.extend({
  carrier: z.string(),
  freight: moneySchema,
  dispatchedAt: instantSchema,
});

const shipmentDeliveredSchema = shipmentSchema.extend({ deliveredAt: instantSchema });

const shipmentCancelledSchema = shipmentSchema.extend({
  reason: z.string(),
  /** From dispatched, the carrier brings it back. */
  cancelledFrom: z.enum(["scheduled", "dispatched"]),
});

const shipmentLostSchema = shipmentSchema.extend({ reason: z.string() });

export const logisticsEventTypes = {
  ShipmentScheduled: { version: 1, schema: shipmentScheduledSchema },
  ShipmentDispatched: { version: 1, schema: shipmentDispatchedSchema },
  ShipmentDelivered: { version: 1, schema: shipmentDeliveredSchema },
  ShipmentCancelled: { version: 1, schema: shipmentCancelledSchema },
  ShipmentLost: { version: 1, schema: shipmentLostSchema },
} as const;

export type ScheduledShipment = Readonly<z.output<typeof shipmentScheduledSchema>>;
export type DispatchedShipment = Readonly<z.output<typeof shipmentDispatchedSchema>>;

export type ShipmentEvent =
  | { readonly type: "ShipmentScheduled"; readonly data: z.output<typeof shipmentScheduledSchema> }
  | { readonly type: "ShipmentDispatched"; readonly data: z.output<typeof shipmentDispatchedSchema> }
  | { readonly type: "ShipmentDelivered"; readonly data: z.output<typeof shipmentDeliveredSchema> }
  | { readonly type: "ShipmentCancelled"; readonly data: z.output<typeof shipmentCancelledSchema> }
  | { readonly type: "ShipmentLost"; readonly data: z.output<typeof shipmentLostSchema> };
