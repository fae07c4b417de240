/**
 * The border to logistics. The shipment of an order bears the order's id; one that bears another was not asked for by the
 * process, and what becomes of it is none of its business.
 */
import type { ShipmentCommand } from "../../logistics/commands.ts";
import type { ShipmentEvent } from "../../logistics/events.ts";
import { shipmentIdSchema } from "../../logistics/shipment-id.ts";
import { inbound, type Outbound } from "./translation.ts";

type DataOf<Type extends ShipmentEvent["type"]> = Extract<ShipmentEvent, { type: Type }>["data"];

function isOfTheProcess({ shipmentId, orderId }: ShipmentEvent["data"]): boolean {
  return String(shipmentId) === String(orderId);
}

export const fromLogistics = {
  ShipmentScheduled: inbound("DispatchPlanned", (shipment: DataOf<"ShipmentScheduled">, { recordedAt }) =>
    isOfTheProcess(shipment) ? { orderId: shipment.orderId, recordedAt } : undefined,
  ),
  ShipmentDispatched: inbound("GoodsDispatched", (shipment: DataOf<"ShipmentDispatched">) => {
    const { orderId, carrier, freight, dispatchedAt } = shipment;
    return isOfTheProcess(shipment) ? { orderId, carrier, freight, dispatchedAt } : undefined;
  }),
  ShipmentDelivered: inbound("GoodsDelivered", (shipment: DataOf<"ShipmentDelivered">) => {
    const { orderId, deliveredAt } = shipment;
    return isOfTheProcess(shipment) ? { orderId, deliveredAt } : undefined;
  }),
  ShipmentLost: inbound("GoodsLost", (shipment: DataOf<"ShipmentLost">) =>
    isOfTheProcess(shipment) ? { orderId: shipment.orderId, reason: shipment.reason } : undefined,
  ),
  ShipmentCancelled: inbound("DispatchCalledOff", (shipment: DataOf<"ShipmentCancelled">) =>
    isOfTheProcess(shipment) ? { orderId: shipment.orderId, reason: shipment.reason } : undefined,
  ),
};

export const toLogistics: Outbound<"schedule-shipment" | "cancel-shipment", ShipmentCommand> = {
  "schedule-shipment": ({ orderId, customerId, items, currency }) => ({
    type: "ScheduleShipment",
    shipmentId: shipmentIdSchema.parse(orderId),
    orderId,
    customerId,
    items,
    currency,
  }),
  "cancel-shipment": ({ reason }) => ({ type: "CancelShipment", reason }),
};
