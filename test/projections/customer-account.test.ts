/** What the events of three contexts add up to in a customer's account, and what of it the customer's own stream says. */
import { expect, it } from "vitest";
import { attributesOf, changeRow, type PlainRow } from "../../engine/consistency/plain-row.ts";
import { customerAccount, sumsByCurrency } from "../../projections/customer-account.ts";
import {
  cancelled,
  cancelledAfterConfirmation,
  changesFor,
  completed,
  confirmed,
  type OrderEventForTest,
  placed,
  rejected,
} from "./order-events.ts";

const customerId = "VINET";
const money = (amount: number, currency = "USD") => ({ amount, currency });

const event = (type: string, data: object): OrderEventForTest => ({ type, data: { customerId, ...data } });
const registered = event("CustomerRegistered", { name: "Vins", creditLimit: money(500) });
const order = { orderId: "10248", amount: 120 };
const invoice = { invoiceId: "10248", orderId: "10248" };
const date = "1996-07-16T00:00:00.000Z";
const issued = (total: number, currency = "USD") => {
  const amounts = { goods: money(total, currency), freight: money(0, currency), total: money(total, currency) };
  return event("InvoiceIssued", { ...invoice, ...amounts, issuedAt: date, dueAt: date });
};
const paid = (amount: number, open: number) =>
  event("PaymentRecorded", { ...invoice, paymentId: "p", amount: money(amount), receivedAt: date, open: money(open) });
const credited = (amount: number, refund: number, open: number) => {
  const amounts = { amount: money(amount), refund: money(refund), open: money(open) };
  return event("CreditNoteIssued", { ...invoice, creditNoteId: "c", ...amounts, reason: "returned" });
};
const voided = (total: number) => event("InvoiceVoided", { ...invoice, total: money(total), reason: "wrong address" });

/** The one row that the events change; all of them lie in it. */
function rowAfter(...events: readonly OrderEventForTest[]) {
  const row: PlainRow = new Map();
  for (const { key, change } of events.flatMap((given) => changesFor(customerAccount, given))) {
    expect(key).toStrictEqual({ partition: customerId, sort: "account" });
    changeRow(row, change);
  }
  return attributesOf(row);
}

it("reads three contexts, and the customer's own says who it is", () => {
  const { name, version, categories, owned, rows } = customerAccount;
  expect({ name, version, categories, owned, rows }).toStrictEqual({
    name: "customer-account",
    version: 1,
    categories: ["customer", "order", "invoice"],
    owned: ["customerId", "name", "creditLimit", "reserved", "status"],
    rows: "shared",
  });
});

it("shows the customer as the last of their events left them", () => {
  const begun = { customerId, name: "Vins", creditLimit: money(500), reserved: money(0), status: "active" };
  expect(rowAfter(registered)).toStrictEqual(begun);
  const credit = { orderId: "10248", amount: money(120) };
  const changes = [
    event("CustomerDetailsChanged", { name: "Vins et alcools", contact: "Paul Henriot" }),
    event("CreditLimitSet", { creditLimit: money(400), previousLimit: money(500) }),
    event("CreditReserved", { ...credit, reserved: money(120) }),
    event("CustomerSuspended", { reason: "unpaid" }),
  ];
  const changed = { ...begun, name: "Vins et alcools", creditLimit: money(400), reserved: money(120) };
  expect(rowAfter(registered, ...changes)).toStrictEqual({ ...changed, status: "suspended" });
  const reinstated = event("CustomerReinstated", {});
  const released = event("CreditReleased", { ...credit, reserved: money(0) });
  expect(rowAfter(registered, ...changes, reinstated, released)).toStrictEqual({ ...changed, reserved: money(0) });
});

it.each([
  ["placed", [], 1, 120],
  ["confirmed", [confirmed(order)], 1, 120],
  ["rejected", [rejected(order)], 0, 0],
  ["cancelled", [cancelled(order)], 0, 0],
  ["cancelled after it was confirmed", [confirmed(order), cancelledAfterConfirmation(order)], 0, 0],
  ["completed", [confirmed(order), completed(order)], 0, 0],
])("an order that is %s: what is open of it", (_, fate, openOrders, total) => {
  expect(rowAfter(placed(order), ...fate)).toStrictEqual({
    "openOrders:USD": openOrders,
    "openOrdersTotal:USD": total,
  });
});

it.each([
  ["issued", [], 100],
  ["partly paid", [paid(30, 70)], 70],
  ["paid", [paid(30, 70), paid(70, 0)], 0],
  ["partly credited", [credited(40, 0, 60)], 60],
  ["credited after it was paid, which is a refund", [paid(100, 0), credited(100, 100, 0)], 0],
  ["credited with more than is open", [paid(80, 20), credited(50, 30, 0)], 0],
  ["void", [voided(100)], 0],
])("an invoice that is %s: what is to be received for it", (_, fate, receivables) => {
  expect(rowAfter(issued(100), ...fate)).toStrictEqual({ "receivables:USD": receivables });
});

it("is not changed by an invoice that becomes overdue: what is overdue is not in it", () => {
  expect(changesFor(customerAccount, event("InvoiceOverdue", { ...invoice, open: money(100) }))).toStrictEqual([]);
});

it("keeps each currency by itself, whichever the credit limit is in", () => {
  const row = rowAfter(placed(order), registered, placed({ ...order, amount: 7, currency: "EUR" }), issued(9, "CHF"));
  expect(sumsByCurrency(row)).toStrictEqual([
    { currency: "CHF", openOrders: 0, openOrdersTotal: 0, receivables: 9 },
    { currency: "EUR", openOrders: 1, openOrdersTotal: 7, receivables: 0 },
    { currency: "USD", openOrders: 1, openOrdersTotal: 120, receivables: 0 },
  ]);
});
