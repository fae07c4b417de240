/** An order as JSON: its state is JSON as it is. */
import { z } from "zod";
import type { StateSnapshot } from "../kernel/state-snapshot.ts";
import { orderFactsSchema } from "./events.ts";
import type { Order } from "./order.ts";

const orderSchema = z.discriminatedUnion("status", [
  z.strictObject({ status: z.literal("unknown") }),
  z.strictObject({
    status: z.enum(["placed", "confirmed", "rejected", "cancelled", "completed"]),
    facts: orderFactsSchema,
  }),
]);

export const orderSnapshot: StateSnapshot<Order> = {
  write: (order) => order,
  read: (json) => orderSchema.parse(json),
};
