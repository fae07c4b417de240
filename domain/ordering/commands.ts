/** What one can ask of an order. The schemas are the edge: what passes them is a command the decider understands. */
import { z } from "zod";
import type { OrderId } from "../kernel/ids.ts";
import {
  customerIdSchema,
  instantSchema,
  orderIdSchema,
  priceSchema,
  productIdSchema,
  quantitySchema,
  reasonSchema,
} from "../kernel/schemas.ts";

/** An event's rows and its guard must fit one transaction of 100 items, and `product-sales` may have a row for each line. */
export const maximumLines = 90;

const orderLineSchema = z.strictObject({
  productId: productIdSchema,
  quantity: quantitySchema,
  unitPrice: priceSchema,
  discountPercent: z.int().min(0).max(100),
});

/** The body of a request to place an order. */
export const placeOrderSchema = z.strictObject({
  orderId: orderIdSchema.optional(),
  customerId: customerIdSchema,
  orderedAt: instantSchema.optional(),
  lines: z.array(orderLineSchema).min(1).max(maximumLines),
});

/** The body of a request to confirm an order: there is nothing to say. */
export const confirmOrderSchema = z.strictObject({});

/** The body of a request to reject an order. */
export const rejectOrderSchema = z.strictObject({ reason: reasonSchema });

/** The body of a request to cancel an order. */
export const cancelOrderSchema = z.strictObject({ reason: reasonSchema.optional() });

/** The body of a request to complete an order: there is nothing to say. */
export const completeOrderSchema = z.strictObject({});

export type OrderLine = z.output<typeof orderLineSchema>;

export interface PlaceOrder extends Omit<z.output<typeof placeOrderSchema>, "orderId" | "orderedAt"> {
  readonly type: "PlaceOrder";
  readonly orderId: OrderId;
  /** ISO 8601 in UTC with milliseconds. */
  readonly orderedAt: string;
}

export interface ConfirmOrder {
  readonly type: "ConfirmOrder";
}

export interface RejectOrder extends z.output<typeof rejectOrderSchema> {
  readonly type: "RejectOrder";
}

export interface CancelOrder extends z.output<typeof cancelOrderSchema> {
  readonly type: "CancelOrder";
}

export interface CompleteOrder {
  readonly type: "CompleteOrder";
}

export type OrderCommand = PlaceOrder | ConfirmOrder | RejectOrder | CancelOrder | CompleteOrder;
