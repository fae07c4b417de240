/** The deadlines of an order: from when they count, when they pass, and what lifts them. */
import { describe, expect, it } from "vitest";
import { type DeadlineName, deadlineNames, type OrderToCashEvent } from "../../../domain/order-to-cash/events.ts";
import { orderToCashDecider, type ProcessInput } from "../../../domain/order-to-cash/order-to-cash.ts";
import { given } from "../../../engine/testing/given-when-then.ts";
import {
  accepted,
  type FactName,
  facts,
  type Heard,
  heard,
  last,
  refused,
  requests,
  untilInvoiced,
  untilScheduled,
} from "./story.ts";

const orderId = facts.received.data.orderId;
const dueAt = { dispatch: "2026-03-15T11:59:00.000Z", payment: "2026-03-31T11:59:00.000Z" } as const;
const lateBy = "2026-12-24T00:00:00.000Z";

const pass = (name: DeadlineName, at: string = dueAt[name]): ProcessInput => ({
  type: "PassDeadline",
  name,
  dueAt: dueAt[name],
  at,
});

const passed = (name: DeadlineName, at: string = dueAt[name]): OrderToCashEvent => ({
  type: "DeadlinePassed",
  data: { orderId, name, dueAt: dueAt[name], at },
});

const lifted = (name: DeadlineName): OrderToCashEvent => ({ type: "DeadlineLifted", data: { orderId, name } });

/** What the passing of the payment deadline makes the process ask for. */
function markOverdue(at: string): OrderToCashEvent {
  const cause = "payment-deadline";
  const request = requests.markOverdue;
  return { type: "CommandIntended", data: { orderId, key: `${cause}:mark-overdue`, cause, request, at } };
}

const running: Readonly<Record<DeadlineName, readonly Heard[]>> = { dispatch: untilScheduled, payment: untilInvoiced };

function clocksAfter(...story: readonly Heard[]): string[] {
  return heard(...story).flatMap(({ type, data }) =>
    type === "DeadlineSet" || type === "DeadlineLifted" || type === "DeadlinePassed" ? [`${type} ${data.name}`] : [],
  );
}

describe("a deadline", () => {
  it("counts from when the store recorded what starts it, whatever the business date: 14 days to dispatch, 30 to pay", () => {
    const set = heard(...untilInvoiced).filter(({ type }) => type === "DeadlineSet");
    expect(set).toStrictEqual([
      { type: "DeadlineSet", data: { orderId, name: "dispatch", dueAt: dueAt.dispatch } },
      { type: "DeadlineSet", data: { orderId, name: "payment", dueAt: dueAt.payment } },
    ]);
  });

  it.each(deadlineNames)("that is not due does not pass: %s", (name) => {
    const justBefore = new Date(Date.parse(dueAt[name]) - 1).toISOString();
    given(orderToCashDecider, heard(...running[name]))
      .when(pass(name, justBefore))
      .thenNothing();
  });

  it("to dispatch passes at its time: that is to be seen, and nothing more", () => {
    given(orderToCashDecider, heard(...untilScheduled))
      .when(pass("dispatch"))
      .then([passed("dispatch")]);
  });

  it("to pay passes at its time: the invoice is overdue", () => {
    given(orderToCashDecider, heard(...untilInvoiced))
      .when(pass("payment"))
      .then([passed("payment"), markOverdue(dueAt.payment)]);
  });

  it("passes late rather than never", () => {
    given(orderToCashDecider, heard(...untilScheduled))
      .when(pass("dispatch", lateBy))
      .then([passed("dispatch", lateBy)]);
    given(orderToCashDecider, heard(...untilInvoiced))
      .when(pass("payment", lateBy))
      .then([passed("payment", lateBy), markOverdue(lateBy)]);
  });

  it.each(deadlineNames)("passes once: %s", (name) => {
    given(orderToCashDecider, heard(...running[name], pass(name)))
      .when(pass(name, lateBy))
      .thenNothing();
  });

  it.each(deadlineNames)("of another time than the one that runs does not pass: %s", (name) => {
    given(orderToCashDecider, heard(...running[name]))
      .when({ type: "PassDeadline", name, dueAt: "2026-03-14T00:00:00.000Z", at: lateBy })
      .thenNothing();
  });

  it.each(deadlineNames)("that never ran does not pass: %s", (name) => {
    given(orderToCashDecider, heard("received")).when(pass(name, lateBy)).thenNothing();
    given(orderToCashDecider, []).when(pass(name, lateBy)).thenNothing();
  });

  it("that passes while the process waits for an answer is noted, and acted on afterwards", () => {
    const before: readonly Heard[] = [...untilScheduled, "dispatched", "invoiced"];
    given(orderToCashDecider, heard(...before))
      .when(pass("payment"))
      .then([passed("payment")]);
    const steps = heard(...before, pass("payment"), accepted("issue-invoice")).flatMap(({ type, data }) =>
      type === "CommandIntended" ? [data.request.step] : [],
    );
    expect(steps.at(-1)).toBe("mark-overdue");
  });
});

describe("a deadline is lifted", () => {
  it.each([
    { name: "dispatch", by: "dispatched" },
    { name: "dispatch", by: "delivered" },
    { name: "dispatch", by: "withdrawn" },
    { name: "dispatch", by: "calledOff" },
    { name: "payment", by: "paid" },
    { name: "payment", by: "credited" },
    { name: "payment", by: "voided" },
    { name: "payment", by: "withdrawn" },
    { name: "payment", by: "lost" },
  ] satisfies { name: DeadlineName; by: FactName }[])("$name, by $by: and passes no more", ({ name, by }) => {
    const after = heard(...running[name], by);
    expect(after.slice(heard(...running[name]).length).filter(({ type }) => type === "DeadlineLifted")).toStrictEqual([
      lifted(name),
    ]);
    given(orderToCashDecider, after).when(pass(name, lateBy)).thenNothing();
  });

  it("not by a part of the payment", () => {
    given(orderToCashDecider, heard(...untilInvoiced))
      .when(last("paidPart"))
      .then([facts.paidPart]);
  });

  it("also after it has passed, and then the invoice is overdue no more", () => {
    const late: readonly Heard[] = [...untilScheduled, "dispatched", "invoiced", pass("payment"), "paid"];
    given(orderToCashDecider, heard(...late))
      .when(last(accepted("issue-invoice"), ...late))
      .then([
        {
          type: "CommandAccepted",
          data: {
            orderId,
            key: "event-dispatched:issue-invoice",
            step: "issue-invoice",
            at: "2026-03-01T12:00:00.000Z",
          },
        },
      ]);
    expect(clocksAfter(...late)).toStrictEqual([
      "DeadlineSet dispatch",
      "DeadlineLifted dispatch",
      "DeadlineSet payment",
      "DeadlinePassed payment",
      "DeadlineLifted payment",
    ]);
  });

  it("and is never set for what is there already, or not wanted any more", () => {
    const scheduling: readonly Heard[] = ["received", accepted("reserve-credit"), accepted("confirm-order")];
    expect(clocksAfter(...scheduling, "dispatched", "planned", "paid", "invoiced")).toStrictEqual([]);
    expect(clocksAfter(...scheduling, "withdrawn", "planned", "invoiced")).toStrictEqual([]);
    expect(clocksAfter(...untilScheduled, "dispatched", "planned")).toStrictEqual([
      "DeadlineSet dispatch",
      "DeadlineLifted dispatch",
    ]);
  });

  it("when the order turns out to be cancelled by a refusal", () => {
    const before: readonly Heard[] = ["planned", "received", accepted("reserve-credit")];
    expect(clocksAfter(...before, refused("confirm-order", "ORDER_CANCELLED"))).toStrictEqual([
      "DeadlineSet dispatch",
      "DeadlineLifted dispatch",
    ]);
  });
});
