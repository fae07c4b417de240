/**
 * The border to billing. The invoice of an order bears the order's id; one that bears another was not asked for by the
 * process, and what becomes of it is none of its business.
 */
import type { InvoiceCommand } from "../../billing/commands.ts";
import type { InvoiceEvent } from "../../billing/events.ts";
import { creditNoteIdSchema, invoiceIdSchema } from "../../billing/ids.ts";
import { inbound, type Outbound } from "./translation.ts";

type DataOf<Type extends InvoiceEvent["type"]> = Extract<InvoiceEvent, { type: Type }>["data"];

function isOfTheProcess({ invoiceId, orderId }: InvoiceEvent["data"]): boolean {
  return String(invoiceId) === String(orderId);
}

export const fromBilling = {
  InvoiceIssued: inbound("InvoiceSent", (invoice: DataOf<"InvoiceIssued">, { recordedAt }) =>
    isOfTheProcess(invoice) ? { orderId: invoice.orderId, total: invoice.total, recordedAt } : undefined,
  ),
  PaymentRecorded: inbound("PaymentReceived", (payment: DataOf<"PaymentRecorded">) => {
    const { orderId, amount, open } = payment;
    return isOfTheProcess(payment) ? { orderId, amount, open } : undefined;
  }),
  CreditNoteIssued: inbound("InvoiceCredited", (note: DataOf<"CreditNoteIssued">) => {
    const { orderId, amount, refund, open } = note;
    return isOfTheProcess(note) ? { orderId, amount, refund, open } : undefined;
  }),
  InvoiceVoided: inbound("InvoiceWithdrawn", (invoice: DataOf<"InvoiceVoided">) =>
    isOfTheProcess(invoice) ? { orderId: invoice.orderId, reason: invoice.reason } : undefined,
  ),
};

/** The process credits an order's invoice at most once, and whole. */
const creditNoteId = creditNoteIdSchema.parse("order-to-cash");

export const toBilling: Outbound<"issue-invoice" | "mark-overdue" | "credit-invoice", InvoiceCommand> = {
  "issue-invoice": ({ orderId, customerId, goods, freight, issuedAt }) => ({
    type: "IssueInvoice",
    invoiceId: invoiceIdSchema.parse(orderId),
    orderId,
    customerId,
    goods,
    freight,
    issuedAt,
  }),
  "mark-overdue": () => ({ type: "MarkInvoiceOverdue" }),
  "credit-invoice": ({ reason }) => ({ type: "IssueCreditNote", creditNoteId, reason }),
};
