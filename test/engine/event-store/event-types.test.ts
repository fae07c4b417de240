import { describe, expect, it } from "vitest";
import { z } from "zod";
import { EventNotUnderstoodError } from "../../../engine/event-store/errors.ts";
import { type EventTypes, readEventData } from "../../../engine/event-store/event-types.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";

const stored = (type: string, data: unknown, schemaVersion?: number): StoredEvent => ({
  id: "8b9be1f5-3c3c-4e2c-8fd8-f5a1b6b1a111",
  stream: "counter-1",
  revision: 7n,
  position: { commit: 1n, prepare: 1n },
  type,
  data,
  metadata: schemaVersion === undefined ? {} : { schemaVersion },
  recordedAt: new Date(0),
});

const types: EventTypes = {
  Counted: {
    version: 3,
    schema: z.strictObject({ by: z.int(), unit: z.string() }),
    upcasters: [(data) => ({ by: data }), (data) => ({ ...z.object({ by: z.unknown() }).parse(data), unit: "piece" })],
  },
};

describe("reading an event's data", () => {
  it("takes every older version through its upcasters, one step each", () => {
    expect(readEventData(types, stored("Counted", 5))).toStrictEqual({ by: 5, unit: "piece" });
    expect(readEventData(types, stored("Counted", { by: 5 }, 2))).toStrictEqual({ by: 5, unit: "piece" });
    expect(readEventData(types, stored("Counted", { by: 5, unit: "kg" }, 3))).toStrictEqual({ by: 5, unit: "kg" });
  });

  it.each([
    ["an unknown type", stored("Weighed", {}), "its type is unknown here"],
    ["a type named like a property of every object", stored("toString", {}), "its type is unknown here"],
    ["a newer version", stored("Counted", {}, 4), "version 4 is newer than 3"],
    ["data against its schema", stored("Counted", { by: 1.5, unit: "kg" }, 3), "does not match the schema"],
  ])("refuses %s and says where it stands", (_, event, why) => {
    const read = (): unknown => readEventData(types, event);
    expect(read).toThrow(EventNotUnderstoodError);
    expect(read).toThrow(`event 7@counter-1 of type ${event.type} cannot be read`);
    expect(read).toThrow(why);
  });
});
