import { describe, expect, it } from "vitest";
import { z } from "zod";
import { EventNotUnderstoodError } from "../../../engine/event-store/errors.ts";
import {
  checkEventTypes,
  EventTypeDefinitionError,
  type EventTypes,
  readEventData,
} from "../../../engine/event-store/event-types.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";

const stored = (type: string, data: unknown, schemaVersion?: unknown): StoredEvent => ({
  id: "8b9be1f5-3c3c-4e2c-8fd8-f5a1b6b1a111",
  stream: "counter-1",
  revision: 7n,
  position: { commit: 1n, prepare: 1n },
  type,
  data,
  // Metadata is what others wrote: its type states what ours holds, and nothing checks it on the way here.
  metadata: schemaVersion === undefined ? {} : { schemaVersion: schemaVersion as number },
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

  it.each([
    ["a string", "2"],
    ["zero", 0],
    ["negative", -1],
    ["a fraction", 1.5],
    ["not a number", Number.NaN],
    ["beyond what a number holds exactly", 2 ** 53],
    ["null", null],
    ["a list", [1]],
  ])("refuses a schemaVersion that is %s: it takes none for the first or the newest", (_, schemaVersion) => {
    const read = (): unknown => readEventData(types, stored("Counted", { by: 5, unit: "kg" }, schemaVersion));
    expect(read).toThrow(EventNotUnderstoodError);
    expect(read).toThrow("is not a whole number from 1; correct its writer");
  });

  it("refuses metadata that tell nothing, its version included", () => {
    const event = { ...stored("Counted", 5), metadata: { unreadable: true } as const };
    expect(() => readEventData(types, event)).toThrow("its metadata are no JSON object and tell no schemaVersion");
  });

  it("names the upcaster that fails, and carries what it threw", () => {
    const failure = new TypeError("no such field");
    const failing: EventTypes = {
      Counted: {
        version: 3,
        schema: z.unknown(),
        upcasters: [
          (data) => data,
          () => {
            throw failure;
          },
        ],
      },
    };
    const why = "its upcaster from version 2 to 3 failed";
    const error = new EventNotUnderstoodError(`event 7@counter-1 of type Counted cannot be read: ${why}`, {
      cause: failure,
    });
    expect(() => readEventData(failing, stored("Counted", {}, 1))).toThrow(error);
    expect(() => readEventData(failing, stored("Counted", {}, 2))).toThrow(error);
    expect(readEventData(failing, stored("Counted", {}, 3))).toStrictEqual({});
  });

  it("carries what a schema found", () => {
    const error: unknown = (() => {
      try {
        return readEventData(types, stored("Counted", { by: 1.5, unit: "kg" }, 3));
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toHaveProperty("code", "EVENT_NOT_UNDERSTOOD");
    expect(error).toHaveProperty("cause.issues.0.path", ["by"]);
  });
});

describe("event types", () => {
  const schema = z.unknown();
  const step = (data: unknown): unknown => data;

  it.each([
    [{ version: 1, schema }],
    [{ version: 1, schema, upcasters: [] }],
    [{ version: 2, schema, upcasters: [step] }],
    [{ version: 3, schema, upcasters: [step, step] }],
  ])("have one upcaster for each step to the current version: %o", (type) => {
    checkEventTypes({ Counted: type });
    expect(readEventData({ Counted: type }, stored("Counted", 5, type.version))).toBe(5);
  });

  it.each([
    [{ version: 2, schema }, "is at version 2 with 0 upcasters: it needs 1, one from each older version to the next"],
    [
      { version: 3, schema, upcasters: [step] },
      "is at version 3 with 1 upcasters: it needs 2, one from each older version to the next",
    ],
    [
      { version: 1, schema, upcasters: [step] },
      "is at version 1 with 1 upcasters: it needs 0, one from each older version to the next",
    ],
    [{ version: 0, schema }, "has version 0: it is a whole number from 1"],
    [{ version: 1.5, schema }, "has version 1.5: it is a whole number from 1"],
    [{ version: Number.NaN, schema }, "has version NaN: it is a whole number from 1"],
  ])("whose versions and upcasters do not go together are refused, and read no event: %o", (type, fault) => {
    expect(() => checkEventTypes({ Counted: types["Counted"] ?? type, Weighed: type })).toThrow(
      new EventTypeDefinitionError(`event type Weighed ${fault}`),
    );
    const read = (): unknown => readEventData({ Weighed: type }, stored("Weighed", {}));
    expect(read).toThrow(EventNotUnderstoodError);
    expect(read).toThrow(`cannot be read: its type ${fault}`);
  });
});
