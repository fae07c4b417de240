/** A customer as the API shows it, from a row of `customer-summary`. */
import * as z from "zod";
import { moneySchema } from "../domain/kernel/schemas.ts";
import type { Row } from "../engine/views/view-reader.ts";
import { represented, representedRevision } from "./representation.ts";

const representationSchema = z.object({
  customerId: z.string(),
  name: z.string(),
  contact: z.string().exactOptional(),
  creditLimit: moneySchema,
  /** For orders under way; never more than the limit. */
  reserved: moneySchema,
  status: z.enum(["active", "suspended"]),
  suspensionReason: z.string().exactOptional(),
  revision: representedRevision,
});

export type CustomerRepresentation = z.output<typeof representationSchema>;

export function customerRepresentation(row: Row): CustomerRepresentation {
  return represented(representationSchema, row);
}
