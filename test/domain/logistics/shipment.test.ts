/** What each command does in each state of a shipment, and what the state is kept as. */
import { describe, expect, it } from "vitest";
import { customerIdSchema, orderIdSchema, productIdSchema } from "../../../domain/kernel/schemas.ts";
import {
  cancelShipmentSchema,
  deliverShipmentSchema,
  dispatchShipmentSchema,
  maximumItems,
  reportShipmentLostSchema,
  scheduleShipmentSchema,
  type ShipmentCommand,
} from "../../../domain/logistics/commands.ts";
import { logisticsEventTypes, type ShipmentEvent } from "../../../domain/logistics/events.ts";
import {
  type Shipment,
  shipmentDecider,
  type ShipmentRejection,
  shipmentSnapshot,
} from "../../../domain/logistics/shipment.ts";
import { shipmentIdSchema } from "../../../domain/logistics/shipment-id.ts";
import { given } from "../../../engine/testing/given-when-then.ts";

const ids = {
  shipmentId: shipmentIdSchema.parse("S-1"),
  orderId: orderIdSchema.parse("10248"),
  customerId: customerIdSchema.parse("VINET"),
};
const usd = (amount: number) => ({ amount, currency: "USD" });
const eur = (amount: number) => ({ amount, currency: "EUR" });
const dispatchedAt = "1996-07-16T00:00:00.000Z";
const deliveredAt = "1996-07-20T00:00:00.000Z";
const item = (productId: string, quantity: number) => ({ productId: productIdSchema.parse(productId), quantity });
const items = [item("11", 12), item("42", 10)];

const scheduleWith = (content: object): ShipmentCommand => ({
  type: "ScheduleShipment",
  ...scheduleShipmentSchema.parse({ orderId: "10248", customerId: "VINET", items, currency: "USD", ...content }),
  shipmentId: ids.shipmentId,
});
const schedule = scheduleWith({});
const dispatchWith = (content: object): ShipmentCommand => {
  const body = dispatchShipmentSchema.parse({ carrier: "Federal", freight: usd(3_238), dispatchedAt, ...content });
  return { type: "DispatchShipment", ...body, dispatchedAt: body.dispatchedAt ?? "" };
};
const dispatch = dispatchWith({});
const deliver: ShipmentCommand = { type: "DeliverShipment", ...deliverShipmentSchema.parse({}), deliveredAt };
const cancel: ShipmentCommand = { type: "CancelShipment", ...cancelShipmentSchema.parse({ reason: "no stock" }) };
const lost: ShipmentCommand = { type: "ReportShipmentLost", ...reportShipmentLostSchema.parse({ reason: "storm" }) };

const wasScheduled: ShipmentEvent = { type: "ShipmentScheduled", data: { ...ids, items, currency: "USD" } };
const wasDispatched: ShipmentEvent = {
  type: "ShipmentDispatched",
  data: { ...ids, carrier: "Federal", freight: usd(3_238), dispatchedAt },
};
const wasDelivered: ShipmentEvent = { type: "ShipmentDelivered", data: { ...ids, deliveredAt } };
const wasCancelled = (cancelledFrom: "scheduled" | "dispatched"): ShipmentEvent => ({
  type: "ShipmentCancelled",
  data: { ...ids, reason: "no stock", cancelledFrom },
});
const wasLost: ShipmentEvent = { type: "ShipmentLost", data: { ...ids, reason: "storm" } };

const histories = {
  unknown: [],
  scheduled: [wasScheduled],
  dispatched: [wasScheduled, wasDispatched],
  delivered: [wasScheduled, wasDispatched, wasDelivered],
  cancelled: [wasScheduled, wasCancelled("scheduled")],
  "cancelled after it was dispatched": [wasScheduled, wasDispatched, wasCancelled("dispatched")],
  lost: [wasScheduled, wasDispatched, wasLost],
} as const satisfies Record<string, readonly ShipmentEvent[]>;

const nothing: readonly ShipmentEvent[] = [];
const notFound: ShipmentRejection = {
  rejection: "SHIPMENT_NOT_FOUND",
  message: "there is no such shipment: schedule it first",
};
const notDispatched: ShipmentRejection = {
  rejection: "SHIPMENT_NOT_DISPATCHED",
  message: "shipment S-1 is not dispatched: dispatch it first",
};
const alreadyDispatched: ShipmentRejection = {
  rejection: "SHIPMENT_ALREADY_DISPATCHED",
  message: "shipment S-1 went with Federal at 1996-07-16T00:00:00.000Z: schedule another one for other goods",
};
const isDelivered: ShipmentRejection = {
  rejection: "SHIPMENT_DELIVERED",
  message: "shipment S-1 was delivered: schedule another one",
};
const isCancelled: ShipmentRejection = {
  rejection: "SHIPMENT_CANCELLED",
  message: "shipment S-1 was cancelled: schedule another one",
};
const isLost: ShipmentRejection = {
  rejection: "SHIPMENT_LOST",
  message: "shipment S-1 was lost: schedule another one",
};

type Outcomes = Record<keyof typeof histories, readonly ShipmentEvent[] | ShipmentRejection>;

const everyState = (outcomes: Outcomes) =>
  Object.entries(outcomes).map(([state, outcome]) => {
    // The record has a key for each of the histories and no other; only Object.entries forgets it.
    return [state as keyof typeof histories, outcome] as const;
  });

describe("scheduling a shipment", () => {
  it.each(
    everyState({
      unknown: [wasScheduled],
      scheduled: nothing,
      dispatched: nothing,
      delivered: nothing,
      cancelled: nothing,
      "cancelled after it was dispatched": nothing,
      lost: nothing,
    }),
  )("with the same content, when it is %s", (state, outcome) => {
    given(shipmentDecider, histories[state]).when(schedule).then(outcome);
  });

  it.each([
    { orderId: "10249" },
    { customerId: "TOMSP" },
    { currency: "EUR" },
    { items: [item("11", 12)] },
    { items: [item("11", 12), item("42", 11)] },
    { items: [item("11", 12), item("43", 10)] },
    { items: [item("42", 10), item("11", 12)] },
    { items: [...items, item("72", 5)] },
  ])("again with other content is refused: %j", (content) => {
    given(shipmentDecider, [wasScheduled]).when(scheduleWith(content)).then({
      rejection: "SHIPMENT_ALREADY_SCHEDULED",
      message: "shipment S-1 was scheduled with other content: use another id",
    });
  });

  it("takes as many items as an order has lines, and at least one", () => {
    const parse = (length: number) =>
      scheduleShipmentSchema.shape.items.safeParse(Array.from({ length }, () => item("11", 1))).success;
    expect([parse(0), parse(1), parse(maximumItems), parse(maximumItems + 1)]).toStrictEqual([
      false,
      true,
      true,
      false,
    ]);
  });
});

describe("dispatching a shipment", () => {
  it.each(
    everyState({
      unknown: notFound,
      scheduled: [wasDispatched],
      dispatched: nothing,
      delivered: isDelivered,
      cancelled: isCancelled,
      "cancelled after it was dispatched": isCancelled,
      lost: isLost,
    }),
  )("that is %s", (state, outcome) => {
    given(shipmentDecider, histories[state]).when(dispatch).then(outcome);
  });

  it.each([{ carrier: "United" }, { freight: usd(3_239) }, { freight: eur(3_238) }, { dispatchedAt: deliveredAt }])(
    "again with other data is refused: %j",
    (content) => {
      given(shipmentDecider, histories.dispatched).when(dispatchWith(content)).then(alreadyDispatched);
    },
  );

  it("is refused with freight in another currency than it was scheduled with", () => {
    given(shipmentDecider, [wasScheduled])
      .when(dispatchWith({ freight: eur(3_238) }))
      .then({ rejection: "FREIGHT_CURRENCY_MISMATCH", message: "freight is charged in USD, not EUR: convert it" });
  });

  it("may be free of freight", () => {
    given(shipmentDecider, [wasScheduled])
      .when(dispatchWith({ freight: usd(0) }))
      .then([{ type: "ShipmentDispatched", data: { ...wasDispatched.data, freight: usd(0) } }]);
    expect(dispatchShipmentSchema.safeParse({ carrier: "x", freight: usd(-1) }).success).toBe(false);
  });

  it("names a carrier of 1 to 100 characters, without the space around it", () => {
    const carrier = (name: string) => dispatchShipmentSchema.shape.carrier.safeParse(name).data;
    expect([carrier(" Federal "), carrier("x".repeat(100)), carrier(" "), carrier("x".repeat(101))]).toStrictEqual([
      "Federal",
      "x".repeat(100),
      undefined,
      undefined,
    ]);
  });
});

describe("delivering a shipment", () => {
  it.each(
    everyState({
      unknown: notFound,
      scheduled: notDispatched,
      dispatched: [wasDelivered],
      delivered: nothing,
      cancelled: isCancelled,
      "cancelled after it was dispatched": isCancelled,
      lost: isLost,
    }),
  )("that is %s", (state, outcome) => {
    given(shipmentDecider, histories[state]).when(deliver).then(outcome);
  });
});

describe("cancelling a shipment", () => {
  it.each(
    everyState({
      unknown: notFound,
      scheduled: [wasCancelled("scheduled")],
      dispatched: [wasCancelled("dispatched")],
      delivered: isDelivered,
      cancelled: nothing,
      "cancelled after it was dispatched": nothing,
      lost: nothing,
    }),
  )("that is %s", (state, outcome) => {
    given(shipmentDecider, histories[state]).when(cancel).then(outcome);
  });
});

describe("reporting a shipment lost", () => {
  it.each(
    everyState({
      unknown: notFound,
      scheduled: notDispatched,
      dispatched: [wasLost],
      delivered: isDelivered,
      cancelled: isCancelled,
      "cancelled after it was dispatched": isCancelled,
      lost: nothing,
    }),
  )("that is %s", (state, outcome) => {
    given(shipmentDecider, histories[state]).when(lost).then(outcome);
  });
});

describe("the shipment decider", () => {
  it("decides events that their own schemas accept after a trip through JSON", () => {
    for (const { type, data } of [wasScheduled, wasDispatched, wasDelivered, wasCancelled("scheduled"), wasLost]) {
      const stored: unknown = JSON.parse(JSON.stringify(data));
      expect(logisticsEventTypes[type].schema.parse(stored)).toStrictEqual(data);
    }
  });
});

describe("a snapshot of a shipment", () => {
  it.each(Object.entries(histories))("that is %s is read back as that state", (_state, history) => {
    const shipment = (history as readonly ShipmentEvent[]).reduce<Shipment>(
      (before, event) => shipmentDecider.evolve(before, event),
      shipmentDecider.initialState,
    );
    const json: unknown = JSON.parse(JSON.stringify(shipmentSnapshot.write(shipment)));
    expect(shipmentSnapshot.read(json)).toStrictEqual(shipment);
  });

  const scheduled = wasScheduled.data;

  it.each([
    null,
    {},
    { status: "unknown", scheduled },
    { status: "scheduled" },
    { status: "dispatched", scheduled },
    { status: "delivered", scheduled, dispatched: wasDispatched.data },
    { status: "returned", scheduled },
    { status: "scheduled", scheduled: { ...scheduled, currency: "XYZ" } },
  ])("that is damaged is refused: %j", (json) => {
    expect(() => shipmentSnapshot.read(json)).toThrow();
  });
});
