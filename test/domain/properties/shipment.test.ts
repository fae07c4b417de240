/** What holds of every shipment, whatever is asked of it in whichever order. */
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { expect, it } from "vitest";
import {
  cancelShipmentSchema,
  deliverShipmentSchema,
  dispatchShipmentSchema,
  reportShipmentLostSchema,
  scheduleShipmentSchema,
  type ShipmentCommand,
} from "../../../domain/logistics/commands.ts";
import { logisticsEventTypes, type ShipmentEvent } from "../../../domain/logistics/events.ts";
import { shipmentDecider, shipmentSnapshot } from "../../../domain/logistics/shipment.ts";
import { exploreDecider } from "../../../engine/testing/explore-decider.ts";
import { amounts, instants, orderIds, reasons, throughJson } from "./arbitraries.ts";

const schedule = scheduleShipmentSchema.required({ shipmentId: true });
const dispatch = dispatchShipmentSchema.required({ dispatchedAt: true });
const deliver = deliverShipmentSchema.required({ deliveredAt: true });

const items = fc.array(
  fc.record({ productId: fc.constantFrom("11", "42"), quantity: fc.constantFrom(1, 2, 100_000) }),
  { minLength: 1, maxLength: 2 },
);

const commands: fc.Arbitrary<ShipmentCommand> = fc.oneof(
  fc
    .record({ orderId: orderIds, items, currency: fc.constantFrom("USD", "USD", "EUR") })
    .map((body): ShipmentCommand => ({
      type: "ScheduleShipment",
      ...schedule.parse({ shipmentId: "s1", customerId: "VINET", ...body }),
    })),
  fc
    .record({
      carrier: fc.constantFrom("Speedy", "United"),
      freight: amounts(0, 1_000_000_000),
      dispatchedAt: instants,
    })
    .map((body): ShipmentCommand => ({ type: "DispatchShipment", ...dispatch.parse(body) })),
  instants.map((deliveredAt): ShipmentCommand => ({ type: "DeliverShipment", ...deliver.parse({ deliveredAt }) })),
  reasons.map((reason): ShipmentCommand => ({ type: "CancelShipment", ...cancelShipmentSchema.parse({ reason }) })),
  reasons.map((reason): ShipmentCommand => ({
    type: "ReportShipmentLost",
    ...reportShipmentLostSchema.parse({ reason }),
  })),
);

const ends: readonly ShipmentEvent["type"][] = ["ShipmentDelivered", "ShipmentCancelled", "ShipmentLost"];

it("a shipment is scheduled once, dispatched before it is delivered or lost, and ends once", () => {
  const { decided, refused, unchanged } = exploreDecider({
    decider: shipmentDecider,
    eventTypes: logisticsEventTypes,
    commands,
    runs: 1_000,
    invariants: {
      "it is scheduled first, and once": (_, [first, ...others]) =>
        (first === undefined || first.type === "ShipmentScheduled") &&
        others.every(({ type }) => type !== "ShipmentScheduled"),
      "it is dispatched at most once": (_, history) =>
        history.filter(({ type }) => type === "ShipmentDispatched").length <= 1,
      "what is delivered or lost was dispatched": (_, history) =>
        history.every(
          ({ type }, at) =>
            (type !== "ShipmentDelivered" && type !== "ShipmentLost") ||
            history.slice(0, at).some((before) => before.type === "ShipmentDispatched"),
        ),
      "it ends once, and nothing happens to it afterwards": (_, history) =>
        history.slice(0, -1).every(({ type }) => !ends.includes(type)),
      "a cancellation says whether it was dispatched": (_, history) =>
        history.every(
          ({ type, data }) =>
            type !== "ShipmentCancelled" ||
            (data.cancelledFrom === "dispatched") === history.some((event) => event.type === "ShipmentDispatched"),
        ),
      "freight is charged in the currency that it was scheduled with": (shipment, history) =>
        history.every(
          ({ type, data }) =>
            type !== "ShipmentDispatched" ||
            (shipment.status !== "unknown" && data.freight.currency === shipment.scheduled.currency),
        ),
      "all its events are about the same order of the same customer": (shipment, history) =>
        history.every(
          ({ data }) =>
            shipment.status !== "unknown" &&
            data.shipmentId === shipment.scheduled.shipmentId &&
            data.orderId === shipment.scheduled.orderId &&
            data.customerId === shipment.scheduled.customerId,
        ),
      "its snapshot is the shipment": (shipment) =>
        isDeepStrictEqual(shipmentSnapshot.read(throughJson(shipmentSnapshot.write(shipment))), shipment),
    },
  });
  expect(Object.keys(decided).toSorted()).toStrictEqual(Object.keys(logisticsEventTypes).toSorted());
  expect(Object.keys(refused).toSorted()).toStrictEqual([
    "FREIGHT_CURRENCY_MISMATCH",
    "SHIPMENT_ALREADY_DISPATCHED",
    "SHIPMENT_ALREADY_SCHEDULED",
    "SHIPMENT_CANCELLED",
    "SHIPMENT_DELIVERED",
    "SHIPMENT_LOST",
    "SHIPMENT_NOT_DISPATCHED",
    "SHIPMENT_NOT_FOUND",
  ]);
  expect(unchanged).toBeGreaterThan(0);
});
