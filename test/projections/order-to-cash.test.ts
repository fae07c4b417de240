/** What the history of a process makes of its row in order-to-cash. */
import { describe, expect, it } from "vitest";
import { EventNotUnderstoodError } from "../../engine/event-store/errors.ts";
import type { RowAttributes } from "../../engine/views/projection.ts";
import { orderToCash } from "../../projections/order-to-cash.ts";
import {
  accepted,
  factsOf,
  noon,
  noted,
  passed,
  processHistory,
  refused,
  retried,
  type Telling,
  usd,
} from "./process-histories.ts";
import { rowAfter } from "./row-of-events.ts";

const orderId = "10248";
const facts = factsOf(orderId);

const rowOf = (...tellings: readonly Telling[]): RowAttributes =>
  rowAfter(orderToCash, orderId, processHistory(tellings).events).row;

const pending = (step: string) => ({ work: "pending", workSince: noon, step });
const running = (deadline: string, clockAt: string) => ({ clock: "running", clockAt, deadline });
const toDispatch = running("dispatch", "2026-03-15T12:00:00.000Z");
const toPay = running("payment", "2026-03-31T12:00:00.000Z");

const received = { orderId, customerId: "VINET", total: usd(9_000), progress: "received" };
const underWay = { carrier: "Speedy Express", freight: usd(1_000), dispatchedAt: "1996-07-16T00:00:00.000Z" };

/** Credit reserved, order confirmed, shipment scheduled and known to be. */
const scheduled = [noted(facts.received), accepted, accepted, accepted, noted(facts.planned)];
/** Goods with the carrier, invoice issued and known to be. */
const invoiced = [...scheduled, noted(facts.dispatched), accepted, noted(facts.invoiced)];

describe("order-to-cash", () => {
  it("reads processes, one row each, listed by their work and by their clock", () => {
    const { name, version, category, rows, indexes } = orderToCash;
    expect({ name, version, category, rows, indexes }).toStrictEqual({
      name: "order-to-cash",
      version: 1,
      category: "orderToCash",
      rows: "one-per-stream",
      indexes: [
        { name: "by-work", partition: "work", sort: "workSince" },
        { name: "by-clock", partition: "clock", sort: "clockAt" },
      ],
    });
  });

  it("follows an order from its placement to the end, step by step", () => {
    const way: readonly (readonly [Telling, RowAttributes])[] = [
      [noted(facts.received), { ...received, ...pending("reserve-credit") }],
      [accepted, { ...received, progress: "reserve-credit", ...pending("confirm-order") }],
      [accepted, { ...received, progress: "confirm-order", ...pending("schedule-shipment") }],
      [accepted, { ...received, progress: "schedule-shipment" }],
      [noted(facts.planned), { ...received, progress: "schedule-shipment", ...toDispatch }],
      [
        noted(facts.dispatched),
        { ...received, progress: "schedule-shipment", ...underWay, ...pending("issue-invoice") },
      ],
      [accepted, { ...received, progress: "issue-invoice", ...underWay }],
      [noted(facts.invoiced), { ...received, progress: "issue-invoice", ...underWay, invoiced: usd(10_000), ...toPay }],
    ];
    const open = { ...received, progress: "issue-invoice", ...underWay, invoiced: usd(10_000) };
    const delivered = { ...open, deliveredAt: "1996-07-19T00:00:00.000Z" };
    const end: typeof way = [
      [noted(facts.paid(4_000, 6_000)), { ...open, paid: 4_000, ...toPay }],
      [noted(facts.delivered), { ...delivered, paid: 4_000, ...toPay }],
      [noted(facts.paid(6_000, 0)), { ...delivered, paid: 10_000, ...pending("complete-order") }],
      [accepted, { ...delivered, paid: 10_000, progress: "complete-order", ...pending("release-credit") }],
      [accepted, { ...delivered, paid: 10_000, progress: "release-credit", ended: "completed" }],
    ];
    const tellings: Telling[] = [];
    for (const [telling, row] of [...way, ...end]) {
      tellings.push(telling);
      const { events } = processHistory(tellings);
      expect(rowAfter(orderToCash, orderId, events)).toStrictEqual({ key: "10248/process", row });
    }
  });

  it("says which refusal halts a process and since when, and nothing of it after a retry", () => {
    const halt = refused("SHIPMENT_ALREADY_SCHEDULED", "use another id", "2026-03-01T13:00:00.000Z");
    const tellings = [noted(facts.received), accepted, accepted, halt];
    expect(rowOf(...tellings)).toStrictEqual({
      ...received,
      progress: "confirm-order",
      work: "halted",
      workSince: "2026-03-01T13:00:00.000Z",
      step: "schedule-shipment",
      code: "SHIPMENT_ALREADY_SCHEDULED",
      reason: "use another id",
    });
    const goingOn = { ...received, progress: "confirm-order", ...pending("schedule-shipment") };
    expect(rowOf(...tellings, retried)).toStrictEqual(goingOn);
    expect(rowOf(...tellings, retried, accepted)).toStrictEqual({ ...received, progress: "schedule-shipment" });
  });

  it("waits for nobody after a refusal that the process has an answer to", () => {
    const noCredit = refused("CREDIT_LIMIT_EXCEEDED", "3 USD are free");
    expect(rowOf(noted(facts.received), noCredit)).toStrictEqual({ ...received, ...pending("reject-order") });
    const isCancelled = refused("ORDER_CANCELLED", "too late");
    expect(rowOf(noted(facts.received), noCredit, isCancelled, accepted)).toStrictEqual({
      ...received,
      progress: "release-credit",
      ended: "cancelled",
    });
  });

  it("shows a deadline as passed until what it waited for is there", () => {
    const late = [...scheduled, passed("dispatch")];
    const row = { ...received, progress: "schedule-shipment" };
    expect(rowOf(...late)).toStrictEqual({ ...row, ...toDispatch, clock: "passed" });
    expect(rowOf(...late, noted(facts.dispatched))).toStrictEqual({ ...row, ...underWay, ...pending("issue-invoice") });
  });

  it("shows an overdue payment as passed, with the request that follows from it", () => {
    expect(rowOf(...invoiced, passed("payment"))).toStrictEqual({
      ...received,
      progress: "issue-invoice",
      ...underWay,
      invoiced: usd(10_000),
      ...toPay,
      clock: "passed",
      ...pending("mark-overdue"),
      workSince: "2027-01-01T00:00:00.000Z",
    });
  });

  it.each([
    ["lost", facts.lost, "lost: fell into the sea"],
    ["called off", facts.calledOff, "called off: out of stock"],
  ])("says why goods that were %s do not arrive, and has no clock any more", (_how, fact, failure) => {
    const row = { ...received, progress: "issue-invoice", ...underWay, invoiced: usd(10_000), failure };
    expect(rowOf(...invoiced, noted(fact))).toStrictEqual({ ...row, ...pending("cancel-order") });
    const undone = [...invoiced, noted(fact), accepted, accepted, noted(facts.credited(10_000, 0, 0)), accepted];
    expect(rowOf(...undone)).toStrictEqual({
      ...row,
      progress: "release-credit",
      credited: 10_000,
      paid: 0,
      ended: "cancelled",
    });
  });

  it("takes a refund out of what is paid", () => {
    const row = rowOf(...invoiced, noted(facts.paid(4_000, 6_000)), noted(facts.credited(7_000, 1_000, 0)));
    expect(row).toMatchObject({ paid: 3_000, credited: 7_000 });
    expect(row).not.toHaveProperty("clock");
  });

  it("says that the invoice was withdrawn", () => {
    expect(rowOf(...invoiced, noted(facts.invoiceWithdrawn))).toStrictEqual({
      ...received,
      progress: "issue-invoice",
      ...underWay,
      invoiced: usd(10_000),
      invoiceWithdrawn: true,
    });
  });

  it("has a row of what is heard before the order, without any progress", () => {
    expect(rowOf(noted(facts.planned), noted(facts.withdrawn))).toStrictEqual({ orderId });
    expect(rowOf(noted(facts.dispatched))).toStrictEqual({ orderId, ...underWay });
  });

  it("refuses an event that is not what its type says", () => {
    for (const type of Object.keys(orderToCash.eventTypes)) {
      expect(() => rowAfter(orderToCash, orderId, [{ type, data: {} }])).toThrow(EventNotUnderstoodError);
    }
  });
});
