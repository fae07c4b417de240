/** What each command does to an invoice: claims, payments to the last minor unit, credit notes and their refunds. */
import { describe, expect, it } from "vitest";
import {
  type InvoiceCommand,
  issueCreditNoteSchema,
  issueInvoiceSchema,
  recordPaymentSchema,
  voidInvoiceSchema,
} from "../../../domain/billing/commands.ts";
import { billingEventTypes, type InvoiceEvent } from "../../../domain/billing/events.ts";
import { creditNoteIdSchema, invoiceIdSchema, paymentIdSchema } from "../../../domain/billing/ids.ts";
import { invoiceDecider, type InvoiceRejection } from "../../../domain/billing/invoice.ts";
import { isRejection } from "../../../domain/kernel/decider.ts";
import { customerIdSchema, orderIdSchema } from "../../../domain/kernel/schemas.ts";
import { given } from "../../../engine/testing/given-when-then.ts";

const ids = {
  invoiceId: invoiceIdSchema.parse("I-1"),
  orderId: orderIdSchema.parse("10248"),
  customerId: customerIdSchema.parse("VINET"),
};
const usd = (amount: number) => ({ amount, currency: "USD" });
const eur = (amount: number) => ({ amount, currency: "EUR" });
const issuedAt = "1996-07-04T00:00:00.000Z";
const receivedAt = "1996-07-20T00:00:00.000Z";
const nothing: readonly InvoiceEvent[] = [];

const issueWith = (content: object): InvoiceCommand => {
  const body = { orderId: "10248", customerId: "VINET", goods: usd(900), freight: usd(100), issuedAt, ...content };
  const { issuedAt: at = "", ...rest } = issueInvoiceSchema.parse(body);
  return { type: "IssueInvoice", ...rest, invoiceId: ids.invoiceId, issuedAt: at };
};
const issue = issueWith({});
const pay = (id: string, amount: unknown): InvoiceCommand => ({
  type: "RecordPayment",
  ...recordPaymentSchema.parse({ amount }),
  paymentId: paymentIdSchema.parse(id),
  receivedAt,
});
const markOverdue: InvoiceCommand = { type: "MarkInvoiceOverdue" };
const voidIt: InvoiceCommand = { type: "VoidInvoice", ...voidInvoiceSchema.parse({ reason: "wrong address" }) };
const credit = (id: string, amount?: unknown): InvoiceCommand => ({
  type: "IssueCreditNote",
  ...issueCreditNoteSchema.parse({ reason: "damaged", ...(amount === undefined ? {} : { amount }) }),
  creditNoteId: creditNoteIdSchema.parse(id),
});

const issued: InvoiceEvent = {
  type: "InvoiceIssued",
  data: {
    ...ids,
    goods: usd(900),
    freight: usd(100),
    total: usd(1_000),
    issuedAt,
    dueAt: "1996-08-03T00:00:00.000Z",
  },
};
const issuedForFree: InvoiceEvent = {
  type: "InvoiceIssued",
  data: { ...issued.data, goods: usd(0), freight: usd(0), total: usd(0) },
};
const paid = (id: string, amount: number, open: number): InvoiceEvent => ({
  type: "PaymentRecorded",
  data: { ...ids, paymentId: paymentIdSchema.parse(id), amount: usd(amount), receivedAt, open: usd(open) },
});
const overdue = (open: number): InvoiceEvent => ({ type: "InvoiceOverdue", data: { ...ids, open: usd(open) } });
const voided: InvoiceEvent = { type: "InvoiceVoided", data: { ...ids, total: usd(1_000), reason: "wrong address" } };
const credited = (id: string, amount: number, refund: number, open: number): InvoiceEvent => ({
  type: "CreditNoteIssued",
  data: {
    ...ids,
    creditNoteId: creditNoteIdSchema.parse(id),
    amount: usd(amount),
    refund: usd(refund),
    open: usd(open),
    reason: "damaged",
  },
});

const isVoid: InvoiceRejection = { rejection: "INVOICE_VOID", message: "invoice I-1 is void: issue another one" };
const isSettled: InvoiceRejection = {
  rejection: "INVOICE_SETTLED",
  message: "nothing of invoice I-1 is open: there is nothing to do",
};
const inUsd: InvoiceRejection = {
  rejection: "INVOICE_CURRENCY_MISMATCH",
  message: "the invoice is in USD, not EUR: convert the amount",
};
const hasPayments: InvoiceRejection = {
  rejection: "INVOICE_HAS_PAYMENTS",
  message: "invoice I-1 is partly paid or credited: issue a credit note instead",
};
const overpayment = (open: number, amount: number): InvoiceRejection => ({
  rejection: "OVERPAYMENT",
  message: `${open} minor units of USD are open, not ${amount} minor units of USD: record no more than that`,
});
const creditExceeds = (left: number, amount: number): InvoiceRejection => ({
  rejection: "CREDIT_EXCEEDS_INVOICE",
  message: `${left} minor units of USD are not credited yet, less than ${amount} minor units of USD: credit no more`,
});

describe("issuing an invoice", () => {
  it("claims goods and freight, due in 30 days", () => {
    given(invoiceDecider, []).when(issue).then([issued]);
  });

  it("claims the largest order with the dearest freight exactly", () => {
    given(invoiceDecider, [])
      .when(issueWith({ goods: usd(9e15), freight: usd(1e9) }))
      .then([
        {
          type: "InvoiceIssued",
          data: { ...issued.data, goods: usd(9e15), freight: usd(1e9), total: usd(9_000_001_000_000_000) },
        },
      ]);
  });

  it("of an order for free claims nothing, and is settled at once", () => {
    given(invoiceDecider, [])
      .when(issueWith({ goods: usd(0), freight: usd(0) }))
      .then([issuedForFree]);
    given(invoiceDecider, [issuedForFree]).when(markOverdue).then(isSettled);
  });

  it("is refused in two currencies", () => {
    given(invoiceDecider, [])
      .when(issueWith({ freight: eur(100) }))
      .then(inUsd);
  });

  it.each([
    ["open", [issued]],
    ["paid", [issued, paid("P-1", 1_000, 0)]],
    ["overdue", [issued, overdue(1_000)]],
    ["void", [issued, voided]],
  ])("again with the same content changes nothing, while it is %s", (_status, history) => {
    given(invoiceDecider, history).when(issue).then(nothing);
  });

  it.each([
    { orderId: "10249" },
    { customerId: "TOMSP" },
    { goods: usd(901) },
    { goods: usd(100), freight: usd(900) },
    { freight: eur(100) },
    { issuedAt: "1996-07-04T00:00:00.001Z" },
  ])("again with other content is refused: %j", (content) => {
    given(invoiceDecider, [issued]).when(issueWith(content)).then({
      rejection: "INVOICE_ALREADY_ISSUED",
      message: "invoice I-1 was issued with other content: use another id",
    });
  });

  it("has a due date whenever it is issued", () => {
    const at = (instant: string) => issueInvoiceSchema.shape.issuedAt.safeParse(instant);
    expect(at("9999-01-01T00:00:00Z").success).toBe(false);
    given(invoiceDecider, [])
      .when(issueWith({ issuedAt: "9998-12-31T23:59:59.999Z" }))
      .then([
        {
          type: "InvoiceIssued",
          data: { ...issued.data, issuedAt: "9998-12-31T23:59:59.999Z", dueAt: "9999-01-30T23:59:59.999Z" },
        },
      ]);
  });
});

describe("an invoice that was never issued", () => {
  it.each([pay("P-1", usd(1)), markOverdue, voidIt, credit("C-1"), credit("C-1", usd(1))])(
    "is not found by $type",
    (command) => {
      given(invoiceDecider, []).when(command).then({
        rejection: "INVOICE_NOT_FOUND",
        message: "there is no such invoice: issue it first",
      });
    },
  );
});

describe("recording a payment", () => {
  it("says what is open afterwards, to the last minor unit", () => {
    given(invoiceDecider, [issued])
      .when(pay("P-1", usd(400)))
      .then([paid("P-1", 400, 600)]);
    const most = [issued, paid("P-1", 400, 600), paid("P-2", 599, 1)];
    given(invoiceDecider, most)
      .when(markOverdue)
      .then([overdue(1)]);
    given(invoiceDecider, most)
      .when(pay("P-3", usd(1)))
      .then([paid("P-3", 1, 0)]);
    given(invoiceDecider, [...most, paid("P-3", 1, 0)])
      .when(markOverdue)
      .then(isSettled);
  });

  it("of more than is open is refused, and the refusal says what is open", () => {
    given(invoiceDecider, [issued])
      .when(pay("P-1", usd(1_001)))
      .then(overpayment(1_000, 1_001));
    given(invoiceDecider, [issued, paid("P-1", 400, 600)])
      .when(pay("P-2", usd(601)))
      .then(overpayment(600, 601));
    given(invoiceDecider, [issued, paid("P-1", 1_000, 0)])
      .when(pay("P-2", usd(1)))
      .then(overpayment(0, 1));
    given(invoiceDecider, [issued, credited("C-1", 300, 0, 700)])
      .when(pay("P-1", usd(701)))
      .then(overpayment(700, 701));
  });

  it("again with the same id and amount changes nothing, even when all is paid since", () => {
    given(invoiceDecider, [issued, paid("P-1", 400, 600)])
      .when(pay("P-1", usd(400)))
      .then(nothing);
    given(invoiceDecider, [issued, paid("P-1", 400, 600), paid("P-2", 600, 0)])
      .when(pay("P-1", usd(400)))
      .then(nothing);
  });

  it.each([usd(399), usd(401), eur(400)])(
    "with a known id and another amount is refused: $amount $currency",
    (amount) => {
      given(invoiceDecider, [issued, paid("P-1", 400, 600)])
        .when(pay("P-1", amount))
        .then({
          rejection: "PAYMENT_ID_REUSED",
          message: "payment P-1 was recorded with 400 minor units of USD: use another id for another payment",
        });
    },
  );

  it("in another currency is refused", () => {
    given(invoiceDecider, [issued])
      .when(pay("P-1", eur(1)))
      .then(inUsd);
  });

  it("for a void invoice is refused", () => {
    given(invoiceDecider, [issued, voided])
      .when(pay("P-1", usd(1)))
      .then(isVoid);
  });

  it("settles an overdue invoice, and leaves a rest of it overdue", () => {
    const late = [issued, overdue(1_000)];
    given(invoiceDecider, late)
      .when(pay("P-1", usd(999)))
      .then([paid("P-1", 999, 1)]);
    given(invoiceDecider, [...late, paid("P-1", 999, 1)])
      .when(markOverdue)
      .then(nothing);
    given(invoiceDecider, [...late, paid("P-1", 1_000, 0)])
      .when(markOverdue)
      .then(isSettled);
  });

  it("is about something: nothing and less are no payment", () => {
    const amounts = [usd(0), usd(-1), usd(0.5), usd(1)].map(
      (amount) => recordPaymentSchema.safeParse({ amount }).success,
    );
    expect(amounts).toStrictEqual([false, false, false, true]);
  });
});

describe("marking an invoice overdue", () => {
  it("says what is open, once", () => {
    given(invoiceDecider, [issued])
      .when(markOverdue)
      .then([overdue(1_000)]);
    given(invoiceDecider, [issued, paid("P-1", 400, 600)])
      .when(markOverdue)
      .then([overdue(600)]);
    given(invoiceDecider, [issued, overdue(1_000)])
      .when(markOverdue)
      .then(nothing);
  });

  it("is refused when nothing is open", () => {
    given(invoiceDecider, [issued, paid("P-1", 1_000, 0)])
      .when(markOverdue)
      .then(isSettled);
    given(invoiceDecider, [issued, credited("C-1", 1_000, 0, 0)])
      .when(markOverdue)
      .then(isSettled);
    given(invoiceDecider, [issued, voided]).when(markOverdue).then(isVoid);
  });
});

describe("voiding an invoice", () => {
  it("says what is claimed no more, once", () => {
    given(invoiceDecider, [issued]).when(voidIt).then([voided]);
    given(invoiceDecider, [issued, overdue(1_000)])
      .when(voidIt)
      .then([voided]);
    given(invoiceDecider, [issued, voided]).when(voidIt).then(nothing);
  });

  it("is refused when it is partly paid or credited, by a minor unit", () => {
    given(invoiceDecider, [issued, paid("P-1", 1, 999)])
      .when(voidIt)
      .then(hasPayments);
    given(invoiceDecider, [issued, credited("C-1", 1, 0, 999)])
      .when(voidIt)
      .then(hasPayments);
  });

  it("is refused when nothing is open", () => {
    given(invoiceDecider, [issued, paid("P-1", 1_000, 0)])
      .when(voidIt)
      .then(isSettled);
    given(invoiceDecider, [issued, credited("C-1", 1_000, 0, 0)])
      .when(voidIt)
      .then(isSettled);
    given(invoiceDecider, [issuedForFree]).when(voidIt).then(isSettled);
  });
});

describe("issuing a credit note", () => {
  it("closes what is open", () => {
    given(invoiceDecider, [issued])
      .when(credit("C-1", usd(300)))
      .then([credited("C-1", 300, 0, 700)]);
    given(invoiceDecider, [issued, paid("P-1", 400, 600)])
      .when(credit("C-1", usd(600)))
      .then([credited("C-1", 600, 0, 0)]);
  });

  it("gives back what goes beyond it", () => {
    given(invoiceDecider, [issued, paid("P-1", 400, 600)])
      .when(credit("C-1", usd(601)))
      .then([credited("C-1", 601, 1, 0)]);
    given(invoiceDecider, [issued, paid("P-1", 1_000, 0)])
      .when(credit("C-1", usd(250)))
      .then([credited("C-1", 250, 250, 0)]);
  });

  it("without an amount is about all that is not credited yet", () => {
    given(invoiceDecider, [issued])
      .when(credit("C-1"))
      .then([credited("C-1", 1_000, 0, 0)]);
    given(invoiceDecider, [issued, paid("P-1", 400, 600), credited("C-1", 100, 0, 500)])
      .when(credit("C-2"))
      .then([credited("C-2", 900, 400, 0)]);
  });

  it("without an amount changes nothing when all is credited, under any id", () => {
    const history = [issued, credited("C-1", 100, 0, 900), credited("C-2", 900, 0, 0)];
    for (const id of ["C-1", "C-2", "C-3"]) given(invoiceDecider, history).when(credit(id)).then(nothing);
    given(invoiceDecider, [issuedForFree]).when(credit("C-1")).then(nothing);
  });

  it("of more than is not credited yet is refused", () => {
    given(invoiceDecider, [issued])
      .when(credit("C-1", usd(1_001)))
      .then(creditExceeds(1_000, 1_001));
    const history = [issued, paid("P-1", 1_000, 0), credited("C-1", 250, 250, 0)];
    given(invoiceDecider, history)
      .when(credit("C-2", usd(751)))
      .then(creditExceeds(750, 751));
    given(invoiceDecider, history)
      .when(credit("C-2", usd(750)))
      .then([credited("C-2", 750, 750, 0)]);
    given(invoiceDecider, [issued, credited("C-1", 1_000, 0, 0)])
      .when(credit("C-2", usd(1)))
      .then(creditExceeds(0, 1));
  });

  it("again with the same id and amount changes nothing", () => {
    given(invoiceDecider, [issued, credited("C-1", 300, 0, 700)])
      .when(credit("C-1", usd(300)))
      .then(nothing);
    given(invoiceDecider, [issued, credited("C-1", 1_000, 0, 0)])
      .when(credit("C-1", usd(1_000)))
      .then(nothing);
  });

  it.each([usd(299), eur(300), undefined])("with a known id and about something else is refused: %j", (amount) => {
    given(invoiceDecider, [issued, credited("C-1", 300, 0, 700)])
      .when(credit("C-1", amount))
      .then({
        rejection: "CREDIT_NOTE_ID_REUSED",
        message: "credit note C-1 was issued about 300 minor units of USD: use another id for another credit note",
      });
  });

  it("in another currency is refused", () => {
    given(invoiceDecider, [issued])
      .when(credit("C-1", eur(1)))
      .then(inUsd);
  });

  it("for a void invoice is refused, with an amount or without", () => {
    given(invoiceDecider, [issued, voided])
      .when(credit("C-1", usd(1)))
      .then(isVoid);
    given(invoiceDecider, [issued, voided]).when(credit("C-1")).then(isVoid);
  });

  it("leaves less to pay", () => {
    given(invoiceDecider, [issued, credited("C-1", 300, 0, 700)])
      .when(pay("P-1", usd(700)))
      .then([paid("P-1", 700, 0)]);
  });
});

describe("the invoice decider", () => {
  it("keeps in its state that total = paid + open + credited, and all of it nothing once void", () => {
    const stateAfter = (history: readonly InvoiceEvent[]) =>
      history.reduce((state, event) => invoiceDecider.evolve(state, event), invoiceDecider.initialState);
    const paidAndCredited = [issued, paid("P-1", 400, 600), credited("C-1", 700, 100, 0)];
    expect(stateAfter(paidAndCredited)).toStrictEqual({
      status: "settled",
      issued: issued.data,
      total: usd(1_000),
      paid: usd(300),
      open: usd(0),
      credited: usd(700),
      payments: [{ id: "P-1", amount: usd(400) }],
      creditNotes: [{ id: "C-1", amount: usd(700) }],
    });
    expect(stateAfter([issued, voided])).toStrictEqual({
      status: "void",
      issued: issued.data,
      total: usd(0),
      paid: usd(0),
      open: usd(0),
      credited: usd(0),
      payments: [],
      creditNotes: [],
    });
  });

  it("decides events that their own schemas accept after a trip through JSON", () => {
    for (const { type, data } of [issued, paid("P-1", 1, 999), overdue(1_000), voided, credited("C-1", 1, 0, 999)]) {
      const stored: unknown = JSON.parse(JSON.stringify(data));
      expect(billingEventTypes[type].schema.parse(stored)).toStrictEqual(data);
    }
    expect(isRejection(invoiceDecider.decide(invoiceDecider.initialState, issue))).toBe(false);
  });
});
