/** An order as the API shows it, from a row of `order-summary`. */
import * as z from "zod";
import type { Row } from "../engine/views/view-reader.ts";

const money = z.object({ amount: z.int(), currency: z.string() });

const representationSchema = z.object({
  orderId: z.string(),
  customerId: z.string(),
  status: z.enum(["placed", "cancelled"]),
  orderedAt: z.string(),
  total: money,
  lines: z.array(
    z.object({
      productId: z.string(),
      quantity: z.int(),
      unitPrice: money,
      discountPercent: z.int(),
      total: money,
    }),
  ),
  revision: z.bigint().transform((revision) => revision.toString()),
});

export type OrderRepresentation = z.output<typeof representationSchema>;

/** Leaves out what the row holds for the sake of its index. */
export function orderRepresentation({ attributes, revision }: Row): OrderRepresentation {
  return representationSchema.parse({ ...attributes, revision });
}
