/** What the events of an invoice make of its row in invoice-summary. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { InvoiceCommand } from "../../domain/billing/commands.ts";
import { creditNoteIdSchema, invoiceIdSchema, paymentIdSchema } from "../../domain/billing/ids.ts";
import { invoiceDecider } from "../../domain/billing/invoice.ts";
import { customerIdSchema, orderIdSchema } from "../../domain/kernel/schemas.ts";
import { EventNotUnderstoodError } from "../../engine/event-store/errors.ts";
import { invoiceSummary } from "../../projections/invoice-summary.ts";
import { historyOf, rowAfter, type StreamEvent } from "./row-of-events.ts";

const ids = { invoiceId: "10248", orderId: "10248", customerId: "VINET" };
const usd = (amount: number) => ({ amount, currency: "USD" });
const issuedAt = "1996-07-16T00:00:00.000Z";
const dueAt = "1996-08-15T00:00:00.000Z";

const issued = (goods: number, freight: number): StreamEvent => ({
  type: "InvoiceIssued",
  data: { ...ids, goods: usd(goods), freight: usd(freight), total: usd(goods + freight), issuedAt, dueAt },
});
const paid = (paymentId: string, amount: number, open: number): StreamEvent => ({
  type: "PaymentRecorded",
  data: { ...ids, paymentId, amount: usd(amount), receivedAt: issuedAt, open: usd(open) },
});
const overdue = (open: number): StreamEvent => ({ type: "InvoiceOverdue", data: { ...ids, open: usd(open) } });
const credited = (creditNoteId: string, amount: number, refund: number, open: number): StreamEvent => ({
  type: "CreditNoteIssued",
  data: { ...ids, creditNoteId, amount: usd(amount), refund: usd(refund), open: usd(open), reason: "returned" },
});
const voided: StreamEvent = { type: "InvoiceVoided", data: { ...ids, total: usd(100), reason: "wrong address" } };

const rowOf = (...events: readonly StreamEvent[]) => rowAfter(invoiceSummary, ids.invoiceId, events);
const key = "10248/invoice";
const newRow = {
  ...ids,
  goods: usd(90),
  freight: usd(10),
  total: usd(100),
  paid: 0,
  credited: 0,
  open: usd(100),
  status: "open",
  issuedAt,
  dueAt,
  placement: "1996-07-16T00:00:00.000Z#10248",
};

describe("invoice-summary", () => {
  it("reads invoices, one row each, listed by customer", () => {
    const { name, version, category, rows, indexes } = invoiceSummary;
    expect({ name, version, category, rows, indexes }).toStrictEqual({
      name: "invoice-summary",
      version: 1,
      category: "invoice",
      rows: "one-per-stream",
      indexes: [{ name: "by-customer", partition: "customerId", sort: "placement" }],
    });
  });

  it("shows all of an issued invoice as open", () => {
    expect(rowOf(issued(90, 10))).toStrictEqual({ key, row: newRow });
  });

  it("takes an invoice of nothing for settled", () => {
    expect(rowOf(issued(0, 0)).row).toStrictEqual({
      ...newRow,
      goods: usd(0),
      freight: usd(0),
      total: usd(0),
      open: usd(0),
      status: "settled",
    });
  });

  it("adds payments up, until nothing is open", () => {
    const first = paid("p1", 30, 70);
    expect(rowOf(issued(90, 10), first).row).toStrictEqual({ ...newRow, paid: 30, open: usd(70) });
    expect(rowOf(issued(90, 10), first, paid("p2", 70, 0)).row).toStrictEqual({
      ...newRow,
      paid: 100,
      open: usd(0),
      status: "settled",
    });
  });

  it("stays overdue until nothing is open", () => {
    const late = [issued(90, 10), overdue(100), paid("p1", 30, 70)];
    expect(rowOf(...late).row).toStrictEqual({ ...newRow, paid: 30, open: usd(70), status: "overdue" });
    expect(rowOf(...late, paid("p2", 70, 0)).row).toMatchObject({ open: usd(0), status: "settled" });
  });

  it("takes a refund out of what is paid, and only that part of a credit note", () => {
    const history = [issued(90, 10), paid("p1", 60, 40), credited("c1", 50, 10, 0)];
    expect(rowOf(...history).row).toStrictEqual({
      ...newRow,
      paid: 50,
      credited: 50,
      open: usd(0),
      status: "settled",
    });
    expect(rowOf(...history, credited("c2", 50, 50, 0)).row).toStrictEqual({
      ...newRow,
      paid: 0,
      credited: 100,
      open: usd(0),
      status: "settled",
    });
  });

  it("keeps the status of an invoice that is credited in part", () => {
    const note = credited("c1", 20, 0, 80);
    expect(rowOf(issued(90, 10), note).row).toStrictEqual({ ...newRow, credited: 20, open: usd(80) });
    expect(rowOf(issued(90, 10), overdue(100), note).row).toMatchObject({ status: "overdue", open: usd(80) });
  });

  it("claims nothing of a void invoice, and says why it is void", () => {
    expect(rowOf(issued(90, 10), voided).row).toStrictEqual({
      ...newRow,
      total: usd(0),
      open: usd(0),
      status: "void",
      voidReason: "wrong address",
    });
  });

  it("says what the invoice itself says, whatever happened to it, and every sum is told", () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 20 }), (commands) => {
        const { events, state } = historyOf(invoiceDecider, [issue, ...commands]);
        if (state.status === "unknown") throw new Error("issued invoices are known");
        const { row } = rowAfter(invoiceSummary, ids.invoiceId, events);
        expect({
          total: row["total"],
          paid: row["paid"],
          credited: row["credited"],
          open: row["open"],
          status: row["status"],
        }).toStrictEqual({
          total: state.total,
          paid: state.paid.amount,
          credited: state.credited.amount,
          open: state.open,
          status: state.status,
        });
        expect(state.paid.amount + state.credited.amount + state.open.amount).toBe(state.total.amount);
      }),
      { numRuns: 300 },
    );
  });

  it("refuses an event that is not what its type says", () => {
    for (const type of Object.keys(invoiceSummary.eventTypes)) {
      expect(() => rowOf({ type, data: { orderId: "1" } })).toThrow(EventNotUnderstoodError);
    }
  });
});

const issue: InvoiceCommand = {
  type: "IssueInvoice",
  invoiceId: invoiceIdSchema.parse(ids.invoiceId),
  orderId: orderIdSchema.parse(ids.orderId),
  customerId: customerIdSchema.parse(ids.customerId),
  goods: usd(90),
  freight: usd(10),
  issuedAt,
};

const amount = fc.integer({ min: 1, max: 60 }).map(usd);
const paymentId = fc.constantFrom("p1", "p2", "p3", "p4").map((id) => paymentIdSchema.parse(id));
const creditNoteId = fc.constantFrom("c1", "c2", "c3").map((id) => creditNoteIdSchema.parse(id));
const reason = fc.constant("returned");

const command = fc.oneof<fc.Arbitrary<InvoiceCommand>[]>(
  fc.record({ type: fc.constant("RecordPayment" as const), paymentId, amount, receivedAt: fc.constant(issuedAt) }),
  fc.record({ type: fc.constant("MarkInvoiceOverdue" as const) }),
  fc.record({ type: fc.constant("VoidInvoice" as const), reason }),
  fc.record({ type: fc.constant("IssueCreditNote" as const), creditNoteId, amount, reason }),
  fc.record({ type: fc.constant("IssueCreditNote" as const), creditNoteId, reason }),
);
