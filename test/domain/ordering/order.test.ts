import { describe, expect, it } from "vitest";
import {
  cancelOrderSchema,
  maximumLines,
  type OrderCommand,
  placeOrderSchema,
} from "../../../domain/ordering/commands.ts";
import { type OrderEvent, orderingEventTypes } from "../../../domain/ordering/events.ts";
import { type Order, orderDecider } from "../../../domain/ordering/order.ts";
import { orderIdSchema } from "../../../domain/kernel/schemas.ts";
import fc from "fast-check";
import { given } from "../given-when-then.ts";

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

const cancelled = (reason?: string): OrderEvent => ({
  type: "OrderCancelled",
  data: orderingEventTypes.OrderCancelled.schema.parse({
    orderId: "1",
    customerId: "VINET",
    orderedAt: "1996-07-04T00:00:00.000Z",
    total: usd(16800),
    ...(reason === undefined ? {} : { reason }),
    cancelledFrom: "placed",
  }),
});

const cancel = (reason?: string): OrderCommand => ({ type: "CancelOrder", ...cancelOrderSchema.parse({ reason }) });

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

  it("is refused when the id is in use", () => {
    given(orderDecider, [placed])
      .when(place([line(1, 1)]))
      .then({
        rejection: "ORDER_ALREADY_PLACED",
        message: "order 1 was placed before: use another id",
      });
  });

  it("is refused when the id belonged to a cancelled order", () => {
    given(orderDecider, [placed, cancelled()])
      .when(place([line(1, 1)]))
      .then({
        rejection: "ORDER_ALREADY_PLACED",
        message: "order 1 was placed before: use another id",
      });
  });

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

describe("cancelling an order", () => {
  it("says whose order of which month and worth what it takes out", () => {
    given(orderDecider, [placed])
      .when(cancel("out of stock"))
      .then([cancelled("out of stock")]);
  });

  it("changes nothing when it is cancelled already", () => {
    given(orderDecider, [placed, cancelled()]).when(cancel()).then([]);
  });

  it("is refused when it was never placed", () => {
    given(orderDecider, []).when(cancel()).then({
      rejection: "ORDER_NOT_FOUND",
      message: "there is no such order: place it first",
    });
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
    const commands = fc.array(fc.oneof(lines.map(place), fc.constant(cancel())), { maxLength: 6 });
    fc.assert(
      fc.property(commands, (given) => {
        let order: Order = orderDecider.initialState;
        for (const command of given) {
          const decision = orderDecider.decide(order, command);
          if (!("rejection" in decision)) for (const event of decision) order = orderDecider.evolve(order, event);
        }
      }),
    );
  });

  it("decides events that their own schemas accept after a trip through JSON", () => {
    const decision = orderDecider.decide(orderDecider.initialState, place([line(1400, 12, 5)]));
    if ("rejection" in decision) throw new Error(decision.message);
    const [event] = decision;
    const stored: unknown = JSON.parse(JSON.stringify(event?.data));
    expect(orderingEventTypes.OrderPlaced.schema.parse(stored)).toStrictEqual(event?.data);
  });
});
