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

/** Whose order of which date and worth what: every event of an order says it. */
export const orderFactsSchema = z.strictObject({
  orderId: orderIdSchema,
  customerId: customerIdSchema,
  /** Business date; may lie years before the event was recorded. */
  orderedAt: instantSchema,
  total: moneySchema,
});

const orderPlacedSchema = orderFactsSchema.extend({ lines: z.array(orderedLineSchema) });

const orderConfirmedSchema = orderFactsSchema;

const orderRejectedSchema = orderFactsSchema.extend({ reason: z.string() });

const orderCancelledSchema = orderFactsSchema.extend({
  reason: z.string().optional(),
  cancelledFrom: z.enum(["placed", "confirmed"]),
});

const orderCompletedSchema = orderFactsSchema;

/** Version 1 was written when an order could only be placed. What is no object is left to the schema to refuse. */
function cancelledFromPlaced(data: unknown): unknown {
  return typeof data === "object" ? { ...data, cancelledFrom: "placed" } : data;
}

export const orderingEventTypes = {
  OrderPlaced: { version: 1, schema: orderPlacedSchema },
  OrderConfirmed: { version: 1, schema: orderConfirmedSchema },
  OrderRejected: { version: 1, schema: orderRejectedSchema },
  OrderCancelled: { version: 2, schema: orderCancelledSchema, upcasters: [cancelledFromPlaced] },
  OrderCompleted: { version: 1, schema: orderCompletedSchema },
} as const;

export type OrderedLine = z.output<typeof orderedLineSchema>;

export type OrderFacts = Readonly<z.output<typeof orderFactsSchema>>;

export type OrderEvent =
  | { readonly type: "OrderPlaced"; readonly data: z.output<typeof orderPlacedSchema> }
  | { readonly type: "OrderConfirmed"; readonly data: z.output<typeof orderConfirmedSchema> }
  | { readonly type: "OrderRejected"; readonly data: z.output<typeof orderRejectedSchema> }
  | { readonly type: "OrderCancelled"; readonly data: z.output<typeof orderCancelledSchema> }
  | { readonly type: "OrderCompleted"; readonly data: z.output<typeof orderCompletedSchema> };
