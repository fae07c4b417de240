/** What holds of every invoice: no minor unit is made or lost, whatever is asked in whichever order. */
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { expect, it } from "vitest";
import {
  type InvoiceCommand,
  issueCreditNoteSchema,
  issueInvoiceSchema,
  recordPaymentSchema,
  voidInvoiceSchema,
} from "../../../domain/billing/commands.ts";
import { billingEventTypes, type InvoiceEvent } from "../../../domain/billing/events.ts";
import { type Invoice, invoiceDecider, invoiceSnapshot } from "../../../domain/billing/invoice.ts";
import { exploreDecider } from "../../../engine/testing/explore-decider.ts";
import { amounts, instants, orderIds, type PlainMoney, reasons, throughJson, usd } from "./arbitraries.ts";

const issue = issueInvoiceSchema.required({ invoiceId: true, issuedAt: true });
const payment = recordPaymentSchema.required({ paymentId: true, receivedAt: true });
const creditNote = issueCreditNoteSchema.required({ creditNoteId: true });

const paying = (paymentId: string, amount: PlainMoney): InvoiceCommand => ({
  type: "RecordPayment",
  ...payment.parse({ paymentId, amount, receivedAt: "1996-08-01T00:00:00.000Z" }),
});

const crediting = (creditNoteId: string, amount: PlainMoney | undefined, reason: string): InvoiceCommand => ({
  type: "IssueCreditNote",
  ...creditNote.parse({ creditNoteId, reason, ...(amount === undefined ? {} : { amount }) }),
});

const paymentIds = fc.constantFrom("p1", "p2", "p3");
const creditNoteIds = fc.constantFrom("c1", "c2", "c3");
const around = fc.constantFrom(-1, 0, 1);

/** Just what is open, and one minor unit less or more. */
const payingWhatIsOpen = fc
  .tuple(paymentIds, around)
  .map(([id, more]) => (invoice: Invoice): InvoiceCommand | undefined => {
    const amount = invoice.status === "unknown" ? 0 : invoice.open.amount + more;
    return amount < 1 ? undefined : paying(id, usd(amount));
  });

/** Just what is not credited yet, and one minor unit less or more. */
const creditingWhatIsLeft = fc
  .tuple(creditNoteIds, around)
  .map(([id, more]) => (invoice: Invoice): InvoiceCommand | undefined => {
    const amount = invoice.status === "unknown" ? 0 : invoice.total.amount - invoice.credited.amount + more;
    return amount < 1 ? undefined : crediting(id, usd(amount), "all of it");
  });

const issuing = fc
  .record({
    orderId: orderIds,
    goods: amounts(0, 9_000_000_000_000_000),
    freight: amounts(0, 1_000_000_000),
    issuedAt: instants,
  })
  .map((body): InvoiceCommand => ({
    type: "IssueInvoice",
    ...issue.parse({ invoiceId: "i1", customerId: "VINET", ...body }),
  }));

const commands = fc.oneof(
  { weight: 2, arbitrary: issuing },
  { weight: 2, arbitrary: fc.tuple(paymentIds, amounts(1, Number.MAX_SAFE_INTEGER)).map((of) => paying(...of)) },
  { weight: 1, arbitrary: payingWhatIsOpen },
  {
    weight: 2,
    arbitrary: fc
      .tuple(creditNoteIds, fc.option(amounts(1, Number.MAX_SAFE_INTEGER), { nil: undefined }), reasons)
      .map((of) => crediting(...of)),
  },
  { weight: 1, arbitrary: creditingWhatIsLeft },
  { weight: 1, arbitrary: fc.constant<InvoiceCommand>({ type: "MarkInvoiceOverdue" }) },
  {
    weight: 1,
    arbitrary: reasons.map((reason): InvoiceCommand => ({
      type: "VoidInvoice",
      ...voidInvoiceSchema.parse({ reason }),
    })),
  },
);

/** What the events alone come to: sums of their own, which the decider has no part in. */
function booksOf(history: readonly InvoiceEvent[]) {
  const books = { claimed: 0n, payments: 0n, refunds: 0n, credited: 0n, open: 0n };
  for (const { type, data } of history) {
    if (type === "InvoiceIssued") books.claimed = books.open = BigInt(data.total.amount);
    if (type === "PaymentRecorded") books.payments += BigInt(data.amount.amount);
    if (type === "CreditNoteIssued") {
      books.credited += BigInt(data.amount.amount);
      books.refunds += BigInt(data.refund.amount);
    }
    // What the events themselves say is open.
    if (type === "PaymentRecorded" || type === "CreditNoteIssued") books.open = BigInt(data.open.amount);
    if (type === "InvoiceVoided") books.claimed = books.open = 0n;
  }
  return books;
}

const isDistinct = (values: readonly string[]): boolean => new Set(values).size === values.length;

it("what an invoice claims is what is paid, what is open and what is credited; what is paid is the payments less the refunds", () => {
  const { decided, refused, unchanged } = exploreDecider({
    decider: invoiceDecider,
    eventTypes: billingEventTypes,
    commands,
    runs: 1_000,
    invariants: {
      "its events conserve money": (_, history) => {
        const { claimed, payments, refunds, credited, open } = booksOf(history);
        return claimed === payments - refunds + open + credited;
      },
      "its state is what its events come to": (invoice, history) => {
        if (invoice.status === "unknown") return history.length === 0;
        const { claimed, payments, refunds, credited, open } = booksOf(history);
        return (
          BigInt(invoice.total.amount) === claimed &&
          BigInt(invoice.paid.amount) === payments - refunds &&
          BigInt(invoice.open.amount) === open &&
          BigInt(invoice.credited.amount) === credited
        );
      },
      "nothing of it is below nothing, and no more is credited than claimed or given back than paid": (_, history) => {
        const { claimed, payments, refunds, credited, open } = booksOf(history);
        return open >= 0n && refunds >= 0n && refunds <= payments && credited <= claimed;
      },
      "money is given back only once nothing is open": (_, history) =>
        history.every(
          ({ type, data }) => type !== "CreditNoteIssued" || data.refund.amount === 0 || data.open.amount === 0,
        ),
      "it is settled when nothing is open": (invoice) =>
        invoice.status === "unknown" ||
        invoice.status === "void" ||
        (invoice.status === "settled") === (invoice.open.amount === 0),
      "a void one was neither paid nor credited, and stays void": (_, history) => {
        const voided = history.findIndex(({ type }) => type === "InvoiceVoided");
        const { payments, credited } = booksOf(history);
        return voided === -1 || (voided === history.length - 1 && payments === 0n && credited === 0n);
      },
      "a payment counts once, and so does a credit note": (_, history) =>
        isDistinct(history.flatMap(({ type, data }) => (type === "PaymentRecorded" ? [data.paymentId] : []))) &&
        isDistinct(history.flatMap(({ type, data }) => (type === "CreditNoteIssued" ? [data.creditNoteId] : []))),
      "it becomes overdue at most once": (_, history) =>
        history.filter(({ type }) => type === "InvoiceOverdue").length <= 1,
      "it is due 30 days after it was issued": (_, history) =>
        history.every(
          ({ type, data }) =>
            type !== "InvoiceIssued" ||
            Date.parse(data.dueAt) - Date.parse(data.issuedAt) === 30 * 24 * 60 * 60 * 1_000,
        ),
      "its snapshot is the invoice": (invoice) =>
        isDeepStrictEqual(invoiceSnapshot.read(throughJson(invoiceSnapshot.write(invoice))), invoice),
    },
  });
  expect(Object.keys(decided).toSorted()).toStrictEqual(Object.keys(billingEventTypes).toSorted());
  expect(Object.keys(refused).toSorted()).toStrictEqual([
    "CREDIT_EXCEEDS_INVOICE",
    "CREDIT_NOTE_ID_REUSED",
    "INVOICE_ALREADY_ISSUED",
    "INVOICE_CURRENCY_MISMATCH",
    "INVOICE_HAS_PAYMENTS",
    "INVOICE_NOT_FOUND",
    "INVOICE_SETTLED",
    "INVOICE_VOID",
    "OVERPAYMENT",
    "PAYMENT_ID_REUSED",
  ]);
  expect(unchanged).toBeGreaterThan(0);
});
