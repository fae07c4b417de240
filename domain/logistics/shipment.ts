/**
 * The shipment: goods of one order on their way to a customer.
 *
 * - It is scheduled, handed to a carrier, and delivered or lost. Nothing that was not dispatched is delivered or lost.
 * - Freight is known when the carrier takes the goods, and is charged in the currency that the shipment was scheduled with.
 * - It can be cancelled until it is delivered. The event says from which state: once dispatched, the carrier brings the goods
 *   back.
 * - Delivered, cancelled and lost are ends. The first one counts.
 * - Asking for what is so already changes nothing: scheduling or dispatching again with the same data, and a second end of the
 *   same kind. A lost shipment needs no cancelling.
 */
import type { Decider, Decision, Rejection } from "../kernel/decider.ts";
import { sameMoney } from "../kernel/money.ts";
import type {
  CancelShipment,
  DeliverShipment,
  DispatchShipment,
  ReportShipmentLost,
  ScheduleShipment,
  ShipmentCommand,
} from "./commands.ts";
import type { DispatchedShipment, ScheduledShipment, ShipmentEvent } from "./events.ts";

export { shipmentSnapshot } from "./shipment-snapshot.ts";

export type Shipment =
  | { readonly status: "unknown" }
  | { readonly status: "scheduled"; readonly scheduled: ScheduledShipment }
  | { readonly status: "dispatched"; readonly scheduled: ScheduledShipment; readonly dispatched: DispatchedShipment }
  | { readonly status: "delivered" | "cancelled" | "lost"; readonly scheduled: ScheduledShipment };

type KnownShipment = Exclude<Shipment, { status: "unknown" }>;

export type ShipmentRejection = Rejection<
  | "SHIPMENT_NOT_FOUND"
  | "SHIPMENT_ALREADY_SCHEDULED"
  | "SHIPMENT_ALREADY_DISPATCHED"
  | "SHIPMENT_NOT_DISPATCHED"
  | "SHIPMENT_DELIVERED"
  | "SHIPMENT_CANCELLED"
  | "SHIPMENT_LOST"
  | "FREIGHT_CURRENCY_MISMATCH"
>;

type ShipmentDecision = Decision<ShipmentEvent, ShipmentRejection>;

export const shipmentDecider: Decider<Shipment, ShipmentCommand, ShipmentEvent, ShipmentRejection> = {
  initialState: { status: "unknown" },

  evolve(shipment, event) {
    if (event.type === "ShipmentScheduled") return { status: "scheduled", scheduled: event.data };
    return shipment.status === "unknown" ? shipment : changed(shipment, event);
  },

  decide(shipment, command) {
    if (command.type === "ScheduleShipment") return schedule(shipment, command);
    if (shipment.status === "unknown") {
      return { rejection: "SHIPMENT_NOT_FOUND", message: "there is no such shipment: schedule it first" };
    }
    switch (command.type) {
      case "DispatchShipment":
        return dispatch(shipment, command);
      case "DeliverShipment":
        return deliver(shipment, command);
      case "CancelShipment":
        return cancel(shipment, command);
      case "ReportShipmentLost":
        return reportLost(shipment, command);
    }
  },
};

function changed(
  { scheduled }: KnownShipment,
  event: Exclude<ShipmentEvent, { type: "ShipmentScheduled" }>,
): KnownShipment {
  switch (event.type) {
    case "ShipmentDispatched":
      return { status: "dispatched", scheduled, dispatched: event.data };
    case "ShipmentDelivered":
      return { status: "delivered", scheduled };
    case "ShipmentCancelled":
      return { status: "cancelled", scheduled };
    case "ShipmentLost":
      return { status: "lost", scheduled };
  }
}

function schedule(shipment: Shipment, command: ScheduleShipment): ShipmentDecision {
  const { shipmentId, orderId, customerId, items, currency } = command;
  if (shipment.status === "unknown") {
    return [{ type: "ShipmentScheduled", data: { shipmentId, orderId, customerId, items, currency } }];
  }
  if (isSameSchedule(shipment.scheduled, command)) return [];
  const message = `shipment ${shipmentId} was scheduled with other content: use another id`;
  return { rejection: "SHIPMENT_ALREADY_SCHEDULED", message };
}

/** The order of the items is content too: a resend has the same. */
function isSameSchedule(scheduled: ScheduledShipment, command: ScheduleShipment): boolean {
  return (
    scheduled.orderId === command.orderId &&
    scheduled.customerId === command.customerId &&
    scheduled.currency === command.currency &&
    scheduled.items.length === command.items.length &&
    scheduled.items.every(({ productId, quantity }, index) => {
      const item = command.items[index];
      return item?.productId === productId && item.quantity === quantity;
    })
  );
}

function dispatch(shipment: KnownShipment, command: DispatchShipment): ShipmentDecision {
  switch (shipment.status) {
    case "scheduled":
      return handOver(shipment.scheduled, command);
    case "dispatched":
      return isSameDispatch(shipment.dispatched, command) ? [] : alreadyDispatched(shipment.dispatched);
    case "delivered":
    case "cancelled":
    case "lost":
      return ended(shipment.status, shipment);
  }
}

function handOver(scheduled: ScheduledShipment, command: DispatchShipment): ShipmentDecision {
  const { carrier, freight, dispatchedAt } = command;
  if (freight.currency !== scheduled.currency) {
    const message = `freight is charged in ${scheduled.currency}, not ${freight.currency}: convert it`;
    return { rejection: "FREIGHT_CURRENCY_MISMATCH", message };
  }
  return [{ type: "ShipmentDispatched", data: { ...idsOf(scheduled), carrier, freight, dispatchedAt } }];
}

function isSameDispatch(dispatched: DispatchedShipment, command: DispatchShipment): boolean {
  return (
    dispatched.carrier === command.carrier &&
    dispatched.dispatchedAt === command.dispatchedAt &&
    sameMoney(dispatched.freight, command.freight)
  );
}

function deliver(shipment: KnownShipment, { deliveredAt }: DeliverShipment): ShipmentDecision {
  switch (shipment.status) {
    case "scheduled":
      return notDispatched(shipment);
    case "dispatched":
      return [{ type: "ShipmentDelivered", data: { ...idsOf(shipment.scheduled), deliveredAt } }];
    case "delivered":
      return [];
    case "cancelled":
    case "lost":
      return ended(shipment.status, shipment);
  }
}

function cancel(shipment: KnownShipment, { reason }: CancelShipment): ShipmentDecision {
  switch (shipment.status) {
    case "scheduled":
    case "dispatched":
      return [
        { type: "ShipmentCancelled", data: { ...idsOf(shipment.scheduled), reason, cancelledFrom: shipment.status } },
      ];
    case "cancelled":
    case "lost":
      return [];
    case "delivered":
      return ended(shipment.status, shipment);
  }
}

function reportLost(shipment: KnownShipment, { reason }: ReportShipmentLost): ShipmentDecision {
  switch (shipment.status) {
    case "scheduled":
      return notDispatched(shipment);
    case "dispatched":
      return [{ type: "ShipmentLost", data: { ...idsOf(shipment.scheduled), reason } }];
    case "lost":
      return [];
    case "delivered":
    case "cancelled":
      return ended(shipment.status, shipment);
  }
}

function idsOf({ shipmentId, orderId, customerId }: ScheduledShipment) {
  return { shipmentId, orderId, customerId };
}

type Scheduled = Pick<KnownShipment, "scheduled">;

const endedAs = { delivered: "SHIPMENT_DELIVERED", cancelled: "SHIPMENT_CANCELLED", lost: "SHIPMENT_LOST" } as const;

function ended(end: keyof typeof endedAs, { scheduled }: Scheduled): ShipmentRejection {
  return { rejection: endedAs[end], message: `shipment ${scheduled.shipmentId} was ${end}: schedule another one` };
}

function notDispatched({ scheduled: { shipmentId } }: Scheduled): ShipmentRejection {
  return {
    rejection: "SHIPMENT_NOT_DISPATCHED",
    message: `shipment ${shipmentId} is not dispatched: dispatch it first`,
  };
}

function alreadyDispatched({ shipmentId, carrier, dispatchedAt }: DispatchedShipment): ShipmentRejection {
  const message = `shipment ${shipmentId} went with ${carrier} at ${dispatchedAt}: schedule another one for other goods`;
  return { rejection: "SHIPMENT_ALREADY_DISPATCHED", message };
}
