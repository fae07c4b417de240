/** The way of an order forwards, and what changes nothing: what comes twice, too late, or after the end. */
import { describe, expect, it } from "vitest";
import type { OrderToCashEvent } from "../../../domain/order-to-cash/events.ts";
import { orderToCashDecider, type ProcessInput } from "../../../domain/order-to-cash/order-to-cash.ts";
import { given } from "../../../engine/testing/given-when-then.ts";
import {
  accepted,
  allAccepted,
  askedFor,
  at,
  ended,
  type FactName,
  facts,
  type Heard,
  heard,
  intended,
  last,
  note,
  refused,
  requests,
  retry,
  stateAfter,
  untilInvoiced,
  untilScheduled,
  wasAccepted,
} from "./story.ts";

const orderId = facts.received.data.orderId;
const { reserve, confirm, schedule, invoice, complete, release } = requests;

interface StepOfTheWay {
  readonly when: string;
  readonly hears: Heard;
  readonly then: readonly OrderToCashEvent[];
}

const way: readonly StepOfTheWay[] = [
  { when: "an order is placed", hears: "received", then: [facts.received, intended("event-received", reserve)] },
  {
    when: "its credit is reserved",
    hears: accepted("reserve-credit"),
    then: [wasAccepted("event-received", "reserve-credit"), intended("event-received", confirm)],
  },
  {
    when: "it is confirmed",
    hears: accepted("confirm-order"),
    then: [wasAccepted("event-received", "confirm-order"), intended("event-received", schedule)],
  },
  {
    when: "its shipment is scheduled",
    hears: accepted("schedule-shipment"),
    then: [wasAccepted("event-received", "schedule-shipment")],
  },
  {
    when: "logistics tells of the shipment",
    hears: "planned",
    then: [
      facts.planned,
      { type: "DeadlineSet", data: { orderId, name: "dispatch", dueAt: "2026-03-15T11:59:00.000Z" } },
    ],
  },
  {
    when: "the goods are dispatched",
    hears: "dispatched",
    then: [
      facts.dispatched,
      { type: "DeadlineLifted", data: { orderId, name: "dispatch" } },
      intended("event-dispatched", invoice),
    ],
  },
  {
    when: "the invoice is issued",
    hears: accepted("issue-invoice"),
    then: [wasAccepted("event-dispatched", "issue-invoice")],
  },
  {
    when: "billing tells of the invoice",
    hears: "invoiced",
    then: [
      facts.invoiced,
      { type: "DeadlineSet", data: { orderId, name: "payment", dueAt: "2026-03-31T11:59:00.000Z" } },
    ],
  },
  { when: "a part is paid", hears: "paidPart", then: [facts.paidPart] },
  { when: "the goods are delivered", hears: "delivered", then: [facts.delivered] },
  {
    when: "the rest is paid",
    hears: "paid",
    then: [
      facts.paid,
      { type: "DeadlineLifted", data: { orderId, name: "payment" } },
      intended("event-paid", complete),
    ],
  },
  {
    when: "the order is completed",
    hears: accepted("complete-order"),
    then: [wasAccepted("event-paid", "complete-order"), intended("event-paid", release)],
  },
  {
    when: "the credit is released",
    hears: accepted("release-credit"),
    then: [wasAccepted("event-paid", "release-credit"), ended("completed")],
  },
];

const wholeWay = way.map(({ hears }) => hears);

describe("order-to-cash", () => {
  it.each(way.map((step, index) => ({ ...step, index })))("goes on when $when", ({ hears, then, index }) => {
    const before = wholeWay.slice(0, index);
    given(orderToCashDecider, heard(...before))
      .when(last(hears, ...before))
      .then(then);
  });

  it("asks for nothing before it has heard of the order, and for all at once afterwards", () => {
    const early: Heard[] = ["planned", "dispatched", "invoiced", "paid", "delivered"];
    expect(askedFor(...early)).toStrictEqual([]);
    const steps = allAccepted(
      "reserve-credit",
      "confirm-order",
      "schedule-shipment",
      "issue-invoice",
      "complete-order",
    );
    expect(askedFor(...early, "received", ...steps, accepted("release-credit"))).toStrictEqual([
      reserve,
      confirm,
      schedule,
      invoice,
      complete,
      release,
      "completed",
    ]);
  });

  it("settles an invoice that is credited whole, withdrawn, or about nothing as one that is paid", () => {
    const nothing: ProcessInput = {
      type: "NoteFact",
      fact: { ...facts.invoiced, data: { ...facts.invoiced.data, total: { amount: 0, currency: "USD" } } },
      cause: "event-nothing",
      at,
    };
    const sent: readonly Heard[] = [...untilScheduled, "dispatched", accepted("issue-invoice"), "delivered"];
    for (const settles of [["credited"], ["voided"], ["paid"], [nothing]] satisfies Heard[][]) {
      expect(askedFor(...sent, ...settles)).toStrictEqual([reserve, confirm, schedule, invoice, complete]);
    }
    expect(askedFor(...sent, "paidPart")).toStrictEqual([reserve, confirm, schedule, invoice]);
  });
});

const payments: readonly FactName[] = ["paid", "paidPart", "credited", "voided"];
const single: readonly FactName[] = ["received", "planned", "dispatched", "invoiced", "delivered"];

describe("what comes twice", () => {
  it.each(single)("%s: changes nothing", (name) => {
    given(orderToCashDecider, heard(...untilInvoiced, "delivered"))
      .when(note(name))
      .thenNothing();
  });

  it.each(["withdrawn", "lost", "calledOff"] satisfies FactName[])("%s: changes nothing", (name) => {
    given(orderToCashDecider, heard(...untilScheduled, name))
      .when(note(name))
      .thenNothing();
  });

  it.each(payments)("%s: is noted, and changes nothing of what the process knows and does", (name) => {
    const before = heard(...untilInvoiced, name);
    given(orderToCashDecider, before).when(note(name)).then([facts[name]]);
    given(orderToCashDecider, before)
      .when(note(name))
      .thenState((process) => process, stateAfter(before));
  });

  it.each(["accepted", "refused"] as const)("an answer, %s: changes nothing", (is) => {
    const outcome = is === "accepted" ? { is } : { is, code: "CREDIT_LIMIT_EXCEEDED", message: "late" };
    const key = "event-received:reserve-credit";
    for (const before of [
      ["received", accepted("reserve-credit")],
      untilScheduled,
      wholeWay,
    ] satisfies (readonly Heard[])[]) {
      given(orderToCashDecider, heard(...before))
        .when({ type: "RecordOutcome", key, outcome, at })
        .thenNothing();
    }
  });
});

describe("an answer to nothing that was asked", () => {
  it.each([
    { to: "no process", before: [] },
    { to: "a process that waits for another answer", before: ["received"] as const },
    { to: "a process that waits for a fact", before: untilScheduled },
  ])("changes nothing: $to", ({ before }) => {
    given(orderToCashDecider, heard(...before))
      .when({ type: "RecordOutcome", key: "event-other:reserve-credit", outcome: { is: "accepted" }, at })
      .thenNothing();
  });
});

const refusedCredit: readonly Heard[] = [
  "received",
  refused("reserve-credit", "CREDIT_LIMIT_EXCEEDED"),
  ...allAccepted("reject-order", "release-credit"),
];

describe("after the end", () => {
  const endings = [
    { as: "completed", story: wholeWay, known: ["received", "planned", "dispatched", "invoiced", "delivered"] },
    { as: "cancelled", story: ["withdrawn", "received"], known: ["withdrawn", "received"] },
    { as: "rejected", story: refusedCredit, known: ["received"] },
  ] satisfies { as: string; story: readonly Heard[]; known: readonly FactName[] }[];
  const names = Object.keys(facts) as FactName[];

  it.each(endings.flatMap((ending) => names.map((name) => ({ ...ending, name }))))(
    "$as: $name is noted where it is news, and nothing follows from it",
    ({ story, name, known }) => {
      given(orderToCashDecider, heard(...story))
        .when(note(name))
        .then(known.some((fact) => fact === name) ? [] : [facts[name]]);
    },
  );

  it.each(endings)("$as: no deadline passes and nothing is retried", ({ story, as }) => {
    const stream = heard(...story);
    expect(stream.at(-1)).toStrictEqual({ type: "ProcessEnded", data: { orderId, as, at } });
    for (const name of ["dispatch", "payment"] as const) {
      const dueAt = name === "dispatch" ? "2026-03-15T11:59:00.000Z" : "2026-03-31T11:59:00.000Z";
      given(orderToCashDecider, stream)
        .when({ type: "PassDeadline", name, dueAt, at: "2027-01-01T00:00:00.000Z" })
        .thenNothing();
    }
    given(orderToCashDecider, stream).when(retry()).thenRejected("PROCESS_NOT_HALTED");
  });
});
