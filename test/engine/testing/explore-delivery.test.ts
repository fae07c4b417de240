/** Projections that are at fault are found, each by the fewest events or deliveries that show it; a sound one passes. */
import { randomUUID } from "node:crypto";
import { jsonEvent } from "@eventstore/db-client";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import {
  type DeliveryExploration,
  exploreDelivery,
  type ExploredDeliveries,
  ProjectionFaultError,
} from "../../../engine/testing/explore-delivery.ts";
import {
  defineOnePerStreamProjection,
  defineSharedProjection,
  type OwnedRowChange,
  type Projection,
} from "../../../engine/views/projection.ts";
import { faultyDynamoDB, useViews } from "../views/views-for-test.ts";

const views = useViews();
const streams: string[] = [];

/** Three boxes of letters, and a stream of another category. */
beforeAll(async () => {
  const boxes: Record<string, number[]> = { "box-a": [1, 2, 3], "box-b": [4, 5], "box-c": [6], "crate-d": [7] };
  for (const [name, letters] of Object.entries(boxes)) {
    const stream = `${name}${randomUUID().replaceAll("-", "")}`;
    const events = letters.map((weight) => jsonEvent({ type: "Dropped", data: { weight } }));
    await views.store.client.appendToStream(stream, events);
    streams.push(stream);
  }
});

const eventTypes = { Dropped: { version: 1, schema: z.strictObject({ weight: z.int() }) } };
const common = { name: "boxes", version: 1, eventTypes } as const;
type Dropped = { readonly data: { readonly weight: number } };

const owned = (Changes: (event: Dropped) => OwnedRowChange, rowOf = (id: string) => id): Projection =>
  defineOnePerStreamProjection({
    ...common,
    category: "box",
    rowOf: (id) => ({ partition: rowOf(id), sort: "box" }),
    on: { Dropped: Changes },
  });

const explore = (projection: Projection, more: Partial<DeliveryExploration> = {}): Promise<ExploredDeliveries> =>
  exploreDelivery({ projection, eventStore: views.eventStore, dynamodb: views.dynamodb, streams, ...more });

async function faultOf(projection: Projection, more: Partial<DeliveryExploration> = {}): Promise<ProjectionFaultError> {
  const error: unknown = await explore(projection, more).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof ProjectionFaultError) return error;
  throw new Error("no fault was found", { cause: error });
}

const sum = owned(({ data: { weight } }) => ({ set: { last: weight }, add: { total: weight } }));

describe("a sound projection", () => {
  it("passes, and what was explored is counted", async () => {
    expect(await explore(sum, { seed: 5 })).toStrictEqual({ seed: 5, streams: 3, events: 6, rows: 3 });
    const shared = defineSharedProjection({
      ...common,
      categories: ["box"],
      on: { Dropped: ({ data: { weight } }) => [{ key: { partition: "all", sort: "box" }, add: { weight } }] },
    });
    expect(await explore(shared)).toMatchObject({ streams: 3, events: 6, rows: 1 });
  });

  it("may delete its rows, and hold what is -0", async () => {
    const odd = owned(({ data: { weight } }) => (weight % 2 === 0 ? { delete: true } : { set: { weight, zero: -0 } }));
    expect(await explore(odd)).toMatchObject({ rows: 2 });
  });
});

describe("a fault", () => {
  it("of rows that two streams share is told by two events", async () => {
    const fault = await faultOf(
      owned(
        ({ data: { weight } }) => ({ set: { last: weight } }),
        () => "one",
      ),
    );
    expect(fault.code).toBe("PROJECTION_FAULT");
    expect(fault.message).toMatch(/^boxes: its rows depend on the order in which streams are folded\n/);
    const events = fault.message.split("\n").filter((line) => line.includes("Dropped"));
    expect(events).toHaveLength(2);
    expect(fault.message).toContain("one / box");
    expect(fault.message).toMatch(/\nSeed: repeat with TIDEMARK_SEED=\d+$/);
  });

  it("of a function that remembers is told by the event", async () => {
    let asked = 0;
    const fault = await faultOf(owned(() => ({ set: { asked: (asked += 1) } })));
    expect(fault.message).toMatch(/^boxes makes other changes of 0@box-a\w+ when it is asked again\n/);
  });

  it("of a change that no row can take is told by the event, and carries the error", async () => {
    const fault = await faultOf(owned(({ data: { weight } }) => ({ set: { [weight === 5 ? "pk" : "fine"]: weight } })));
    expect(fault.message).toContain("1@box-b");
    expect(fault.cause).toMatchObject({ code: "ROW_CHANGE" });
  });

  it("of a row that no table can take is told by one delivery, and the last event of its stream", async () => {
    const large = owned(({ data: { weight } }) => ({ set: { text: "x".repeat(weight === 3 ? 500_000 : 1) } }));
    const fault = await faultOf(large);
    expect(fault.message).toMatch(/^boxes: event 2@box-a\w+ cannot be applied\nBatches, the fewest that show it, to/);
    expect(fault.message.split("\n").filter((line) => /^ {2}\d\. /.test(line))).toHaveLength(2);
    expect(fault.message).toContain("\nError\n  ValidationException");
  });

  it("of whoever writes the rows is told by the deliveries", async () => {
    const lying = faultyDynamoDB([], (_, send) => send());
    lying.middlewareStack.add(
      (next) => (args) => {
        const input = JSON.stringify(args.input).replaceAll('{"N":"6"}', '{"N":"60"}');
        return next({ ...args, input: JSON.parse(input) as typeof args.input });
      },
      { step: "initialize" },
    );
    const fault = await faultOf(
      owned(({ data: { weight } }) => ({ set: { weight } })),
      { dynamodb: lying },
    );
    expect(fault.message).toMatch(/^boxes: its rows are not what its events say\nBatches, the fewest that show it, to/);
    expect(fault.message).toContain("0@box-c");
    expect(fault.message).not.toContain("@box-a");
    lying.destroy();
  });

  it("comes again with its seed", async () => {
    const faulty = owned(
      ({ data: { weight } }) => ({ set: { last: weight } }),
      () => "one",
    );
    const first = await faultOf(faulty);
    const seed = /TIDEMARK_SEED=(\d+)$/.exec(first.message)?.[1] ?? "";
    vi.stubEnv("TIDEMARK_SEED", seed);
    expect((await faultOf(faulty)).message).toBe(first.message);
    vi.unstubAllEnvs();
  });

  it("of the servers is none of the projection's, and is passed on", async () => {
    const dynamodb = { send: () => Promise.reject(new Error("no table today")) } as never;
    await expect(explore(sum, { dynamodb })).rejects.toThrow("no table today");
  });

  it("is not looked for where there is nothing to explore", async () => {
    await expect(explore(sum, { streams: [] })).rejects.toThrow("no event of box- in the streams: give some");
    await expect(explore(sum, { runs: 0 })).rejects.toThrow("runs: 0 explores nothing: give 1 or more");
  });
});
