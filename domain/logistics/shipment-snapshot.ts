/** A shipment as JSON: its state is JSON as it is. */
import { z } from "zod";
import type { StateSnapshot } from "../kernel/state-snapshot.ts";
import { shipmentDispatchedSchema, shipmentScheduledSchema } from "./events.ts";
import type { Shipment } from "./shipment.ts";

const scheduled = shipmentScheduledSchema;

const shipmentSchema = z.discriminatedUnion("status", [
  z.strictObject({ status: z.literal("unknown") }),
  z.strictObject({ status: z.literal("scheduled"), scheduled }),
  z.strictObject({ status: z.literal("dispatched"), scheduled, dispatched: shipmentDispatchedSchema }),
  z.strictObject({ status: z.enum(["delivered", "cancelled", "lost"]), scheduled }),
]);

export const shipmentSnapshot: StateSnapshot<Shipment> = {
  write: (shipment) => shipment,
  read: (json) => shipmentSchema.parse(json),
};
