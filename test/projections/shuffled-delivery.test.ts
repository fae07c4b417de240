/** However the events of the same streams are delivered, each view of the project ends in the rows of their plain fold. */
import { jsonEvent } from "@eventstore/db-client";
import { beforeAll, describe, expect, it } from "vitest";
import { exploreDelivery } from "../../engine/testing/explore-delivery.ts";
import { projections } from "../../projections/registry.ts";
import { useViews } from "../engine/views/views-for-test.ts";
import { histories } from "./histories.ts";

const views = useViews();
const streams: string[] = [];

beforeAll(async () => {
  for (const { stream, events } of histories()) {
    const stored = events.map(({ type, data, metadata = {} }) => jsonEvent({ type, data, metadata }));
    await views.store.client.appendToStream(stream, stored);
    streams.push(stream);
  }
});

describe.each(projections)("$name", (projection) => {
  it("is the fold of its events, in whatever way they are delivered", async () => {
    const { eventStore, dynamodb } = views;
    const explored = await exploreDelivery({ projection, eventStore, dynamodb, streams, runs: 8 });
    expect(explored).toMatchObject({ streams: 9 });
    expect(explored.events).toBeGreaterThan(18);
    expect(explored.rows).toBeGreaterThan(0);
  });
});
