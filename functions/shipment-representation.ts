/** A shipment as the API shows it, from a row of `shipment-summary`. */
import * as z from "zod";
import { moneySchema } from "../domain/kernel/schemas.ts";
import type { Row } from "../engine/views/view-reader.ts";
import { represented, representedRevision } from "./representation.ts";

const representationSchema = z.object({
  shipmentId: z.string(),
  orderId: z.string(),
  customerId: z.string(),
  status: z.enum(["scheduled", "dispatched", "delivered", "cancelled", "lost"]),
  items: z.array(z.object({ productId: z.string(), quantity: z.int() })),
  carrier: z.string().exactOptional(),
  freight: moneySchema.exactOptional(),
  dispatchedAt: z.string().exactOptional(),
  deliveredAt: z.string().exactOptional(),
  /** Why it was cancelled, or how it was lost. */
  reason: z.string().exactOptional(),
  revision: representedRevision,
});

export type ShipmentRepresentation = z.output<typeof representationSchema>;

export function shipmentRepresentation(row: Row): ShipmentRepresentation {
  return represented(representationSchema, row);
}
