/**
 * What the process asks of the contexts, one request for each of its steps. A request is kept with the intent to send it,
 * so that one that is sent again says exactly what it said the first time.
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

const order = { orderId: orderIdSchema };

export const requestSchema = z.discriminatedUnion("step", [
  z.strictObject({
    step: z.literal("reserve-credit"),
    ...order,
    customerId: customerIdSchema,
    amount: moneySchema,
  }),
  z.strictObject({ step: z.literal("confirm-order"), ...order }),
  z.strictObject({ step: z.literal("reject-order"), ...order, reason: z.string() }),
  z.strictObject({
    step: z.literal("schedule-shipment"),
    ...order,
    customerId: customerIdSchema,
    items: z.array(z.strictObject({ productId: productIdSchema, quantity: z.int() })),
    currency: currencySchema,
  }),
  z.strictObject({
    step: z.literal("issue-invoice"),
    ...order,
    customerId: customerIdSchema,
    goods: moneySchema,
    freight: moneySchema,
    issuedAt: instantSchema,
  }),
  z.strictObject({ step: z.literal("mark-overdue"), ...order }),
  z.strictObject({ step: z.literal("complete-order"), ...order }),
  z.strictObject({ step: z.literal("cancel-order"), ...order, reason: z.string() }),
  z.strictObject({ step: z.literal("cancel-shipment"), ...order, reason: z.string() }),
  z.strictObject({ step: z.literal("credit-invoice"), ...order, reason: z.string() }),
  z.strictObject({ step: z.literal("release-credit"), ...order, customerId: customerIdSchema }),
]);

export type ProcessRequest = z.output<typeof requestSchema>;

export type Step = ProcessRequest["step"];

export const stepSchema = z.literal(requestSchema.options.map(({ shape }) => shape.step.value));
