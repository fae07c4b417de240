/** What docs/projections.md shows of testing a view: its rows, and that no way of delivery changes them. */
import { randomUUID } from "node:crypto";
import { jsonEvent } from "@eventstore/db-client";
import { expect, it } from "vitest";
import { exploreDelivery } from "../../../engine/testing/explore-delivery.ts";
import { applyEvents } from "../../../engine/views/live-writer.ts";
import { useViews } from "../../engine/views/views-for-test.ts";
import { freightByCarrier } from "./freight-by-carrier.ts";

const views = useViews();

const dispatched = (carrier: string, amount: number, currency = "USD") =>
  jsonEvent({
    type: "ShipmentDispatched",
    data: {
      shipmentId: "1",
      orderId: "1",
      customerId: "VINET",
      carrier,
      freight: { amount, currency },
      dispatchedAt: "1996-07-16T00:00:00.000Z",
    },
  });

const append = (stream: string, ...events: ReturnType<typeof dispatched>[]) =>
  views.store.client.appendToStream(stream, events);

it("adds up the freight of each carrier and currency", async () => {
  const stream = `shipment-${randomUUID()}`;
  await append(stream, dispatched("Speedy", 3_238), dispatched("Speedy", 1_161));
  const writer = await views.writer(freightByCarrier);
  for await (const event of views.eventStore.readStream(stream)) await applyEvents(writer, [event]);
  expect((await views.contents(writer)).rows).toStrictEqual({
    "carriers/Speedy#USD": { shipments: 2, freight: 4_399 },
  });
});

it("is the fold of its events, in whatever way they are delivered", async () => {
  const streams = [`shipment-${randomUUID()}`, `shipment-${randomUUID()}`];
  for (const stream of streams) {
    await append(stream, dispatched("Speedy", 3_238), dispatched("Federal", 1_161, "EUR"));
  }
  const { eventStore, dynamodb } = views;
  const explored = await exploreDelivery({ projection: freightByCarrier, eventStore, dynamodb, streams });
  expect(explored).toMatchObject({ streams: 2, events: 4, rows: 2 });
});
