/** An invoice as the API shows it, from a row of `invoice-summary`. */
import * as z from "zod";
import type { Money } from "../domain/kernel/money.ts";
import { moneySchema } from "../domain/kernel/schemas.ts";
import type { Row } from "../engine/views/view-reader.ts";
import { represented, representedRevision } from "./representation.ts";

const rowSchema = z.object({
  invoiceId: z.string(),
  orderId: z.string(),
  customerId: z.string(),
  status: z.enum(["open", "overdue", "settled", "void"]),
  goods: moneySchema,
  freight: moneySchema,
  total: moneySchema,
  paid: z.int(),
  credited: z.int(),
  open: moneySchema,
  issuedAt: z.string(),
  dueAt: z.string(),
  voidReason: z.string().exactOptional(),
  revision: representedRevision,
});

type InvoiceRow = z.output<typeof rowSchema>;

export interface InvoiceRepresentation extends Omit<InvoiceRow, "status" | "paid" | "credited"> {
  readonly status: InvoiceStatus;
  /** Payments less refunds. */
  readonly paid: Money;
  readonly credited: Money;
}

export type InvoiceStatus = "issued" | "overdue" | "paid" | "credited" | "void";

/** `total` is the sum of `paid`, `credited` and `open`. */
export function invoiceRepresentation(row: Row): InvoiceRepresentation {
  const invoice = represented(rowSchema, row);
  const { currency } = invoice.total;
  const paid = { amount: invoice.paid, currency };
  const credited = { amount: invoice.credited, currency };
  return { ...invoice, status: statusOf(invoice), paid, credited };
}

/** A settled invoice was paid, unless all that it claimed was taken back; partly credited, the customer paid the rest. */
function statusOf({ status, total, credited }: InvoiceRow): InvoiceStatus {
  switch (status) {
    case "open":
      return "issued";
    case "settled":
      return credited > 0 && credited === total.amount ? "credited" : "paid";
    case "overdue":
    case "void":
      return status;
  }
}
