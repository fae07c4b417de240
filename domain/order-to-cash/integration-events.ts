/**
 * What the contexts tell the process, in the process's own words: the named integration events. They cross the border by
 * the translations beside this file and are kept in the process's stream, `orderToCash-<orderId>`, as its memory.
 *
 * Each states a fact that stays true, so that it does not matter in which order they arrive: `open` is what a customer
 * still owed right after a payment, and once one of them says zero, the invoice is settled.
 */
import { z } from "zod";
import { customerIdSchema, instantSchema, moneySchema, orderIdSchema, productIdSchema } from "../kernel/schemas.ts";

const orderReceivedSchema = z.strictObject({
  orderId: orderIdSchema,
  customerId: customerIdSchema,
  total: moneySchema,
  items: z.array(z.strictObject({ productId: productIdSchema, quantity: z.int() })),
  /** Of the request that placed the order: everything that the process does for it bears it as well. */
  correlationId: z.string(),
});

const orderWithdrawnSchema = z.strictObject({ orderId: orderIdSchema, reason: z.string().optional() });

const dispatchPlannedSchema = z.strictObject({
  orderId: orderIdSchema,
  /** When the store recorded it: the dispatch deadline counts from here. */
  recordedAt: instantSchema,
});

const goodsDispatchedSchema = z.strictObject({
  orderId: orderIdSchema,
  carrier: z.string(),
  freight: moneySchema,
  /** Business date. */
  dispatchedAt: instantSchema,
});

const goodsDeliveredSchema = z.strictObject({ orderId: orderIdSchema, deliveredAt: instantSchema });

const goodsLostSchema = z.strictObject({ orderId: orderIdSchema, reason: z.string() });

const dispatchCalledOffSchema = z.strictObject({ orderId: orderIdSchema, reason: z.string() });

const invoiceSentSchema = z.strictObject({
  orderId: orderIdSchema,
  total: moneySchema,
  /** When the store recorded it: the payment deadline counts from here. */
  recordedAt: instantSchema,
});

const paymentReceivedSchema = z.strictObject({ orderId: orderIdSchema, amount: moneySchema, open: moneySchema });

const invoiceCreditedSchema = z.strictObject({
  orderId: orderIdSchema,
  amount: moneySchema,
  refund: moneySchema,
  open: moneySchema,
});

const invoiceWithdrawnSchema = z.strictObject({ orderId: orderIdSchema, reason: z.string() });

export const integrationEventTypes = {
  OrderReceived: { version: 1, schema: orderReceivedSchema },
  OrderWithdrawn: { version: 1, schema: orderWithdrawnSchema },
  DispatchPlanned: { version: 1, schema: dispatchPlannedSchema },
  GoodsDispatched: { version: 1, schema: goodsDispatchedSchema },
  GoodsDelivered: { version: 1, schema: goodsDeliveredSchema },
  GoodsLost: { version: 1, schema: goodsLostSchema },
  DispatchCalledOff: { version: 1, schema: dispatchCalledOffSchema },
  InvoiceSent: { version: 1, schema: invoiceSentSchema },
  PaymentReceived: { version: 1, schema: paymentReceivedSchema },
  InvoiceCredited: { version: 1, schema: invoiceCreditedSchema },
  InvoiceWithdrawn: { version: 1, schema: invoiceWithdrawnSchema },
} as const;

type Types = typeof integrationEventTypes;

export type IntegrationEvent = {
  [Type in keyof Types]: { readonly type: Type; readonly data: z.output<Types[Type]["schema"]> };
}[keyof Types];
