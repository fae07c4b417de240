/** What an invoice is at a point of its history, and what each event makes of it. Money is moved and never made. */
import { addMoney, type Money, subtractMoney, zeroMoney } from "../kernel/money.ts";
import type { InvoiceEvent, IssuedInvoice } from "./events.ts";
import type { CreditNoteId, PaymentId } from "./ids.ts";

export interface StandingInvoice {
  readonly status: "open" | "overdue" | "settled" | "void";
  readonly issued: IssuedInvoice;
  /** What it claims: `paid` + `open` + `credited`. Of a void invoice all four are nothing. */
  readonly total: Money;
  /** Payments less refunds. */
  readonly paid: Money;
  readonly open: Money;
  readonly credited: Money;
  /** Known by id. An invoice is paid and credited in a few steps, so that lists do. */
  readonly payments: readonly Booking<PaymentId>[];
  readonly creditNotes: readonly Booking<CreditNoteId>[];
}

export interface Booking<Id> {
  readonly id: Id;
  readonly amount: Money;
}

export type Invoice = { readonly status: "unknown" } | StandingInvoice;

export function issuedInvoice(issued: IssuedInvoice): StandingInvoice {
  const { total } = issued;
  const nothing = zeroMoney(total.currency);
  const status = total.amount === 0 ? "settled" : "open";
  return { status, issued, total, paid: nothing, open: total, credited: nothing, payments: [], creditNotes: [] };
}

export function changedInvoice(
  invoice: StandingInvoice,
  event: Exclude<InvoiceEvent, { type: "InvoiceIssued" }>,
): StandingInvoice {
  switch (event.type) {
    case "PaymentRecorded": {
      const { paymentId: id, amount, open } = event.data;
      const payments = [...invoice.payments, { id, amount }];
      return { ...invoice, status: statusWith(open, invoice), paid: addMoney(invoice.paid, amount), open, payments };
    }
    case "InvoiceOverdue":
      return { ...invoice, status: "overdue" };
    case "InvoiceVoided": {
      const nothing = zeroMoney(invoice.total.currency);
      return { ...invoice, status: "void", total: nothing, paid: nothing, open: nothing, credited: nothing };
    }
    case "CreditNoteIssued": {
      const { creditNoteId: id, amount, refund, open } = event.data;
      const creditNotes = [...invoice.creditNotes, { id, amount }];
      const paid = subtractMoney(invoice.paid, refund);
      const credited = addMoney(invoice.credited, amount);
      return { ...invoice, status: statusWith(open, invoice), paid, open, credited, creditNotes };
    }
  }
}

function statusWith(open: Money, { status }: StandingInvoice): StandingInvoice["status"] {
  return open.amount === 0 ? "settled" : status;
}
