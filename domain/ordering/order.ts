/**
 * The order: what a customer wants, at which prices, and whether it stands.
 *
 * - It is placed once, with at least one line and all lines in one currency. Each line is rounded on its own.
 * - A placed order is confirmed or rejected. Both are answers, and the first one counts: a confirmed order is no more
 *   rejected, a rejected one no more confirmed.
 * - A confirmed order is completed. That ends it.
 * - The customer's side can cancel it as long as it is placed or confirmed. The event says from which, because more has to
 *   be undone after a confirmation.
 * - Asking for what is so already changes nothing. An order that is completed counts as confirmed.
 */
import type { Decider, Decision, Rejection } from "../kernel/decider.ts";
import { addMoney, discountedPrice, type Money } from "../kernel/money.ts";
import type { CancelOrder, OrderCommand, OrderLine, PlaceOrder, RejectOrder } from "./commands.ts";
import type { OrderedLine, OrderEvent, OrderFacts } from "./events.ts";

export { orderSnapshot } from "./order-snapshot.ts";

type OrderStatus = "placed" | "confirmed" | "rejected" | "cancelled" | "completed";

export type Order = { readonly status: "unknown" } | { readonly status: OrderStatus; readonly facts: OrderFacts };

export type OrderRejection = Rejection<
  | "ORDER_ALREADY_PLACED"
  | "ORDER_NOT_FOUND"
  | "MIXED_CURRENCIES"
  | "NO_LINES"
  | "ORDER_NOT_CONFIRMED"
  | "ORDER_ALREADY_CONFIRMED"
  | "ORDER_REJECTED"
  | "ORDER_CANCELLED"
  | "ORDER_COMPLETED"
>;

type OrderDecision = Decision<OrderEvent, OrderRejection>;

const notFound: OrderRejection = { rejection: "ORDER_NOT_FOUND", message: "there is no such order: place it first" };

export const orderDecider: Decider<Order, OrderCommand, OrderEvent, OrderRejection> = {
  initialState: { status: "unknown" },

  evolve(_order, event) {
    const { orderId, customerId, orderedAt, total } = event.data;
    return { status: statusAfter[event.type], facts: { orderId, customerId, orderedAt, total } };
  },

  decide(order, command) {
    switch (command.type) {
      case "PlaceOrder":
        return place(order, command);
      case "ConfirmOrder":
        return confirm(order);
      case "RejectOrder":
        return reject(order, command);
      case "CancelOrder":
        return cancel(order, command);
      case "CompleteOrder":
        return complete(order);
    }
  },
};

const statusAfter = {
  OrderPlaced: "placed",
  OrderConfirmed: "confirmed",
  OrderRejected: "rejected",
  OrderCancelled: "cancelled",
  OrderCompleted: "completed",
} as const satisfies Record<OrderEvent["type"], OrderStatus>;

function place(order: Order, command: PlaceOrder): OrderDecision {
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

function confirm(order: Order): OrderDecision {
  switch (order.status) {
    case "unknown":
      return notFound;
    case "placed":
      return [{ type: "OrderConfirmed", data: order.facts }];
    case "confirmed":
    case "completed":
      return [];
    case "rejected":
      return wasRejected(order.facts);
    case "cancelled":
      return wasCancelled(order.facts);
  }
}

function reject(order: Order, { reason }: RejectOrder): OrderDecision {
  switch (order.status) {
    case "unknown":
      return notFound;
    case "placed":
      return [{ type: "OrderRejected", data: { ...order.facts, reason } }];
    case "rejected":
      return [];
    case "confirmed": {
      const message = `order ${order.facts.orderId} is confirmed: cancel it instead`;
      return { rejection: "ORDER_ALREADY_CONFIRMED", message };
    }
    case "cancelled":
      return wasCancelled(order.facts);
    case "completed":
      return wasCompleted(order.facts);
  }
}

function cancel(order: Order, { reason }: CancelOrder): OrderDecision {
  switch (order.status) {
    case "unknown":
      return notFound;
    case "placed":
    case "confirmed": {
      const said = reason === undefined ? {} : { reason };
      return [{ type: "OrderCancelled", data: { ...order.facts, ...said, cancelledFrom: order.status } }];
    }
    case "cancelled":
      return [];
    case "rejected":
      return wasRejected(order.facts);
    case "completed":
      return wasCompleted(order.facts);
  }
}

function complete(order: Order): OrderDecision {
  switch (order.status) {
    case "unknown":
      return notFound;
    case "placed":
      return {
        rejection: "ORDER_NOT_CONFIRMED",
        message: `order ${order.facts.orderId} is not confirmed: confirm it first`,
      };
    case "confirmed":
      return [{ type: "OrderCompleted", data: order.facts }];
    case "completed":
      return [];
    case "rejected":
      return wasRejected(order.facts);
    case "cancelled":
      return wasCancelled(order.facts);
  }
}

function wasRejected({ orderId }: OrderFacts): OrderRejection {
  return { rejection: "ORDER_REJECTED", message: `order ${orderId} was rejected: place another one` };
}

function wasCancelled({ orderId }: OrderFacts): OrderRejection {
  return { rejection: "ORDER_CANCELLED", message: `order ${orderId} was cancelled: place another one` };
}

function wasCompleted({ orderId }: OrderFacts): OrderRejection {
  return { rejection: "ORDER_COMPLETED", message: `order ${orderId} is completed: nothing of it can be taken back` };
}

function withTotal(line: OrderLine): OrderedLine {
  return { ...line, total: discountedPrice(line.unitPrice, line.quantity, line.discountPercent) };
}
