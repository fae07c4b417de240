/** The id of a shipment, which only logistics gives out. It follows the kernel's rule for ids. */
import { idSchema } from "../kernel/schemas.ts";

export type ShipmentId = string & { readonly brand: "ShipmentId" };

// The brand marks a string that has passed the pattern; the transform is the only place that hands it out.
export const shipmentIdSchema = idSchema.transform((value) => value as ShipmentId);
