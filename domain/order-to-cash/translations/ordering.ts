/** The border to ordering. That an order was rejected or cancelled is one and the same to the process: it is off. */
import type { OrderCommand } from "../../ordering/commands.ts";
import type { OrderEvent } from "../../ordering/events.ts";
import { inbound, type Outbound } from "./translation.ts";

type DataOf<Type extends OrderEvent["type"]> = Extract<OrderEvent, { type: Type }>["data"];

export const fromOrdering = {
  OrderPlaced: inbound(
    "OrderReceived",
    ({ orderId, customerId, total, lines }: DataOf<"OrderPlaced">, { correlationId }) => ({
      orderId,
      customerId,
      total,
      items: lines.map(({ productId, quantity }) => ({ productId, quantity })),
      correlationId,
    }),
  ),
  OrderRejected: inbound("OrderWithdrawn", ({ orderId, reason }: DataOf<"OrderRejected">) => ({ orderId, reason })),
  OrderCancelled: inbound("OrderWithdrawn", ({ orderId, reason }: DataOf<"OrderCancelled">) => ({
    orderId,
    ...(reason === undefined ? {} : { reason }),
  })),
};

export const toOrdering: Outbound<"confirm-order" | "reject-order" | "complete-order" | "cancel-order", OrderCommand> =
  {
    "confirm-order": () => ({ type: "ConfirmOrder" }),
    "reject-order": ({ reason }) => ({ type: "RejectOrder", reason }),
    "complete-order": () => ({ type: "CompleteOrder" }),
    "cancel-order": ({ reason }) => ({ type: "CancelOrder", reason }),
  };
