/**
 * What can happen to an invoice, as stored in `invoice-<invoiceId>`. Every event says whose invoice for which order it is
 * about, and a change of what is owed says what is open afterwards.
 */
import { z } from "zod";
import { customerIdSchema, instantSchema, moneySchema, orderIdSchema } from "../kernel/schemas.ts";
import { creditNoteIdSchema, invoiceIdSchema, paymentIdSchema } from "./ids.ts";

const invoiceSchema = z.strictObject({
  invoiceId: invoiceIdSchema,
  orderId: orderIdSchema,
  customerId: customerIdSchema,
});

export const invoiceIssuedSchema = invoiceSchema.extend({
  goods: moneySchema,
  freight: moneySchema,
  total: moneySchema,
  issuedAt: instantSchema,
  dueAt: instantSchema,
});

const paymentRecordedSchema = invoiceSchema.extend({
  paymentId: paymentIdSchema,
  amount: moneySchema,
  receivedAt: instantSchema,
  open: moneySchema,
});

const invoiceOverdueSchema = invoiceSchema.extend({ open: moneySchema });

const invoiceVoidedSchema = invoiceSchema.extend({
  /** What was claimed and is claimed no more. */
  total: moneySchema,
  reason: z.string(),
});

const creditNoteIssuedSchema = invoiceSchema.extend({
  creditNoteId: creditNoteIdSchema,
  amount: moneySchema,
  /** The part of the amount that was paid already and is to be given back. */
  refund: moneySchema,
  open: moneySchema,
  reason: z.string(),
});

export const billingEventTypes = {
  InvoiceIssued: { version: 1, schema: invoiceIssuedSchema },
  PaymentRecorded: { version: 1, schema: paymentRecordedSchema },
  InvoiceOverdue: { version: 1, schema: invoiceOverdueSchema },
  InvoiceVoided: { version: 1, schema: invoiceVoidedSchema },
  CreditNoteIssued: { version: 1, schema: creditNoteIssuedSchema },
} as const;

export type IssuedInvoice = Readonly<z.output<typeof invoiceIssuedSchema>>;

export type InvoiceEvent =
  | { readonly type: "InvoiceIssued"; readonly data: z.output<typeof invoiceIssuedSchema> }
  | { readonly type: "PaymentRecorded"; readonly data: z.output<typeof paymentRecordedSchema> }
  | { readonly type: "InvoiceOverdue"; readonly data: z.output<typeof invoiceOverdueSchema> }
  | { readonly type: "InvoiceVoided"; readonly data: z.output<typeof invoiceVoidedSchema> }
  | { readonly type: "CreditNoteIssued"; readonly data: z.output<typeof creditNoteIssuedSchema> };
