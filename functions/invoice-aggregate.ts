/** Billing as the engine and the API meet it: the streams it lives in, and what its rejections are to an HTTP client. */
import { billingEventTypes } from "../domain/billing/events.ts";
import { invoiceDecider, type InvoiceRejection } from "../domain/billing/invoice.ts";
import type { RejectionStatus } from "../engine/http/command-answer.ts";

export const invoiceAggregate = { category: "invoice", decider: invoiceDecider, eventTypes: billingEventTypes };

export const invoiceRejectionStatus: RejectionStatus<InvoiceRejection> = {
  INVOICE_NOT_FOUND: 404,
  INVOICE_ALREADY_ISSUED: 409,
  INVOICE_VOID: 409,
  INVOICE_SETTLED: 409,
  OVERPAYMENT: 409,
  PAYMENT_ID_REUSED: 409,
  CREDIT_NOTE_ID_REUSED: 409,
  INVOICE_HAS_PAYMENTS: 409,
  CREDIT_EXCEEDS_INVOICE: 409,
  INVOICE_CURRENCY_MISMATCH: 422,
};
