/**
 * Every interleaving of what people do, of events on their way to the process, of its requests and their answers, of deadlines
 * and of copies that come late, in scenarios small enough to be explored whole. What holds in each state: promises.ts.
 *
 * The numbers are of the states that were told apart and of the different ways through them; a scenario that explores less
 * than it did, because a step is no longer possible, fails.
 */
import { describe, expect, it } from "vitest";
import { actsOn, customerActs, first, freight, goods, second, worldOf } from "./acts.ts";
import { everyInterleaving, type Explored, PromiseBrokenError } from "./every-interleaving.ts";
import { brokenPromise, outcomeOf, toldOf } from "./promises.ts";
import { goingsIn, type Scenario, type World } from "./world.ts";
import { nameOf } from "./world-name.ts";

/** `halts`: refusals after which the process is expected to wait for a retry; after any other it is a fault. */
function explored(scenario: Scenario, halts: readonly string[] = []): Explored<World> {
  return everyInterleaving({
    start: scenario.start,
    goings: goingsIn(scenario),
    nameOf,
    fault: brokenPromise(halts),
    told: toldOf,
  });
}

/** Each different outcome of the ends once, in a stable order. */
function outcomesOf({ ends }: Explored<World>): unknown[] {
  const texts = new Set(ends.map((world) => JSON.stringify(outcomeOf(world))));
  return [...texts].sort().map((text): unknown => JSON.parse(text));
}

const nowhere = { goods: "not with the customer", owed: 0, kept: 0, reserved: 0 };
const cancelled = { ended: "cancelled", order: "cancelled", ...nowhere };
/** By sales; what the process has done is taken back. */
const completedByHand = { ...cancelled, order: "completed" };
const cancelledLate = { ...cancelled, goods: "with the customer" };
const rejected = { ended: "rejected", order: "rejected", ...nowhere };
/** By sales, while the process is still asking for its credit. */
const rejectedByHand = { ...rejected, ended: "cancelled" };
const given = { ended: "completed", order: "completed", ...nowhere, goods: "with the customer" };
const completed = { ...given, kept: goods + freight };
const underWay = { ended: "the dispatch", order: "confirmed", ...nowhere, reserved: goods };

const one = actsOn(first);
const other = actsOn(second);
const { register, suspend, reinstate, raiseLimit } = customerActs;

interface Case extends Scenario {
  readonly name: string;
  readonly halts?: readonly string[];
  /** Less than was explored when this was written. */
  readonly atLeast: { readonly states: number; readonly interleavings: bigint };
  /** Of the world when nothing more can happen: however it came there, one of these, and each of them is reached. */
  readonly outcomes: readonly unknown[];
}

const cases: readonly Case[] = [
  {
    // 997 states, 10,558,051 interleavings.
    name: "an order that is delivered and paid in two parts",
    start: worldOf([first], 1),
    acts: [one.place, one.dispatch, one.deliver, one.payPart, one.payRest],
    deadlines: true,
    atLeast: { states: 950, interleavings: 10_000_000n },
    // One outcome: what the process hears first makes no difference.
    outcomes: [[completed]],
  },
  {
    // 3,403 states, 1,052,923,875 interleavings.
    name: "an order that the customer cancels at any time",
    start: worldOf([first], 1),
    acts: [one.place, one.dispatch, one.deliver, one.payAll, one.cancel],
    deadlines: true,
    atLeast: { states: 3_300, interleavings: 1_050_000_000n },
    outcomes: [[cancelled], [cancelledLate], [completed]],
  },
  {
    // 76 states, 411 interleavings. One outcome here too: it makes no difference how far the order had come.
    name: "an order that is cancelled before it is dispatched",
    start: worldOf([first], 1),
    acts: [one.place, one.cancel],
    deadlines: true,
    atLeast: { states: 70, interleavings: 410n },
    outcomes: [[cancelled]],
  },
  {
    // 9,475 states, 15,755,720,053 interleavings.
    name: "a shipment that is lost before, between and after payments",
    start: worldOf([first], 1),
    acts: [one.place, one.dispatch, one.lose, one.payPart, one.payRest, one.cancel],
    deadlines: false,
    atLeast: { states: 9_000, interleavings: 15_700_000_000n },
    outcomes: [[cancelled]],
  },
  {
    // 1,441 states, 30,601,423 interleavings.
    name: "a shipment that logistics calls off or the carrier delivers",
    start: worldOf([first], 1),
    acts: [one.place, one.dispatch, one.callOff, one.deliver, one.payAll],
    deadlines: true,
    atLeast: { states: 1_400, interleavings: 30_000_000n },
    outcomes: [[cancelled], [completed]],
  },
  {
    // 18,412 states, 178,884,977,723 interleavings.
    name: "an invoice that is paid, credited and voided by hand while the order may be cancelled",
    start: worldOf([first], 1),
    acts: [
      one.place,
      one.dispatch,
      one.deliver,
      one.payPart,
      one.creditPart,
      one.creditRest,
      one.withdrawInvoice,
      one.cancel,
    ],
    deadlines: false,
    atLeast: { states: 18_000, interleavings: 178_000_000_000n },
    outcomes: [[cancelled], [cancelledLate], [given]],
  },
  {
    // 16,656 states, 3,973,440,207 interleavings.
    name: "an order that anybody may bring on or stop at any time",
    start: worldOf([first], 1),
    acts: [
      one.place,
      one.dispatch,
      one.deliver,
      one.lose,
      one.callOff,
      one.payAll,
      one.withdrawInvoice,
      one.cancel,
      one.rejectByHand,
    ],
    deadlines: true,
    atLeast: { states: 16_000, interleavings: 3_900_000_000n },
    outcomes: [[cancelled], [cancelledLate], [rejectedByHand], [given], [completed]],
  },
  {
    // 408 states, 51,231 interleavings.
    name: "a customer who is suspended and reinstated",
    start: worldOf([first], 1),
    acts: [one.place, suspend, reinstate, one.cancel, one.rejectByHand],
    deadlines: true,
    atLeast: { states: 400, interleavings: 51_000n },
    outcomes: [[cancelled], [rejectedByHand], [rejected]],
  },
  {
    // 669 states, 2,744,836 interleavings.
    name: "a limit that is too low and raised too late",
    start: worldOf([first], 0),
    acts: [one.place, raiseLimit, one.dispatch, one.cancel],
    deadlines: true,
    atLeast: { states: 650, interleavings: 2_700_000n },
    outcomes: [[cancelled], [rejected]],
  },
  {
    // 53 states, 56 interleavings.
    name: "a customer who is not registered",
    start: worldOf([first]),
    acts: [one.place, one.cancel, one.rejectByHand],
    deadlines: true,
    atLeast: { states: 50, interleavings: 50n },
    outcomes: [[cancelled], [rejectedByHand], [rejected]],
  },
  {
    // 84 states, 258 interleavings.
    name: "an order that sales confirms by hand while its credit is refused",
    start: worldOf([first], 0, { retries: 1 }),
    acts: [one.place, one.confirmByHand, one.cancel],
    deadlines: true,
    halts: ["ORDER_ALREADY_CONFIRMED"],
    atLeast: { states: 80, interleavings: 250n },
    // Once more it halts when it is retried before the order is cancelled, or before the process has heard of it.
    outcomes: [[{ ...cancelled, ended: "a retry" }], [cancelled], [rejected]],
  },
  {
    // 159 states, 2,276 interleavings.
    name: "a customer who is registered while the order is on its way",
    start: worldOf([first]),
    acts: [one.place, one.cancel, register],
    deadlines: true,
    atLeast: { states: 150, interleavings: 2_200n },
    outcomes: [[cancelled], [rejected]],
  },
  {
    // 2,281 states, 47,476,764 interleavings.
    name: "an order that sales completes by hand, whatever becomes of its goods",
    start: worldOf([first], 1),
    acts: [one.place, one.completeByHand, one.dispatch, one.lose, one.callOff, one.payPart],
    deadlines: false,
    atLeast: { states: 2_200, interleavings: 47_000_000n },
    outcomes: [[cancelled], [completedByHand]],
  },
  {
    // 41 states, 50 interleavings.
    name: "an order that sales confirms and completes by hand while its credit is refused",
    start: worldOf([first], 0, { retries: 1 }),
    acts: [one.place, one.confirmByHand, one.completeByHand],
    deadlines: true,
    halts: ["ORDER_ALREADY_CONFIRMED"],
    atLeast: { states: 40, interleavings: 50n },
    // It halts when it is retried before the order is completed; another retry ends it.
    outcomes: [[{ ...completedByHand, ended: "a retry" }], [completedByHand], [rejected]],
  },
  {
    // 22,405 states, 54,923,754,195 interleavings.
    name: "a request that fails once at any time, whatever another copy of it has done",
    start: worldOf([first], 1, { failures: 1, retries: 1 }),
    acts: [one.place, one.dispatch, one.deliver, one.payAll, one.cancel],
    deadlines: false,
    halts: ["EVENT_NOT_UNDERSTOOD"],
    atLeast: { states: 22_000, interleavings: 54_000_000_000n },
    outcomes: [[cancelled], [cancelledLate], [completed]],
  },
  {
    // 1,560 states, 3,536,525,226 interleavings.
    name: "two orders of a customer who can afford one",
    start: worldOf([first, second], 1),
    acts: [one.place, other.place, one.cancel],
    deadlines: false,
    atLeast: { states: 1_500, interleavings: 3_500_000_000n },
    outcomes: [
      [cancelled, rejected],
      [cancelled, underWay],
      [rejected, underWay],
    ],
  },
];

describe("in every interleaving", () => {
  it.each(cases)("$name: all promises are kept", ({ atLeast, outcomes, halts, ...scenario }) => {
    const all = explored(scenario, halts);
    expect(all.states).toBeGreaterThanOrEqual(atLeast.states);
    expect(all.interleavings).toBeGreaterThanOrEqual(atLeast.interleavings);
    expect(outcomesOf(all)).toStrictEqual(outcomes);
  });

  it("a promise that is broken is told by the fewest steps", () => {
    const scenario = { start: worldOf([first], 0), acts: [one.place, one.confirmByHand], deadlines: false };
    expect(() => explored(scenario)).toThrow(PromiseBrokenError);
    expect(() => explored(scenario)).toThrow(
      [
        "order 1: reject-order halts the process: ORDER_ALREADY_CONFIRMED",
        "The fewest steps that show it",
        "  1. the customer places 1: OrderPlaced",
        "  2. sales confirms 1: OrderConfirmed",
        "  3. the process hears OrderReceived: OrderReceived, CommandIntended, wants reserve-credit",
        "  4. reserve-credit is carried out: CREDIT_LIMIT_EXCEEDED",
        "  5. the process hears that reserve-credit was refused, CREDIT_LIMIT_EXCEEDED: CommandRefused, CommandIntended, wants reject-order",
        "  6. reject-order is carried out: ORDER_ALREADY_CONFIRMED",
        "  7. the process hears that reject-order was refused, ORDER_ALREADY_CONFIRMED: CommandRefused",
        "Where they lead",
        "",
      ].join("\n"),
    );
  });
});
