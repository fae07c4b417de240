/** The commands of billing over HTTP. What is so already succeeds and changes nothing. */
import * as z from "zod";
import {
  type InvoiceCommand,
  issueCreditNoteSchema,
  issueInvoiceSchema,
  markInvoiceOverdueSchema,
  recordPaymentSchema,
  voidInvoiceSchema,
} from "../domain/billing/commands.ts";
import { creditNoteIdSchema, invoiceIdSchema, paymentIdSchema } from "../domain/billing/ids.ts";
import { change, commandFunction, type CommandRoutes, creation } from "./command-function.ts";
import { invoiceAggregate, invoiceRejectionStatus } from "./invoice-aggregate.ts";

export const routes: CommandRoutes<InvoiceCommand> = {
  "POST /invoices": creation(issueInvoiceSchema, (body, { now, newId }) => {
    const invoiceId = body.invoiceId ?? invoiceIdSchema.parse(newId("invoice"));
    return { id: invoiceId, command: { type: "IssueInvoice", ...body, invoiceId, issuedAt: body.issuedAt ?? now } };
  }),
  "POST /invoices/{invoiceId}/record-payment": change(
    recordPaymentSchema,
    (body, { now, newId }) => ({
      type: "RecordPayment",
      ...body,
      paymentId: body.paymentId ?? paymentIdSchema.parse(newId("payment")),
      receivedAt: body.receivedAt ?? now,
    }),
    ({ paymentId }) => ({ paymentId }),
  ),
  "POST /invoices/{invoiceId}/mark-overdue": change(markInvoiceOverdueSchema, () => ({ type: "MarkInvoiceOverdue" })),
  "POST /invoices/{invoiceId}/void": change(voidInvoiceSchema, (body) => ({ type: "VoidInvoice", ...body })),
  "POST /invoices/{invoiceId}/issue-credit-note": change(
    issueCreditNoteSchema,
    (body, { newId }) => ({
      type: "IssueCreditNote",
      ...body,
      creditNoteId: body.creditNoteId ?? creditNoteIdSchema.parse(newId("credit-note")),
    }),
    // Where nothing was left to credit there is no note, and an id would name nothing.
    ({ creditNoteId }, effect) => (effect === "unchanged" ? {} : { creditNoteId }),
  ),
};

const invoices = {
  aggregate: invoiceAggregate,
  rejectionStatus: invoiceRejectionStatus,
  collection: "/invoices",
  idName: "invoiceId",
  pathSchema: z.strictObject({ invoiceId: invoiceIdSchema }),
} as const;

export const handler = commandFunction("billing", invoices, routes);
