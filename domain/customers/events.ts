/** What can happen to a customer, as stored in `customer-<customerId>`. Sums are carried along, so that no view adds up. */
import { z } from "zod";
import { customerIdSchema, moneySchema, orderIdSchema } from "../kernel/schemas.ts";

const customerRegisteredSchema = z.strictObject({
  customerId: customerIdSchema,
  name: z.string(),
  creditLimit: moneySchema,
});

/** All details as they are from now on: one that is absent is none. */
const customerDetailsChangedSchema = z.strictObject({
  customerId: customerIdSchema,
  name: z.string(),
  contact: z.string().optional(),
});

const creditLimitSetSchema = z.strictObject({
  customerId: customerIdSchema,
  creditLimit: moneySchema,
  previousLimit: moneySchema,
});

const customerSuspendedSchema = z.strictObject({ customerId: customerIdSchema, reason: z.string() });

const customerReinstatedSchema = z.strictObject({ customerId: customerIdSchema });

const creditChangeSchema = z.strictObject({
  customerId: customerIdSchema,
  orderId: orderIdSchema,
  /** What is reserved for this order, or was. */
  amount: moneySchema,
  /** What is reserved for all orders of the customer afterwards. */
  reserved: moneySchema,
});

/** Nothing will be reserved for this order, whoever asks and whenever. Of a customer who is not registered yet. */
const reservationBarredSchema = z.strictObject({ customerId: customerIdSchema, orderId: orderIdSchema });

export const customersEventTypes = {
  CustomerRegistered: { version: 1, schema: customerRegisteredSchema },
  CustomerDetailsChanged: { version: 1, schema: customerDetailsChangedSchema },
  CreditLimitSet: { version: 1, schema: creditLimitSetSchema },
  CustomerSuspended: { version: 1, schema: customerSuspendedSchema },
  CustomerReinstated: { version: 1, schema: customerReinstatedSchema },
  CreditReserved: { version: 1, schema: creditChangeSchema },
  CreditReleased: { version: 1, schema: creditChangeSchema },
  ReservationBarred: { version: 1, schema: reservationBarredSchema },
} as const;

export type CustomerEvent =
  | { readonly type: "CustomerRegistered"; readonly data: z.output<typeof customerRegisteredSchema> }
  | { readonly type: "CustomerDetailsChanged"; readonly data: z.output<typeof customerDetailsChangedSchema> }
  | { readonly type: "CreditLimitSet"; readonly data: z.output<typeof creditLimitSetSchema> }
  | { readonly type: "CustomerSuspended"; readonly data: z.output<typeof customerSuspendedSchema> }
  | { readonly type: "CustomerReinstated"; readonly data: z.output<typeof customerReinstatedSchema> }
  | { readonly type: "CreditReserved"; readonly data: z.output<typeof creditChangeSchema> }
  | { readonly type: "CreditReleased"; readonly data: z.output<typeof creditChangeSchema> }
  | { readonly type: "ReservationBarred"; readonly data: z.output<typeof reservationBarredSchema> };
