/** Logistics as the engine and the API meet it: the streams it lives in, and what its rejections are to an HTTP client. */
import { logisticsEventTypes } from "../domain/logistics/events.ts";
import { shipmentDecider, type ShipmentRejection } from "../domain/logistics/shipment.ts";
import type { RejectionStatus } from "../engine/http/command-answer.ts";

export const shipmentAggregate = { category: "shipment", decider: shipmentDecider, eventTypes: logisticsEventTypes };

export const shipmentRejectionStatus: RejectionStatus<ShipmentRejection> = {
  SHIPMENT_NOT_FOUND: 404,
  SHIPMENT_ALREADY_SCHEDULED: 409,
  SHIPMENT_ALREADY_DISPATCHED: 409,
  SHIPMENT_NOT_DISPATCHED: 409,
  SHIPMENT_DELIVERED: 409,
  SHIPMENT_CANCELLED: 409,
  SHIPMENT_LOST: 409,
  FREIGHT_CURRENCY_MISMATCH: 422,
};
