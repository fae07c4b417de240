/**
 * What can happen to an order, as stored in `order-<orderId>`. Events carry what views need, because a projection sees one
 * event alone: a cancellation says whose order of which month and worth what it takes out.
 */
import { z } from "zod";
import { customerIdSchema, instantSchema, moneySchema, orderIdSchema, productIdSchema } from "../kernel/schemas.ts";

const orderedLineSchema = z.strictObject({
  productId: productIdSchema,
  quantity: z.int(),
  unitPrice: moneySchema,
  /** Whole percent. */
  discountPercent: z.int(),
  /** unitPrice x quantity less the discount, rounded half up; kept so that no reader rounds again. */
  total: moneySchema,
});

const orderPlacedSchema = z.strictObject({
  orderId: orderIdSchema,
  customerId: customerIdSchema,
  /** Business date; may lie years before the event was recorded. */
  orderedAt: instantSchema,
  lines: z.array(orderedLineSchema),
  total: moneySchema,
});

const orderCancelledSchema = z.strictObject({
  orderId: orderIdSchema,
  customerId: customerIdSchema,
  orderedAt: instantSchema,
  total: moneySchema,
  reason: z.string().optional(),
});

export const orderingEventTypes = {
  OrderPlaced: { version: 1, schema: orderPlacedSchema },
  OrderCancelled: { version: 1, schema: orderCancelledSchema },
} as const;

export type OrderedLine = z.output<typeof orderedLineSchema>;

export type OrderEvent =
  | { readonly type: "OrderPlaced"; readonly data: z.output<typeof orderPlacedSchema> }
  | { readonly type: "OrderCancelled"; readonly data: z.output<typeof orderCancelledSchema> };
