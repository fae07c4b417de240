/** An invoice that is read back from its snapshot is the invoice that was written. */
import { describe, expect, it } from "vitest";
import type { InvoiceCommand } from "../../../domain/billing/commands.ts";
import { creditNoteIdSchema, invoiceIdSchema, paymentIdSchema } from "../../../domain/billing/ids.ts";
import { type Invoice, invoiceDecider, invoiceSnapshot } from "../../../domain/billing/invoice.ts";
import { isRejection } from "../../../domain/kernel/decider.ts";
import { customerIdSchema, orderIdSchema } from "../../../domain/kernel/schemas.ts";

const usd = (amount: number) => ({ amount, currency: "USD" });
const at = "1996-07-04T00:00:00.000Z";

const issue: InvoiceCommand = {
  type: "IssueInvoice",
  invoiceId: invoiceIdSchema.parse("I-1"),
  orderId: orderIdSchema.parse("10248"),
  customerId: customerIdSchema.parse("VINET"),
  goods: usd(900),
  freight: usd(100),
  issuedAt: at,
};
const pay = (amount: number): InvoiceCommand => ({
  type: "RecordPayment",
  paymentId: paymentIdSchema.parse(`P-${amount}`),
  amount: usd(amount),
  receivedAt: at,
});
const credit = (amount: number): InvoiceCommand => ({
  type: "IssueCreditNote",
  creditNoteId: creditNoteIdSchema.parse(`C-${amount}`),
  amount: usd(amount),
  reason: "damaged",
});

function after(...commands: readonly InvoiceCommand[]): Invoice {
  let invoice = invoiceDecider.initialState;
  for (const command of commands) {
    const decision = invoiceDecider.decide(invoice, command);
    if (isRejection(decision)) throw new Error(decision.message);
    for (const event of decision) invoice = invoiceDecider.evolve(invoice, event);
  }
  return invoice;
}

const throughJson = (invoice: Invoice): unknown => JSON.parse(JSON.stringify(invoiceSnapshot.write(invoice)));

describe("a snapshot of an invoice", () => {
  it.each([
    ["that was never issued", after()],
    ["that is open", after(issue)],
    ["that is overdue and partly paid", after(issue, pay(400), { type: "MarkInvoiceOverdue" })],
    ["that is paid, and credited with a refund", after(issue, pay(400), pay(600), credit(250))],
    ["that is void", after(issue, { type: "VoidInvoice", reason: "wrong address" })],
  ])("%s is read back as that state", (_name, invoice) => {
    expect(invoiceSnapshot.read(throughJson(invoice))).toStrictEqual(invoice);
  });

  const good = after(issue, pay(400));

  it.each([
    { status: "shipped" },
    { open: usd(601) },
    { paid: usd(399) },
    { credited: { amount: 0, currency: "EUR" } },
    { total: { amount: 1_000.5, currency: "USD" } },
    { payments: [{ id: "", amount: usd(400) }] },
    { payments: undefined },
    { note: "more than there is" },
  ])("that is damaged is refused: %j", (damage) => {
    expect(() => invoiceSnapshot.read({ ...good })).not.toThrow();
    expect(() => invoiceSnapshot.read({ ...good, ...damage })).toThrow();
  });

  it.each([null, {}, [], { status: "unknown", total: usd(1) }])("that is none is refused: %j", (json) => {
    expect(() => invoiceSnapshot.read(json)).toThrow();
  });
});
