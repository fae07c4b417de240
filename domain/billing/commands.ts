/** What one can ask of an invoice. The schemas are the edge: what passes them is a command the decider understands. */
import { z } from "zod";
import {
  amountSchema,
  countedFromSchema,
  currencySchema,
  customerIdSchema,
  instantSchema,
  orderIdSchema,
  priceSchema,
  reasonSchema,
} from "../kernel/schemas.ts";
import {
  type CreditNoteId,
  creditNoteIdSchema,
  type InvoiceId,
  invoiceIdSchema,
  type PaymentId,
  paymentIdSchema,
} from "./ids.ts";

/** Money that changes something: there is no payment of nothing. */
const somethingSchema = z.strictObject({ amount: z.int().min(1), currency: currencySchema });

/** The body of a request to issue an invoice. */
export const issueInvoiceSchema = z.strictObject({
  invoiceId: invoiceIdSchema.optional(),
  orderId: orderIdSchema,
  customerId: customerIdSchema,
  goods: amountSchema,
  freight: priceSchema,
  issuedAt: countedFromSchema.optional(),
});

/** The body of a request to record a payment. */
export const recordPaymentSchema = z.strictObject({
  paymentId: paymentIdSchema.optional(),
  amount: somethingSchema,
  receivedAt: instantSchema.optional(),
});

/** The body of a request to mark an invoice overdue: there is nothing to say. */
export const markInvoiceOverdueSchema = z.strictObject({});

/** The body of a request to void an invoice. */
export const voidInvoiceSchema = z.strictObject({ reason: reasonSchema });

/** The body of a request to issue a credit note. Without an amount it is about all that is not credited yet. */
export const issueCreditNoteSchema = z.strictObject({
  creditNoteId: creditNoteIdSchema.optional(),
  amount: somethingSchema.optional(),
  reason: reasonSchema,
});

export interface IssueInvoice extends Omit<z.output<typeof issueInvoiceSchema>, "invoiceId" | "issuedAt"> {
  readonly type: "IssueInvoice";
  readonly invoiceId: InvoiceId;
  /** ISO 8601 in UTC with milliseconds. */
  readonly issuedAt: string;
}

export interface RecordPayment extends Omit<z.output<typeof recordPaymentSchema>, "paymentId" | "receivedAt"> {
  readonly type: "RecordPayment";
  readonly paymentId: PaymentId;
  /** ISO 8601 in UTC with milliseconds. */
  readonly receivedAt: string;
}

export interface MarkInvoiceOverdue {
  readonly type: "MarkInvoiceOverdue";
}

export interface VoidInvoice extends z.output<typeof voidInvoiceSchema> {
  readonly type: "VoidInvoice";
}

export interface IssueCreditNote extends Omit<z.output<typeof issueCreditNoteSchema>, "creditNoteId"> {
  readonly type: "IssueCreditNote";
  readonly creditNoteId: CreditNoteId;
}

export type InvoiceCommand = IssueInvoice | RecordPayment | MarkInvoiceOverdue | VoidInvoice | IssueCreditNote;
