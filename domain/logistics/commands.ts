/** What one can ask of a shipment. The schemas are the edge: what passes them is a command the decider understands. */
import { z } from "zod";
import {
  countedFromSchema,
  currencySchema,
  customerIdSchema,
  instantSchema,
  orderIdSchema,
  priceSchema,
  productIdSchema,
  quantitySchema,
  reasonSchema,
} from "../kernel/schemas.ts";
import { type ShipmentId, shipmentIdSchema } from "./shipment-id.ts";

/** An event's rows and its guard must fit one transaction of 100 items; a row per item leaves room for ten more. */
export const maximumItems = 90;

const shippedItemSchema = z.strictObject({ productId: productIdSchema, quantity: quantitySchema });

/** The body of a request to schedule a shipment. */
export const scheduleShipmentSchema = z.strictObject({
  shipmentId: shipmentIdSchema.optional(),
  orderId: orderIdSchema,
  customerId: customerIdSchema,
  items: z.array(shippedItemSchema).min(1).max(maximumItems),
  /** What freight is charged in. */
  currency: currencySchema,
});

/** The body of a request to hand a shipment to a carrier. */
export const dispatchShipmentSchema = z.strictObject({
  carrier: z.string().trim().min(1).max(100),
  freight: priceSchema,
  /** The invoice is dated by it. */
  dispatchedAt: countedFromSchema.optional(),
});

/** The body of a request to report a shipment delivered. */
export const deliverShipmentSchema = z.strictObject({ deliveredAt: instantSchema.optional() });

/** The body of a request to cancel a shipment. */
export const cancelShipmentSchema = z.strictObject({ reason: reasonSchema });

/** The body of a request to report a shipment lost. */
export const reportShipmentLostSchema = z.strictObject({ reason: reasonSchema });

export type ShippedItem = z.output<typeof shippedItemSchema>;

export interface ScheduleShipment extends Omit<z.output<typeof scheduleShipmentSchema>, "shipmentId"> {
  readonly type: "ScheduleShipment";
  readonly shipmentId: ShipmentId;
}

export interface DispatchShipment extends Omit<z.output<typeof dispatchShipmentSchema>, "dispatchedAt"> {
  readonly type: "DispatchShipment";
  /** ISO 8601 in UTC with milliseconds. */
  readonly dispatchedAt: string;
}

export interface DeliverShipment {
  readonly type: "DeliverShipment";
  /** ISO 8601 in UTC with milliseconds. */
  readonly deliveredAt: string;
}

export interface CancelShipment extends z.output<typeof cancelShipmentSchema> {
  readonly type: "CancelShipment";
}

export interface ReportShipmentLost extends z.output<typeof reportShipmentLostSchema> {
  readonly type: "ReportShipmentLost";
}

export type ShipmentCommand =
  ScheduleShipment | DispatchShipment | DeliverShipment | CancelShipment | ReportShipmentLost;
