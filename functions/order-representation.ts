/** An order as the API shows it, from a row of `order-summary`. */
import * as z from "zod";
import { moneySchema } from "../domain/kernel/schemas.ts";
import type { Row } from "../engine/views/view-reader.ts";
import { represented, representedRevision } from "./representation.ts";

const representationSchema = z.object({
  orderId: z.string(),
  customerId: z.string(),
  status: z.enum(["placed", "confirmed", "rejected", "cancelled", "completed"]),
  rejectionReason: z.string().exactOptional(),
  /** Of a cancelled order whose canceller gave one. */
  cancellationReason: z.string().exactOptional(),
  orderedAt: z.string(),
  total: moneySchema,
  lines: z.array(
    z.object({
      productId: z.string(),
      quantity: z.int(),
      unitPrice: moneySchema,
      discountPercent: z.int(),
      total: moneySchema,
    }),
  ),
  revision: representedRevision,
});

export type OrderRepresentation = z.output<typeof representationSchema>;

export function orderRepresentation(row: Row): OrderRepresentation {
  return represented(representationSchema, row);
}
