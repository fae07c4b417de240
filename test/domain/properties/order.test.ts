/** What holds of every order, whatever is asked of it in whichever order. */
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { expect, it } from "vitest";
import { orderIdSchema } from "../../../domain/kernel/schemas.ts";
import {
  cancelOrderSchema,
  type OrderCommand,
  placeOrderSchema,
  rejectOrderSchema,
} from "../../../domain/ordering/commands.ts";
import { type OrderEvent, orderingEventTypes } from "../../../domain/ordering/events.ts";
import { orderDecider, orderSnapshot } from "../../../domain/ordering/order.ts";
import { exploreDecider } from "../../../engine/testing/explore-decider.ts";
import { amounts, instants, reasons, throughJson } from "./arbitraries.ts";

const orderId = orderIdSchema.parse("o1");

const lines = fc.record({
  productId: fc.constantFrom("11", "42"),
  quantity: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.constant(100_000)),
  unitPrice: amounts(0, 1_000_000_000),
  discountPercent: fc.integer({ min: 0, max: 100 }),
});

const placing = fc
  .record({
    customerId: fc.constant("VINET"),
    orderedAt: instants,
    lines: fc.array(lines, { minLength: 1, maxLength: 4 }),
  })
  .map((body): OrderCommand => {
    const order = placeOrderSchema.required({ orderedAt: true }).parse(body);
    return { type: "PlaceOrder", ...order, orderId };
  });

const commands: fc.Arbitrary<OrderCommand> = fc.oneof(
  placing,
  fc.constant<OrderCommand>({ type: "ConfirmOrder" }),
  fc.constant<OrderCommand>({ type: "CompleteOrder" }),
  reasons.map((reason): OrderCommand => ({ type: "RejectOrder", ...rejectOrderSchema.parse({ reason }) })),
  fc.option(reasons, { nil: undefined }).map((reason): OrderCommand => ({
    type: "CancelOrder",
    ...cancelOrderSchema.parse(reason === undefined ? {} : { reason }),
  })),
);

const countOf = (history: readonly OrderEvent[], ...types: readonly OrderEvent["type"][]): number =>
  history.filter(({ type }) => types.includes(type)).length;

it("an order is placed once, answered once and ends once, and is worth what its lines come to", () => {
  const { decided, refused, unchanged } = exploreDecider({
    decider: orderDecider,
    eventTypes: orderingEventTypes,
    commands,
    runs: 1_000,
    invariants: {
      "it is placed first, and once": (_, [first, ...others]) =>
        (first === undefined || first.type === "OrderPlaced") && countOf(others, "OrderPlaced") === 0,
      "it is not both cancelled and completed": (_, history) =>
        countOf(history, "OrderCancelled", "OrderCompleted") <= 1,
      "it ends once, and nothing happens to it afterwards": (_, history) =>
        countOf(history.slice(0, -1), "OrderCancelled", "OrderCompleted", "OrderRejected") === 0,
      "it is confirmed or rejected, not both": (_, history) => countOf(history, "OrderConfirmed", "OrderRejected") <= 1,
      "only a confirmed order is completed": (_, history) =>
        countOf(history, "OrderCompleted") <= countOf(history, "OrderConfirmed"),
      "a cancellation says whether it was confirmed": (_, history) =>
        history.every(
          (event) =>
            event.type !== "OrderCancelled" ||
            (event.data.cancelledFrom === "confirmed") === (countOf(history, "OrderConfirmed") === 1),
        ),
      "its total is the sum of its lines, in their currency": (_, history) =>
        history.every(
          ({ type, data }) =>
            type !== "OrderPlaced" ||
            (data.lines.every(({ total }) => total.currency === data.total.currency) &&
              data.lines.reduce((sum, { total }) => sum + BigInt(total.amount), 0n) === BigInt(data.total.amount)),
        ),
      "all its events tell the same of it": (order, history) =>
        history.every(
          ({ data: { orderId, customerId, orderedAt, total } }) =>
            order.status !== "unknown" && isDeepStrictEqual(order.facts, { orderId, customerId, orderedAt, total }),
        ),
      "its snapshot is the order": (order) =>
        isDeepStrictEqual(orderSnapshot.read(throughJson(orderSnapshot.write(order))), order),
    },
  });
  expect(Object.keys(decided).toSorted()).toStrictEqual(Object.keys(orderingEventTypes).toSorted());
  expect(Object.keys(refused).toSorted()).toStrictEqual([
    "MIXED_CURRENCIES",
    "ORDER_ALREADY_CONFIRMED",
    "ORDER_ALREADY_PLACED",
    "ORDER_CANCELLED",
    "ORDER_COMPLETED",
    "ORDER_NOT_CONFIRMED",
    "ORDER_NOT_FOUND",
    "ORDER_REJECTED",
  ]);
  expect(unchanged).toBeGreaterThan(0);
});
