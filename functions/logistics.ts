/** The commands of logistics over HTTP. What is so already succeeds and changes nothing. */
import * as z from "zod";
import {
  cancelShipmentSchema,
  deliverShipmentSchema,
  dispatchShipmentSchema,
  reportShipmentLostSchema,
  scheduleShipmentSchema,
  type ShipmentCommand,
} from "../domain/logistics/commands.ts";
import { shipmentIdSchema } from "../domain/logistics/shipment-id.ts";
import { change, commandFunction, type CommandRoutes, creation } from "./command-function.ts";
import { shipmentAggregate, shipmentRejectionStatus } from "./shipment-aggregate.ts";

export const routes: CommandRoutes<ShipmentCommand> = {
  "POST /shipments": creation(scheduleShipmentSchema, (body, { newId }) => {
    const shipmentId = body.shipmentId ?? shipmentIdSchema.parse(newId("shipment"));
    return { id: shipmentId, command: { type: "ScheduleShipment", ...body, shipmentId } };
  }),
  "POST /shipments/{shipmentId}/dispatch": change(dispatchShipmentSchema, (body, { now }) => ({
    type: "DispatchShipment",
    ...body,
    dispatchedAt: body.dispatchedAt ?? now,
  })),
  "POST /shipments/{shipmentId}/deliver": change(deliverShipmentSchema, (body, { now }) => ({
    type: "DeliverShipment",
    deliveredAt: body.deliveredAt ?? now,
  })),
  "POST /shipments/{shipmentId}/cancel": change(cancelShipmentSchema, (body) => ({ type: "CancelShipment", ...body })),
  "POST /shipments/{shipmentId}/report-lost": change(reportShipmentLostSchema, (body) => ({
    type: "ReportShipmentLost",
    ...body,
  })),
};

const shipments = {
  aggregate: shipmentAggregate,
  rejectionStatus: shipmentRejectionStatus,
  collection: "/shipments",
  idName: "shipmentId",
  pathSchema: z.strictObject({ shipmentId: shipmentIdSchema }),
} as const;

export const handler = commandFunction("logistics", shipments, routes);
