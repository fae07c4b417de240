/** However the events of the same streams are delivered, each view of the project ends in the rows of their plain fold. */
import { jsonEvent } from "@eventstore/db-client";
import { beforeAll, describe, expect, it } from "vitest";
import { exploreDelivery } from "../../engine/testing/explore-delivery.ts";
import { categoriesOf, readsStream } from "../../engine/views/projection.ts";
import { projections } from "../../projections/registry.ts";
import { useViews } from "../engine/views/views-for-test.ts";
import { histories } from "./histories.ts";

const views = useViews();
const given = histories();
const streams: string[] = [];

beforeAll(async () => {
  for (const { stream, events } of given) {
    const stored = events.map(({ type, data, metadata = {} }) => jsonEvent({ type, data, metadata }));
    await views.store.client.appendToStream(stream, stored);
    streams.push(stream);
  }
});

describe.each(projections)("$name", (projection) => {
  it("meets every type of event that it lists", () => {
    const met = given.flatMap(({ stream, events }) => (readsStream(projection, stream) ? events : []));
    const types = new Set(met.map(({ type }) => type));
    expect(Object.keys(projection.eventTypes).filter((type) => !types.has(type))).toStrictEqual([]);
  });

  it("is the fold of its events, in whatever way they are delivered", async () => {
    const { eventStore, dynamodb } = views;
    const explored = await exploreDelivery({ projection, eventStore, dynamodb, streams, runs: 6 });
    expect(explored).toMatchObject({ streams: 9 * categoriesOf(projection).length });
    expect(explored.events).toBeGreaterThan(18);
    expect(explored.rows).toBeGreaterThan(0);
  });
});
