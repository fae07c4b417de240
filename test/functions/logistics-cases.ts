/** What logistics is asked in the tests of its routes. */
import { type ContextCases, reason, type Request } from "./context-cases.ts";

const usd = (amount: number) => ({ amount, currency: "USD" });
const ids = { shipmentId: "@id", orderId: "10248", customerId: "VINET" };
const body = { ...ids, items: [{ productId: "11", quantity: 12 }], currency: "USD" };
const handedOver = { carrier: "Federal Shipping", freight: usd(3_238), dispatchedAt: "1996-07-16T00:00:00.000Z" };
const deliveredAt = "1996-07-18T00:00:00.000Z";

const schedule: Request = ["POST /shipments", body];
const dispatch: Request = ["POST /shipments/{shipmentId}/dispatch", handedOver];
const deliver: Request = ["POST /shipments/{shipmentId}/deliver", { deliveredAt }];
const cancel: Request = ["POST /shipments/{shipmentId}/cancel", reason];
const reportLost: Request = ["POST /shipments/{shipmentId}/report-lost", reason];

export const logisticsCases: ContextCases = {
  context: "logistics",
  category: "shipment",
  collection: "/shipments",
  idName: "shipmentId",
  notFound: "SHIPMENT_NOT_FOUND",
  mayBeEmpty: ["POST /shipments/{shipmentId}/deliver"],
  accepted: [
    {
      given: [],
      request: schedule,
      stored: { type: "ShipmentScheduled", data: body },
      wrong: [
        [{ ...body, items: [], currency: "XXX" }, "/items", "/currency"],
        [{ ...body, items: [{ productId: "11", quantity: 100_001 }] }, "/items/0/quantity"],
      ],
    },
    {
      given: [schedule],
      request: dispatch,
      stored: { type: "ShipmentDispatched", data: { ...ids, ...handedOver } },
      wrong: [
        [{ ...handedOver, carrier: " ", freight: usd(-1) }, "/carrier", "/freight/amount"],
        [{}, "/carrier", "/freight"],
      ],
    },
    {
      given: [schedule, dispatch],
      request: deliver,
      stored: { type: "ShipmentDelivered", data: { ...ids, deliveredAt } },
      wrong: [[{ deliveredAt: "yesterday" }, "/deliveredAt"]],
    },
    {
      given: [schedule],
      request: cancel,
      stored: { type: "ShipmentCancelled", data: { ...ids, ...reason, cancelledFrom: "scheduled" } },
      wrong: [[{}, "/reason"]],
    },
    {
      given: [schedule, dispatch],
      request: cancel,
      stored: { type: "ShipmentCancelled", data: { ...ids, ...reason, cancelledFrom: "dispatched" } },
    },
    {
      given: [schedule, dispatch],
      request: reportLost,
      stored: { type: "ShipmentLost", data: { ...ids, ...reason } },
      wrong: [[{}, "/reason"]],
    },
  ],
  repeated: [
    { given: [schedule, dispatch], request: schedule },
    { given: [schedule, dispatch], request: dispatch },
    { given: [schedule, dispatch, deliver], request: deliver },
    { given: [schedule, cancel], request: cancel },
    { given: [schedule, dispatch, reportLost], request: reportLost },
    { given: [schedule, dispatch, reportLost], request: cancel },
  ],
  refused: [
    {
      given: [schedule],
      request: ["POST /shipments", { ...body, customerId: "TOMSP" }],
      refusal: [409, "SHIPMENT_ALREADY_SCHEDULED"],
    },
    {
      given: [schedule, dispatch],
      request: ["POST /shipments/{shipmentId}/dispatch", { ...handedOver, carrier: "Speedy Express" }],
      refusal: [409, "SHIPMENT_ALREADY_DISPATCHED"],
    },
    { given: [schedule], request: deliver, refusal: [409, "SHIPMENT_NOT_DISPATCHED"] },
    { given: [schedule], request: reportLost, refusal: [409, "SHIPMENT_NOT_DISPATCHED"] },
    { given: [schedule, dispatch, deliver], request: cancel, refusal: [409, "SHIPMENT_DELIVERED"] },
    { given: [schedule, dispatch, deliver], request: reportLost, refusal: [409, "SHIPMENT_DELIVERED"] },
    { given: [schedule, cancel], request: dispatch, refusal: [409, "SHIPMENT_CANCELLED"] },
    { given: [schedule, dispatch, cancel], request: deliver, refusal: [409, "SHIPMENT_CANCELLED"] },
    { given: [schedule, dispatch, reportLost], request: deliver, refusal: [409, "SHIPMENT_LOST"] },
    {
      given: [schedule],
      request: [
        "POST /shipments/{shipmentId}/dispatch",
        { ...handedOver, freight: { amount: 3_238, currency: "EUR" } },
      ],
      refusal: [422, "FREIGHT_CURRENCY_MISMATCH"],
    },
  ],
};
