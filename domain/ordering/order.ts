/**
 * The order: placed once, cancelled at most once. An order that was never placed cannot be cancelled; cancelling a
 * cancelled order changes nothing.
 */
import type { Decider, Decision, Rejection } from "../kernel/decider.ts";
import { addMoney, discountedPrice, type Money } from "../kernel/money.ts";
import type { CancelOrder, OrderCommand, OrderLine, PlaceOrder } from "./commands.ts";
import type { OrderedLine, OrderEvent } from "./events.ts";

type Placed = Extract<OrderEvent, { type: "OrderPlaced" }>["data"];

export type Order =
  | { readonly status: "unknown" }
  | { readonly status: "placed"; readonly placed: Placed }
  | { readonly status: "cancelled" };

export type OrderRejection = Rejection<"ORDER_ALREADY_PLACED" | "ORDER_NOT_FOUND" | "MIXED_CURRENCIES" | "NO_LINES">;

export const orderDecider: Decider<Order, OrderCommand, OrderEvent, OrderRejection> = {
  initialState: { status: "unknown" },

  evolve(_order, event) {
    switch (event.type) {
      case "OrderPlaced":
        return { status: "placed", placed: event.data };
      case "OrderCancelled":
        return { status: "cancelled" };
    }
  },

  decide(order, command) {
    switch (command.type) {
      case "PlaceOrder":
        return place(order, command);
      case "CancelOrder":
        return cancel(order, command);
    }
  },
};

function place(order: Order, command: PlaceOrder): Decision<OrderEvent, OrderRejection> {
  if (order.status !== "unknown") {
    return { rejection: "ORDER_ALREADY_PLACED", message: `order ${command.orderId} was placed before: use another id` };
  }
  const lines = command.lines.map(withTotal);
  const [first, ...others] = lines.map((line) => line.total);
  if (first === undefined) return { rejection: "NO_LINES", message: "an order needs at least one line" };
  const foreign = others.find((total) => total.currency !== first.currency);
  if (foreign !== undefined) {
    const message = `all lines of an order are in one currency: found ${first.currency} and ${foreign.currency}`;
    return { rejection: "MIXED_CURRENCIES", message };
  }
  const { orderId, customerId, orderedAt } = command;
  const total = others.reduce<Money>(addMoney, first);
  return [{ type: "OrderPlaced", data: { orderId, customerId, orderedAt, lines, total } }];
}

function cancel(order: Order, { reason }: CancelOrder): Decision<OrderEvent, OrderRejection> {
  switch (order.status) {
    case "unknown":
      return { rejection: "ORDER_NOT_FOUND", message: "there is no such order: place it first" };
    case "cancelled":
      return [];
    case "placed": {
      const { orderId, customerId, orderedAt, total } = order.placed;
      const said = reason === undefined ? {} : { reason };
      return [{ type: "OrderCancelled", data: { orderId, customerId, orderedAt, total, ...said } }];
    }
  }
}

function withTotal(line: OrderLine): OrderedLine {
  return { ...line, total: discountedPrice(line.unitPrice, line.quantity, line.discountPercent) };
}
