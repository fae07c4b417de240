/** The commands of ordering over HTTP. What is so already succeeds and changes nothing. */
import * as z from "zod";
import { orderIdSchema } from "../domain/kernel/schemas.ts";
import {
  cancelOrderSchema,
  completeOrderSchema,
  confirmOrderSchema,
  type OrderCommand,
  placeOrderSchema,
  rejectOrderSchema,
} from "../domain/ordering/commands.ts";
import { change, commandFunction, type CommandRoutes, creation } from "./command-function.ts";
import { orderAggregate, orderRejectionStatus } from "./order-aggregate.ts";

export const routes: CommandRoutes<OrderCommand> = {
  "POST /orders": creation(placeOrderSchema, (body, { now, newId }) => {
    const orderId = body.orderId ?? orderIdSchema.parse(newId("order"));
    return { id: orderId, command: { type: "PlaceOrder", ...body, orderId, orderedAt: body.orderedAt ?? now } };
  }),
  "POST /orders/{orderId}/confirm": change(confirmOrderSchema, () => ({ type: "ConfirmOrder" })),
  "POST /orders/{orderId}/reject": change(rejectOrderSchema, (body) => ({ type: "RejectOrder", ...body })),
  "POST /orders/{orderId}/cancel": change(cancelOrderSchema, (body) => ({ type: "CancelOrder", ...body })),
  "POST /orders/{orderId}/complete": change(completeOrderSchema, () => ({ type: "CompleteOrder" })),
};

const orders = {
  aggregate: orderAggregate,
  rejectionStatus: orderRejectionStatus,
  collection: "/orders",
  idName: "orderId",
  pathSchema: z.strictObject({ orderId: orderIdSchema }),
} as const;

export const handler = commandFunction("ordering", orders, routes);
