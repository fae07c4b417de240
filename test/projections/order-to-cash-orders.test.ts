/** The row of a process, whatever it is told and in whichever order: it says what the process knows, and no more. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { OrderToCashEvent } from "../../domain/order-to-cash/events.ts";
import type { IntegrationEvent } from "../../domain/order-to-cash/integration-events.ts";
import { integrationEventTypes } from "../../domain/order-to-cash/integration-events.ts";
import type { RowAttributes } from "../../engine/views/projection.ts";
import { orderToCash } from "../../projections/order-to-cash.ts";
import {
  accepted,
  factsOf,
  noted,
  passed,
  type ProcessHistory,
  processHistory,
  refused,
  retried,
  type Telling,
} from "./process-histories.ts";
import { rowAfter } from "./row-of-events.ts";

const orderId = "10248";
const facts = factsOf(orderId);

const rowOf = (events: readonly OrderToCashEvent[]): RowAttributes => rowAfter(orderToCash, orderId, events).row;

/** An invoice is asked for once the dispatch is known, so that of the two deadlines at most one is on at a time. */
const invoicedAfterDispatch: Telling = (process) =>
  noted(process.dispatched === undefined ? facts.planned : facts.invoiced)(process);

const telling = fc.oneof(
  { weight: 6, arbitrary: fc.constant(accepted) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      refused("CREDIT_LIMIT_EXCEEDED", "no credit"),
      refused("SHIPMENT_DELIVERED", "it has arrived"),
      refused("NOT_KNOWN", "what is that?"),
    ),
  },
  { weight: 3, arbitrary: fc.constantFrom(retried, passed("dispatch"), passed("payment")) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      invoicedAfterDispatch,
      ...[
        facts.received,
        facts.withdrawn,
        facts.planned,
        facts.dispatched,
        facts.delivered,
        facts.lost,
        facts.calledOff,
        facts.paid(4_000, 6_000),
        facts.paid(6_000, 0),
        facts.credited(7_000, 1_000, 0),
        facts.invoiceWithdrawn,
      ].map((fact) => noted(fact)),
    ),
  },
);

/** As it goes when all goes well. */
const usual = [
  noted(facts.received),
  accepted,
  accepted,
  accepted,
  noted(facts.planned),
  noted(facts.dispatched),
  accepted,
  invoicedAfterDispatch,
  noted(facts.paid(4_000, 6_000)),
  noted(facts.delivered),
  noted(facts.paid(6_000, 0)),
  accepted,
  accepted,
];

/** All goes well up to some point, and then anything happens. */
const begun = fc
  .tuple(fc.integer({ min: 1, max: usual.length }), fc.array(telling, { maxLength: 20 }))
  .map(([steps, tellings]) => [...usual.slice(0, steps), ...tellings]);

/** What the row is to say of work, deadline and end. What is pending, or was refused, is what was intended last. */
function stateOf({ events, process: { pending, halted, clocks, ended } }: ProcessHistory): RowAttributes {
  const intended = events.findLast((event) => event.type === "CommandIntended")?.data.request.step ?? "";
  const isOn = Object.entries(clocks).filter(([, { is }]) => is !== "lifted");
  expect(isOn.length).toBeLessThan(2);
  return {
    ...(pending === undefined ? {} : { work: "pending", step: intended }),
    ...(halted === undefined ? {} : { work: "halted", step: intended, code: halted.code, reason: halted.message }),
    ...isOn.map(([deadline, { is, dueAt }]) => ({ clock: is, clockAt: dueAt, deadline })).at(0),
    ...(ended === undefined ? {} : { ended }),
  };
}

const stateNames = ["work", "step", "code", "reason", "clock", "clockAt", "deadline", "ended"];

const isFact = ({ type }: OrderToCashEvent): boolean => Object.hasOwn(integrationEventTypes, type);

/** The same events, the facts elsewhere among them; only that the order is heard of before the process acts stays. */
function withFactsElsewhere(events: readonly OrderToCashEvent[]): fc.Arbitrary<OrderToCashEvent[]> {
  const own = events.filter((event) => !isFact(event));
  const known = events.filter(isFact);
  return fc
    .tuple(
      fc.shuffledSubarray(known, { minLength: known.length, maxLength: known.length }),
      fc.array(fc.nat({ max: own.length }), { minLength: known.length, maxLength: known.length }),
    )
    .map(([shuffled, places]) => {
      const moved = [...own.map((event, place) => ({ event, place: place + 0.5 }))];
      for (const [index, event] of shuffled.entries()) {
        moved.push({ event, place: event.type === "OrderReceived" ? -1 : (places[index] ?? 0) });
      }
      return moved.toSorted((left, right) => left.place - right.place).map(({ event }) => event);
    });
}

/** All ways in which the facts of several streams can arrive, those of each in their order. */
function interleavings(streams: readonly (readonly IntegrationEvent[])[]): IntegrationEvent[][] {
  const left = streams.filter(({ length }) => length > 0);
  if (left.length === 0) return [[]];
  return left.flatMap((stream) =>
    stream.slice(0, 1).flatMap((first) => {
      const others = left.map((other) => (other === stream ? other.slice(1) : other));
      return interleavings(others).map((rest) => [first, ...rest]);
    }),
  );
}

describe("the row of a process", () => {
  it("says what the process waits for and how it ended, whatever it is told", () => {
    const seen = new Set<unknown>();
    fc.assert(
      fc.property(begun, (tellings) => {
        for (const told of tellings.keys()) {
          const history = processHistory(tellings.slice(0, told + 1));
          const row = rowOf(history.events);
          const shown = Object.fromEntries(Object.entries(row).filter(([name]) => stateNames.includes(name)));
          expect(shown).toStrictEqual(stateOf(history));
          expect(row["workSince"] !== undefined).toBe(row["work"] !== undefined);
          for (const value of [row["work"], row["clock"], row["deadline"], row["ended"]]) seen.add(value);
        }
      }),
      { numRuns: 300, seed: 1 },
    );
    const everything = [
      "pending",
      "halted",
      "running",
      "passed",
      "dispatch",
      "payment",
      "completed",
      "cancelled",
      "rejected",
    ];
    expect(seen).toStrictEqual(new Set([undefined, ...everything]));
  });

  it("is the same when the same facts stand in another order in its stream", () => {
    fc.assert(
      fc.property(
        begun
          .map((tellings) => processHistory(tellings).events)
          .chain((events) => fc.tuple(fc.constant(events), withFactsElsewhere(events))),
        ([events, moved]) => {
          expect(rowOf(moved)).toStrictEqual(rowOf(events));
        },
      ),
      { numRuns: 500 },
    );
  });

  it("ends the same, in whichever order the process hears of order, shipment and invoice", () => {
    const orders = interleavings([
      [facts.received],
      [facts.planned, facts.dispatched, facts.delivered],
      [facts.invoiced, facts.paid(4_000, 6_000), facts.paid(6_000, 0)],
    ]);
    expect(orders.length).toBe(140);
    const inOrder = [facts.received, facts.planned, facts.dispatched, facts.invoiced];
    const expected = heard([...inOrder, facts.paid(4_000, 6_000), facts.paid(6_000, 0), facts.delivered]);
    expect(expected).toMatchObject({ ended: "completed", paid: 10_000, progress: "release-credit" });
    for (const order of orders) expect(heard(order)).toStrictEqual(expected);
  });
});

/** The row after all requests were accepted at once. */
function heard(order: readonly IntegrationEvent[]): RowAttributes {
  const answers = Array.from({ length: 6 }, () => accepted);
  return rowOf(processHistory(order.flatMap((fact) => [noted(fact), ...answers])).events);
}
