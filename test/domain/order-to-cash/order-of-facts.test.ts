/** In whatever order the process hears of the same facts, it comes to know the same and brings the order to the same end. */
import { describe, expect, it } from "vitest";
import { orderToCashDecider, type ProcessInput } from "../../../domain/order-to-cash/order-to-cash.ts";
import type { Step } from "../../../domain/order-to-cash/requests.ts";
import type { OrderToCash } from "../../../domain/order-to-cash/state.ts";
import { at, type FactName, note } from "./story.ts";

/** How the contexts answer, all those facts being so. */
type Refusals = Readonly<Partial<Record<Step, string>>>;

function permutations<Item>(items: readonly Item[]): Item[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, index) => permutations(items.toSpliced(index, 1)).map((rest) => [item, ...rest]));
}

/** After each fact the process is answered until it wants nothing more. */
function afterHearing(names: readonly FactName[], refusals: Refusals): OrderToCash {
  return names.reduce(
    (process, name) => answered(told(process, note(name)), refusals),
    orderToCashDecider.initialState,
  );
}

function told(process: OrderToCash, input: ProcessInput): OrderToCash {
  const decision = orderToCashDecider.decide(process, input);
  if ("rejection" in decision) throw new Error(decision.message);
  return decision.reduce<OrderToCash>((state, event) => orderToCashDecider.evolve(state, event), process);
}

function answered(process: OrderToCash, refusals: Refusals): OrderToCash {
  const { pending } = process;
  if (pending === undefined) return process;
  const code = refusals[pending.request.step];
  const outcome =
    code === undefined ? ({ is: "accepted" } as const) : ({ is: "refused", code, message: "so" } as const);
  return answered(told(process, { type: "RecordOutcome", key: pending.key, outcome, at }), refusals);
}

const wayOfAnOrder: readonly FactName[] = ["received", "planned", "dispatched", "invoiced", "delivered", "paid"];

/** Which steps were taken and how it ended; clocks run between facts and are no part of it. */
const result = ({ ended, halted, steps }: OrderToCash): unknown => [ended, halted, Object.keys(steps).sort()];

const differing = (all: readonly unknown[]): unknown[] =>
  [...new Set(all.map((one) => JSON.stringify(one)))].map((text): unknown => JSON.parse(text));

describe("720 orders of the facts of an order that is delivered and paid", () => {
  it("lead to the same steps and the same end", () => {
    const orders = permutations(wayOfAnOrder);
    expect(orders.length).toBe(720);
    expect(differing(orders.map((names) => result(afterHearing(names, {}))))).toStrictEqual([
      [
        "completed",
        null,
        ["complete-order", "confirm-order", "issue-invoice", "release-credit", "reserve-credit", "schedule-shipment"],
      ],
    ]);
  });

  it("leave the same knowledge", () => {
    const facts = ({ order, plannedAt, dispatched, delivered, invoicedAt, settled }: OrderToCash): unknown => [
      order,
      plannedAt,
      dispatched,
      delivered,
      invoicedAt,
      settled,
    ];
    // Without the order itself the process does not end, so that every fact counts in every order.
    const orders = permutations(wayOfAnOrder.filter((name) => name !== "received"));
    expect(differing(orders.map((names) => facts(afterHearing(names, {})))).length).toBe(1);
  });
});

describe("5,040 orders of the facts of an order that is cancelled after it was delivered and paid", () => {
  it("lead to the same end, and the credit is released wherever it was reserved", () => {
    const orders = permutations<FactName>([...wayOfAnOrder, "withdrawn"]);
    expect(orders.length).toBe(5_040);
    const refusals = { "complete-order": "ORDER_CANCELLED", "cancel-shipment": "SHIPMENT_DELIVERED" };
    const ends = orders.map((names) => {
      const { ended, halted, steps } = afterHearing(names, refusals);
      return [ended, halted, steps["reserve-credit"]?.is === steps["release-credit"]?.is];
    });
    expect(differing(ends)).toStrictEqual([["cancelled", null, true]]);
  });

  it("lead to a credited invoice wherever it was issued, and to a shipment called back wherever it was scheduled", () => {
    const refusals = { "complete-order": "ORDER_CANCELLED" };
    const orders = permutations<FactName>([...wayOfAnOrder, "withdrawn"]);
    const pairs = orders.map((names) => {
      const { steps } = afterHearing(names, refusals);
      const both = (done: Step, undone: Step): boolean => steps[done]?.is === steps[undone]?.is;
      return [both("issue-invoice", "credit-invoice"), both("schedule-shipment", "cancel-shipment")];
    });
    expect(differing(pairs)).toStrictEqual([[true, true]]);
  });
});
