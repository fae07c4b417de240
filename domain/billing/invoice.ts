/**
 * The invoice: what a customer owes for one order, and how that is settled.
 *
 * - It claims the goods and their freight, and is due 30 days after it was issued.
 * - What it claims is always the sum of what is paid (less what is given back), what is open and what is credited. It is
 *   settled when nothing is open.
 * - Over-payment is refused, and the refusal names what is open: money beyond the claim is not ours to book against it. Who
 *   takes the money in decides what becomes of the rest.
 * - A payment has an id and counts once. The same id with another amount is another payment, and refused.
 * - A credit note takes back a part of the claim or all of it, and has an id as a payment has. It closes first what is open;
 *   the part beyond that was paid, and is a refund.
 * - An invoice is voided only while nobody has paid for it or been credited; after that a credit note does it.
 * - An open invoice becomes overdue when it is marked so; who marks it knows the date.
 * - Asking for what is so already changes nothing. Issuing the same invoice again is that, whatever became of it.
 */
import type { Decider, Decision, Rejection } from "../kernel/decider.ts";
import { addDays } from "../kernel/instants.ts";
import { addMoney, isMore, type Money, moneyText, sameMoney, subtractMoney } from "../kernel/money.ts";
import type { InvoiceCommand, IssueCreditNote, IssueInvoice, RecordPayment, VoidInvoice } from "./commands.ts";
import type { InvoiceEvent, IssuedInvoice } from "./events.ts";
import type { CreditNoteId, PaymentId } from "./ids.ts";
import { type Booking, changedInvoice, type Invoice, issuedInvoice, type StandingInvoice } from "./invoice-state.ts";

export type { Invoice, StandingInvoice } from "./invoice-state.ts";
export { invoiceSnapshot } from "./invoice-snapshot.ts";

export type InvoiceRejection = Rejection<
  | "INVOICE_NOT_FOUND"
  | "INVOICE_ALREADY_ISSUED"
  | "INVOICE_VOID"
  | "INVOICE_SETTLED"
  | "OVERPAYMENT"
  | "PAYMENT_ID_REUSED"
  | "CREDIT_NOTE_ID_REUSED"
  | "INVOICE_HAS_PAYMENTS"
  | "CREDIT_EXCEEDS_INVOICE"
  | "INVOICE_CURRENCY_MISMATCH"
>;

type InvoiceDecision = Decision<InvoiceEvent, InvoiceRejection>;

const daysToPay = 30;

export const invoiceDecider: Decider<Invoice, InvoiceCommand, InvoiceEvent, InvoiceRejection> = {
  initialState: { status: "unknown" },

  evolve(invoice, event) {
    if (event.type === "InvoiceIssued") return issuedInvoice(event.data);
    return invoice.status === "unknown" ? invoice : changedInvoice(invoice, event);
  },

  decide(invoice, command) {
    if (command.type === "IssueInvoice") return issue(invoice, command);
    if (invoice.status === "unknown") {
      return { rejection: "INVOICE_NOT_FOUND", message: "there is no such invoice: issue it first" };
    }
    switch (command.type) {
      case "RecordPayment":
        return recordPayment(invoice, command);
      case "MarkInvoiceOverdue":
        return markOverdue(invoice);
      case "VoidInvoice":
        return voidInvoice(invoice, command);
      case "IssueCreditNote":
        return issueCreditNote(invoice, command);
    }
  },
};

function issue(invoice: Invoice, command: IssueInvoice): InvoiceDecision {
  const { invoiceId, orderId, customerId, goods, freight, issuedAt } = command;
  if (invoice.status !== "unknown") {
    if (isSame(invoice.issued, command)) return [];
    const message = `invoice ${invoiceId} was issued with other content: use another id`;
    return { rejection: "INVOICE_ALREADY_ISSUED", message };
  }
  if (goods.currency !== freight.currency) return otherCurrency(goods, freight);
  const total = addMoney(goods, freight);
  const dueAt = addDays(issuedAt, daysToPay);
  return [{ type: "InvoiceIssued", data: { invoiceId, orderId, customerId, goods, freight, total, issuedAt, dueAt } }];
}

function isSame(issued: IssuedInvoice, command: IssueInvoice): boolean {
  return (
    issued.orderId === command.orderId &&
    issued.customerId === command.customerId &&
    issued.issuedAt === command.issuedAt &&
    sameMoney(issued.goods, command.goods) &&
    sameMoney(issued.freight, command.freight)
  );
}

function recordPayment(invoice: StandingInvoice, { paymentId, amount, receivedAt }: RecordPayment): InvoiceDecision {
  const known = invoice.payments.find(({ id }) => id === paymentId);
  if (known !== undefined) return sameMoney(known.amount, amount) ? [] : paymentIdReused(known);
  if (invoice.status === "void") return isVoid(invoice);
  if (amount.currency !== invoice.open.currency) return otherCurrency(invoice.open, amount);
  if (isMore(amount, invoice.open)) {
    const message = `${moneyText(invoice.open)} are open, not ${moneyText(amount)}: record no more than that`;
    return { rejection: "OVERPAYMENT", message };
  }
  const open = subtractMoney(invoice.open, amount);
  return [{ type: "PaymentRecorded", data: { ...idsOf(invoice), paymentId, amount, receivedAt, open } }];
}

function markOverdue(invoice: StandingInvoice): InvoiceDecision {
  switch (invoice.status) {
    case "open":
      return [{ type: "InvoiceOverdue", data: { ...idsOf(invoice), open: invoice.open } }];
    case "overdue":
      return [];
    case "settled":
      return isSettled(invoice);
    case "void":
      return isVoid(invoice);
  }
}

function voidInvoice(invoice: StandingInvoice, { reason }: VoidInvoice): InvoiceDecision {
  if (invoice.status === "void") return [];
  if (invoice.status === "settled") return isSettled(invoice);
  if (!sameMoney(invoice.open, invoice.total)) {
    const message = `invoice ${invoice.issued.invoiceId} is partly paid or credited: issue a credit note instead`;
    return { rejection: "INVOICE_HAS_PAYMENTS", message };
  }
  return [{ type: "InvoiceVoided", data: { ...idsOf(invoice), total: invoice.total, reason } }];
}

function issueCreditNote(invoice: StandingInvoice, command: IssueCreditNote): InvoiceDecision {
  const { creditNoteId, reason } = command;
  if (invoice.status === "void") return isVoid(invoice);
  const creditable = subtractMoney(invoice.total, invoice.credited);
  const amount = command.amount ?? creditable;
  // Asked for all that is left when nothing is: under whichever id, that is so already.
  if (amount.amount === 0) return [];
  const known = invoice.creditNotes.find(({ id }) => id === creditNoteId);
  if (known !== undefined) return isRepeat(known, command) ? [] : creditNoteIdReused(known);
  if (amount.currency !== creditable.currency) return otherCurrency(creditable, amount);
  if (isMore(amount, creditable)) {
    const message = `${moneyText(creditable)} are not credited yet, less than ${moneyText(amount)}: credit no more`;
    return { rejection: "CREDIT_EXCEEDS_INVOICE", message };
  }
  const closed = isMore(amount, invoice.open) ? invoice.open : amount;
  const refund = subtractMoney(amount, closed);
  const open = subtractMoney(invoice.open, closed);
  return [{ type: "CreditNoteIssued", data: { ...idsOf(invoice), creditNoteId, amount, refund, open, reason } }];
}

/** A note about all that was left has left nothing; as long as something is left, it was not about all. */
function isRepeat(known: Booking<CreditNoteId>, { amount }: IssueCreditNote): boolean {
  return amount !== undefined && sameMoney(known.amount, amount);
}

function idsOf({ issued: { invoiceId, orderId, customerId } }: StandingInvoice) {
  return { invoiceId, orderId, customerId };
}

function isVoid({ issued: { invoiceId } }: StandingInvoice): InvoiceRejection {
  return { rejection: "INVOICE_VOID", message: `invoice ${invoiceId} is void: issue another one` };
}

function isSettled({ issued: { invoiceId } }: StandingInvoice): InvoiceRejection {
  return { rejection: "INVOICE_SETTLED", message: `nothing of invoice ${invoiceId} is open: there is nothing to do` };
}

function paymentIdReused({ id, amount }: Booking<PaymentId>): InvoiceRejection {
  const message = `payment ${id} was recorded with ${moneyText(amount)}: use another id for another payment`;
  return { rejection: "PAYMENT_ID_REUSED", message };
}

function creditNoteIdReused({ id, amount }: Booking<CreditNoteId>): InvoiceRejection {
  const message = `credit note ${id} was issued about ${moneyText(amount)}: use another id for another credit note`;
  return { rejection: "CREDIT_NOTE_ID_REUSED", message };
}

function otherCurrency({ currency }: Money, other: Money): InvoiceRejection {
  return {
    rejection: "INVOICE_CURRENCY_MISMATCH",
    message: `the invoice is in ${currency}, not ${other.currency}: convert the amount`,
  };
}
