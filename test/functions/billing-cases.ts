/** What billing is asked in the tests of its routes. */
import { type ContextCases, reason, type Request } from "./context-cases.ts";

const usd = (amount: number) => ({ amount, currency: "USD" });
const eur = (amount: number) => ({ amount, currency: "EUR" });
const ids = { invoiceId: "@id", orderId: "10248", customerId: "VINET" };
const issuedAt = "1996-07-16T00:00:00.000Z";
const receivedAt = "1996-07-20T00:00:00.000Z";
const body = { ...ids, goods: usd(40_000), freight: usd(2_000), issuedAt };

const issue: Request = ["POST /invoices", body];
const pay = (amount: object, paymentId = "p1"): Request => [
  "POST /invoices/{invoiceId}/record-payment",
  { paymentId, amount, receivedAt },
];
const overdue: Request = ["POST /invoices/{invoiceId}/mark-overdue"];
const voided: Request = ["POST /invoices/{invoiceId}/void", reason];
const credit = (part: object = {}): Request => [
  "POST /invoices/{invoiceId}/issue-credit-note",
  { creditNoteId: "c1", ...reason, ...part },
];

export const billingCases: ContextCases = {
  context: "billing",
  category: "invoice",
  collection: "/invoices",
  idName: "invoiceId",
  notFound: "INVOICE_NOT_FOUND",
  mayBeEmpty: ["POST /invoices/{invoiceId}/mark-overdue"],
  accepted: [
    {
      given: [],
      request: issue,
      stored: { type: "InvoiceIssued", data: { ...body, total: usd(42_000), dueAt: "1996-08-15T00:00:00.000Z" } },
      wrong: [
        [{ ...body, freight: usd(-1), issuedAt: "9999-01-01T00:00:00Z" }, "/freight/amount", "/issuedAt"],
        [{ ...body, orderId: undefined }, "/orderId"],
      ],
    },
    {
      given: [issue],
      request: pay(usd(2_000)),
      stored: {
        type: "PaymentRecorded",
        data: { ...ids, paymentId: "p1", amount: usd(2_000), receivedAt, open: usd(40_000) },
      },
      told: { paymentId: "p1" },
      wrong: [
        [{ amount: usd(0), receivedAt: "today" }, "/amount/amount", "/receivedAt"],
        [{}, "/amount"],
      ],
    },
    {
      given: [issue, pay(usd(2_000))],
      request: overdue,
      stored: { type: "InvoiceOverdue", data: { ...ids, open: usd(40_000) } },
    },
    {
      given: [issue],
      request: voided,
      stored: { type: "InvoiceVoided", data: { ...ids, total: usd(42_000), ...reason } },
      wrong: [[{}, "/reason"]],
    },
    {
      given: [issue, pay(usd(2_000))],
      request: credit(),
      stored: {
        type: "CreditNoteIssued",
        data: {
          ...ids,
          creditNoteId: "c1",
          amount: usd(42_000),
          refund: usd(2_000),
          open: usd(0),
          ...reason,
        },
      },
      told: { creditNoteId: "c1" },
      wrong: [[{ amount: usd(0) }, "/amount/amount", "/reason"]],
    },
    {
      given: [issue],
      request: credit({ amount: usd(1_000) }),
      stored: {
        type: "CreditNoteIssued",
        data: { ...ids, creditNoteId: "c1", amount: usd(1_000), refund: usd(0), open: usd(41_000), ...reason },
      },
      told: { creditNoteId: "c1" },
    },
  ],
  repeated: [
    { given: [issue, pay(usd(2_000))], request: issue },
    { given: [issue, pay(usd(2_000))], request: pay(usd(2_000)), told: { paymentId: "p1" } },
    { given: [issue, overdue], request: overdue },
    { given: [issue, voided], request: voided },
    // There is no note of this id.
    { given: [issue, credit()], request: credit({ creditNoteId: "c2" }) },
  ],
  refused: [
    {
      given: [issue],
      request: ["POST /invoices", { ...body, goods: usd(1) }],
      refusal: [409, "INVOICE_ALREADY_ISSUED"],
    },
    {
      given: [],
      request: ["POST /invoices", { ...body, freight: eur(1) }],
      refusal: [422, "INVOICE_CURRENCY_MISMATCH"],
    },
    { given: [issue], request: pay(eur(1)), refusal: [422, "INVOICE_CURRENCY_MISMATCH"] },
    { given: [issue, voided], request: pay(usd(1)), refusal: [409, "INVOICE_VOID"] },
    { given: [issue, voided], request: overdue, refusal: [409, "INVOICE_VOID"] },
    { given: [issue, voided], request: credit(), refusal: [409, "INVOICE_VOID"] },
    { given: [issue, pay(usd(42_000))], request: overdue, refusal: [409, "INVOICE_SETTLED"] },
    { given: [issue, pay(usd(42_000))], request: voided, refusal: [409, "INVOICE_SETTLED"] },
    { given: [issue], request: pay(usd(42_001)), refusal: [409, "OVERPAYMENT"] },
    { given: [issue, pay(usd(1))], request: pay(usd(2)), refusal: [409, "PAYMENT_ID_REUSED"] },
    {
      given: [issue, credit({ amount: usd(1) })],
      request: credit({ amount: usd(2) }),
      refusal: [409, "CREDIT_NOTE_ID_REUSED"],
    },
    { given: [issue, pay(usd(1))], request: voided, refusal: [409, "INVOICE_HAS_PAYMENTS"] },
    { given: [issue], request: credit({ amount: usd(42_001) }), refusal: [409, "CREDIT_EXCEEDS_INVOICE"] },
  ],
};
