/** A refusal that the process has no answer to: it waits, visibly, until somebody retries. */
import { describe, expect, it } from "vitest";
import { orderToCashDecider } from "../../../domain/order-to-cash/order-to-cash.ts";
import type { Step } from "../../../domain/order-to-cash/requests.ts";
import { given } from "../../../engine/testing/given-when-then.ts";
import {
  accepted,
  allAccepted,
  askedFor,
  at,
  because,
  failed,
  type FactName,
  facts,
  type Heard,
  heard,
  intended,
  last,
  refused,
  requests,
  retry,
  untilInvoiced,
  untilScheduled,
} from "./story.ts";

const orderId = facts.received.data.orderId;
const { reserve, confirm, schedule, release } = requests;
const untilConfirmed: readonly Heard[] = ["received", ...allAccepted("reserve-credit", "confirm-order")];
const scheduleHalts: readonly Heard[] = [...untilConfirmed, refused("schedule-shipment", "SHIPMENT_ALREADY_SCHEDULED")];

/** How far the process has come when it asks for a step. */
const untilAsked: Readonly<Record<Step, readonly Heard[]>> = {
  "reserve-credit": ["received"],
  "confirm-order": ["received", accepted("reserve-credit")],
  "reject-order": ["received", refused("reserve-credit", "CUSTOMER_SUSPENDED")],
  "schedule-shipment": untilConfirmed,
  "issue-invoice": [...untilScheduled, "dispatched"],
  "mark-overdue": [
    ...untilInvoiced,
    { type: "PassDeadline", name: "payment", dueAt: "2026-03-31T11:59:00.000Z", at: "2026-03-31T11:59:00.000Z" },
  ],
  "complete-order": [...untilInvoiced, "paid", "delivered"],
  "cancel-order": [...untilScheduled, "calledOff"],
  "cancel-shipment": [...untilScheduled, "withdrawn"],
  "credit-invoice": [...untilInvoiced, "withdrawn", accepted("cancel-shipment")],
  "release-credit": ["received", "withdrawn", accepted("reserve-credit")],
};

const steps = Object.keys(untilAsked) as Step[];

describe("a refusal without an answer", () => {
  it.each(steps.flatMap((step) => [failed(step), refused(step, "UNHEARD_OF")].map((answer) => ({ step, answer }))))(
    "halts: $step",
    ({ step, answer }) => {
      const before = untilAsked[step];
      const input = last(answer, ...before);
      if (input.type !== "RecordOutcome" || input.outcome.is === "accepted") throw new Error("no refusal");
      const { code, message } = input.outcome;
      given(orderToCashDecider, heard(...before))
        .when(input)
        .then([{ type: "CommandRefused", data: { orderId, key: input.key, step, code, message, halts: true, at } }]);
    },
  );

  it.each(["withdrawn", "lost", "delivered", "paid"] satisfies FactName[])(
    "what is heard then is noted: %s",
    (name) => {
      given(orderToCashDecider, heard(...scheduleHalts))
        .when(last(name))
        .then([facts[name]]);
    },
  );
});

describe("a retry", () => {
  it.each(steps)("asks for the same once more, under a key of its own: %s", (step) => {
    const halted = [...untilAsked[step], failed(step)];
    const asked = askedFor(...untilAsked[step]).at(-1);
    if (asked === undefined || typeof asked === "string") throw new Error("nothing was asked for");
    given(orderToCashDecider, heard(...halted))
      .when(retry())
      .then([{ type: "ProcessRetried", data: { orderId, step, at } }, intended("retry-1", asked)]);
  });

  it("goes on from there", () => {
    const story: Heard[] = [
      ...scheduleHalts,
      retry(),
      accepted("schedule-shipment"),
      "withdrawn",
      accepted("cancel-shipment"),
    ];
    expect(askedFor(...story)).toStrictEqual([
      reserve,
      confirm,
      schedule,
      schedule,
      because("cancel-shipment", "the order was cancelled"),
      release,
    ]);
  });

  it("may be refused again, and halts again", () => {
    const again = [...scheduleHalts, retry("retry-1"), refused("schedule-shipment", "SHIPMENT_ALREADY_SCHEDULED")];
    given(orderToCashDecider, heard(...again))
      .when(retry("retry-2"))
      .then([
        { type: "ProcessRetried", data: { orderId, step: "schedule-shipment", at } },
        intended("retry-2", schedule),
      ]);
  });

  it("of a process that is not halted is refused", () => {
    given(orderToCashDecider, heard(...untilScheduled))
      .when(retry())
      .thenRejected("PROCESS_NOT_HALTED");
  });

  it("of no process is refused", () => {
    given(orderToCashDecider, []).when(retry()).thenRejected("PROCESS_NOT_FOUND");
  });

  it("twice is refused the second time", () => {
    given(orderToCashDecider, heard(...scheduleHalts, retry()))
      .when(retry("retry-2"))
      .thenRejected("PROCESS_NOT_HALTED");
  });
});

describe("a process that is halted while its order is cancelled", () => {
  // Another copy of the request that failed may have been carried out: only its answer tells what is to be taken back.
  it("asks once more for what failed, and takes it back", () => {
    const hears = [
      ...untilConfirmed,
      failed("schedule-shipment"),
      "withdrawn",
      retry(),
      ...allAccepted("schedule-shipment", "cancel-shipment", "release-credit"),
    ] satisfies Heard[];
    const cancelShipment = because("cancel-shipment", "the order was cancelled");
    expect(askedFor(...hears)).toStrictEqual([
      reserve,
      confirm,
      schedule,
      schedule,
      cancelShipment,
      release,
      "cancelled",
    ]);
  });

  it.each(["reserve-credit", "schedule-shipment", "issue-invoice"] satisfies Step[])(
    "halts by what fails even then, because nobody knows what became of it: %s",
    (step) => {
      const stream = heard(...untilAsked[step], "withdrawn", failed(step));
      given(orderToCashDecider, stream).thenState(
        ({ halted }) => [halted?.request.step, halted?.code],
        [step, "STREAM_DELETED"],
      );
    },
  );

  it.each([
    {
      step: "reserve-credit",
      before: ["received"],
      code: "RESERVATION_DIFFERS",
      then: [reserve, reserve, release, "cancelled"],
    },
    {
      step: "schedule-shipment",
      before: untilConfirmed,
      code: "SHIPMENT_ALREADY_SCHEDULED",
      then: [reserve, confirm, schedule, schedule, release, "cancelled"],
    },
    {
      step: "issue-invoice",
      before: [...untilScheduled, "dispatched"],
      code: "INVOICE_ALREADY_ISSUED",
      then: [
        reserve,
        confirm,
        schedule,
        requests.invoice,
        requests.invoice,
        because("cancel-shipment", "the order was cancelled"),
        release,
        "cancelled",
      ],
    },
  ] satisfies { step: Step; before: readonly Heard[]; code: string; then: unknown[] }[])(
    "has nothing to take back of $step when it is refused again: $code",
    ({ step, before, code, then }) => {
      const hears: Heard[] = [...before, refused(step, code), "withdrawn", retry(), refused(step, code)];
      const undone: Heard[] = step === "issue-invoice" ? [accepted("cancel-shipment")] : [];
      expect(askedFor(...hears, ...undone, accepted("release-credit"))).toStrictEqual(then);
    },
  );
});
