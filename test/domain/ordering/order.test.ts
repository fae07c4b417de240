/** What each command does in each state of an order, and what the state is kept as. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isRejection } from "../../../domain/kernel/decider.ts";
import { orderIdSchema } from "../../../domain/kernel/schemas.ts";
import {
  cancelOrderSchema,
  maximumLines,
  type OrderCommand,
  placeOrderSchema,
  rejectOrderSchema,
} from "../../../domain/ordering/commands.ts";
import { type OrderEvent, orderFactsSchema, orderingEventTypes } from "../../../domain/ordering/events.ts";
import { type Order, orderDecider, type OrderRejection, orderSnapshot } from "../../../domain/ordering/order.ts";
import { given } from "../../../engine/testing/given-when-then.ts";

const orderId = orderIdSchema.parse("1");
const usd = (amount: number) => ({ amount, currency: "USD" });
const line = (unitPrice: number, quantity: number, discountPercent = 0, productId = "11") => ({
  productId,
  quantity,
  unitPrice: usd(unitPrice),
  discountPercent,
});

function place(lines: unknown[]): OrderCommand {
  const body = placeOrderSchema.parse({ customerId: "VINET", orderedAt: "1996-07-04T00:00:00Z", lines });
  return { type: "PlaceOrder", ...body, orderId, orderedAt: body.orderedAt ?? "" };
}

const placed: OrderEvent = {
  type: "OrderPlaced",
  data: orderingEventTypes.OrderPlaced.schema.parse({
    orderId: "1",
    customerId: "VINET",
    orderedAt: "1996-07-04T00:00:00.000Z",
    lines: [{ ...line(1400, 12), total: usd(16800) }],
    total: usd(16800),
  }),
};

const facts = orderFactsSchema.parse({
  orderId: "1",
  customerId: "VINET",
  orderedAt: "1996-07-04T00:00:00.000Z",
  total: usd(16800),
});

const confirmed: OrderEvent = { type: "OrderConfirmed", data: facts };
const rejected: OrderEvent = { type: "OrderRejected", data: { ...facts, reason: "no credit" } };
const completed: OrderEvent = { type: "OrderCompleted", data: facts };
const cancelled = (cancelledFrom: "placed" | "confirmed", reason?: string): OrderEvent => ({
  type: "OrderCancelled",
  data: { ...facts, ...(reason === undefined ? {} : { reason }), cancelledFrom },
});

const confirm: OrderCommand = { type: "ConfirmOrder" };
const reject: OrderCommand = { type: "RejectOrder", ...rejectOrderSchema.parse({ reason: "no credit" }) };
const cancel = (reason?: string): OrderCommand => ({ type: "CancelOrder", ...cancelOrderSchema.parse({ reason }) });
const complete: OrderCommand = { type: "CompleteOrder" };

const histories = {
  unknown: [],
  placed: [placed],
  confirmed: [placed, confirmed],
  rejected: [placed, rejected],
  cancelled: [placed, cancelled("placed")],
  "cancelled after it was confirmed": [placed, confirmed, cancelled("confirmed")],
  completed: [placed, confirmed, completed],
} as const satisfies Record<string, readonly OrderEvent[]>;

const nothing: readonly OrderEvent[] = [];
const notFound: OrderRejection = { rejection: "ORDER_NOT_FOUND", message: "there is no such order: place it first" };
const notConfirmed: OrderRejection = {
  rejection: "ORDER_NOT_CONFIRMED",
  message: "order 1 is not confirmed: confirm it first",
};
const alreadyConfirmed: OrderRejection = {
  rejection: "ORDER_ALREADY_CONFIRMED",
  message: "order 1 is confirmed: cancel it instead",
};
const wasRejected: OrderRejection = {
  rejection: "ORDER_REJECTED",
  message: "order 1 was rejected: place another one",
};
const wasCancelled: OrderRejection = {
  rejection: "ORDER_CANCELLED",
  message: "order 1 was cancelled: place another one",
};
const wasCompleted: OrderRejection = {
  rejection: "ORDER_COMPLETED",
  message: "order 1 is completed: nothing of it can be taken back",
};

describe("placing an order", () => {
  it("records the lines with their totals and the order's total", () => {
    given(orderDecider, [])
      .when(place([line(1400, 12)]))
      .then([placed]);
  });

  it("rounds each line half up to cents, never the sum", () => {
    // 3 x 0.05 less 10 % = 0.135 -> 0.14 each; the unrounded sum 0.27 would be a cent less.
    given(orderDecider, [])
      .when(place([line(5, 3, 10), line(5, 3, 10, "42")]))
      .then([
        {
          type: "OrderPlaced",
          data: orderingEventTypes.OrderPlaced.schema.parse({
            orderId: "1",
            customerId: "VINET",
            orderedAt: "1996-07-04T00:00:00.000Z",
            lines: [
              { ...line(5, 3, 10), total: usd(14) },
              { ...line(5, 3, 10, "42"), total: usd(14) },
            ],
            total: usd(28),
          }),
        },
      ]);
  });

  it.each(["placed", "confirmed", "rejected", "cancelled", "completed"] as const)(
    "is refused when the id belonged to an order that is %s",
    (status) => {
      given(orderDecider, histories[status])
        .when(place([line(1400, 12)]))
        .then({ rejection: "ORDER_ALREADY_PLACED", message: "order 1 was placed before: use another id" });
    },
  );

  it("is refused in two currencies at once", () => {
    const euro = { ...line(1, 1), unitPrice: { amount: 1, currency: "EUR" } };
    given(orderDecider, [])
      .when(place([line(1, 1), euro]))
      .then({
        rejection: "MIXED_CURRENCIES",
        message: "all lines of an order are in one currency: found USD and EUR",
      });
  });

  it("keeps the largest possible order exact", () => {
    const lines = Array.from({ length: maximumLines }, () => line(1_000_000_000, 100_000));
    const decision = orderDecider.decide(orderDecider.initialState, place(lines));
    expect(decision).toMatchObject([{ data: { total: { amount: 9_000_000_000_000_000 } } }]);
  });
});

type Outcomes = Record<keyof typeof histories, readonly OrderEvent[] | OrderRejection>;

const everyState = (outcomes: Outcomes) =>
  Object.entries(outcomes).map(([state, outcome]) => {
    // The record has a key for each of the histories and no other; only Object.entries forgets it.
    return [state as keyof typeof histories, outcome] as const;
  });

describe("confirming an order", () => {
  it.each(
    everyState({
      unknown: notFound,
      placed: [confirmed],
      confirmed: nothing,
      rejected: wasRejected,
      cancelled: wasCancelled,
      "cancelled after it was confirmed": wasCancelled,
      completed: nothing,
    }),
  )("that is %s", (state, outcome) => {
    given(orderDecider, histories[state]).when(confirm).then(outcome);
  });
});

describe("rejecting an order", () => {
  it.each(
    everyState({
      unknown: notFound,
      placed: [rejected],
      confirmed: alreadyConfirmed,
      rejected: nothing,
      cancelled: wasCancelled,
      "cancelled after it was confirmed": wasCancelled,
      completed: wasCompleted,
    }),
  )("that is %s", (state, outcome) => {
    given(orderDecider, histories[state]).when(reject).then(outcome);
  });
});

describe("cancelling an order", () => {
  it.each(
    everyState({
      unknown: notFound,
      placed: [cancelled("placed", "too late")],
      confirmed: [cancelled("confirmed", "too late")],
      rejected: wasRejected,
      cancelled: nothing,
      "cancelled after it was confirmed": nothing,
      completed: wasCompleted,
    }),
  )("that is %s", (state, outcome) => {
    given(orderDecider, histories[state]).when(cancel("too late")).then(outcome);
  });

  it("needs no reason, and an absent one is absent in the event too", () => {
    given(orderDecider, [placed])
      .when(cancel())
      .then([cancelled("placed")]);
  });
});

describe("completing an order", () => {
  it.each(
    everyState({
      unknown: notFound,
      placed: notConfirmed,
      confirmed: [completed],
      rejected: wasRejected,
      cancelled: wasCancelled,
      "cancelled after it was confirmed": wasCancelled,
      completed: nothing,
    }),
  )("that is %s", (state, outcome) => {
    given(orderDecider, histories[state]).when(complete).then(outcome);
  });
});

describe("a cancellation of version 1", () => {
  const [upcast] = orderingEventTypes.OrderCancelled.upcasters;

  it("was one of a placed order", () => {
    const { schema } = orderingEventTypes.OrderCancelled;
    expect(schema.parse(upcast({ ...facts, reason: "too late" }))).toStrictEqual({
      ...facts,
      reason: "too late",
      cancelledFrom: "placed",
    });
    expect(schema.parse(upcast(facts))).toStrictEqual({ ...facts, cancelledFrom: "placed" });
  });

  it("is refused when it was not what its type said", () => {
    const { schema } = orderingEventTypes.OrderCancelled;
    for (const damaged of [null, undefined, "OrderCancelled", [], {}, { ...facts, total: 1 }]) {
      expect(schema.safeParse(upcast(damaged)).success).toBe(false);
    }
  });
});

describe("a snapshot of an order", () => {
  const stateOf = (history: readonly OrderEvent[]) =>
    history.reduce<Order>((order, event) => orderDecider.evolve(order, event), orderDecider.initialState);

  it.each(Object.entries(histories))("that is %s is read back as that state", (_state, history) => {
    const order = stateOf(history);
    const json: unknown = JSON.parse(JSON.stringify(orderSnapshot.write(order)));
    expect(orderSnapshot.read(json)).toStrictEqual(order);
  });

  it.each([
    null,
    {},
    { status: "unknown", facts },
    { status: "placed" },
    { status: "shipped", facts },
    { status: "placed", facts: { ...facts, total: { amount: 0.5, currency: "USD" } } },
    { status: "placed", facts, lines: [] },
  ])("that is damaged is refused: %j", (json) => {
    expect(() => orderSnapshot.read(json)).toThrow();
  });
});

describe("the order decider", () => {
  it("is total: every command gets a decision in every reachable state", () => {
    const lines = fc.array(
      fc.record({
        productId: fc.constantFrom("11", "42"),
        quantity: fc.integer({ min: 1, max: 100_000 }),
        unitPrice: fc.record({
          amount: fc.integer({ min: 0, max: 1_000_000_000 }),
          currency: fc.constantFrom("USD", "EUR"),
        }),
        discountPercent: fc.integer({ min: 0, max: 100 }),
      }),
      { minLength: 1, maxLength: 5 },
    );
    const commands = fc.array(fc.oneof(lines.map(place), fc.constantFrom(confirm, reject, cancel(), complete)), {
      maxLength: 8,
    });
    fc.assert(
      fc.property(commands, (given) => {
        let order: Order = orderDecider.initialState;
        for (const command of given) {
          const decision = orderDecider.decide(order, command);
          if (!isRejection(decision)) for (const event of decision) order = orderDecider.evolve(order, event);
        }
      }),
    );
  });

  it("decides events that their own schemas accept after a trip through JSON", () => {
    const decision = orderDecider.decide(orderDecider.initialState, place([line(1400, 12, 5)]));
    if (isRejection(decision)) throw new Error(decision.message);
    const [event] = decision;
    const stored: unknown = JSON.parse(JSON.stringify(event?.data));
    expect(orderingEventTypes.OrderPlaced.schema.parse(stored)).toStrictEqual(event?.data);
  });
});
