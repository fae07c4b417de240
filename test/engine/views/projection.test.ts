/** A projection that cannot work is refused where it is defined, and events reach the handler of their type only. */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { startOfAll } from "../../../engine/event-store/position.ts";
import {
  defineOnePerStreamProjection,
  defineSharedProjection,
  idOfStream,
  isListed,
  ProjectionDefinitionError,
  readsStream,
  type SharedProjection,
} from "../../../engine/views/projection.ts";

const eventTypes = { Opened: { version: 1, schema: z.strictObject({ owner: z.string() }) } } as const;

const definition = {
  name: "open-accounts",
  version: 1,
  category: "account",
  eventTypes,
  rowOf: (id: string) => ({ partition: id, sort: "account" }),
  on: { Opened: ({ data: { owner } }: { data: { owner: string } }) => ({ set: { owner } }) },
};

const { name, version, categories }: Pick<SharedProjection, "name" | "version" | "categories"> = {
  name: "open-accounts",
  version: 1,
  categories: ["account", "branch"],
};
const sharedDefinition = { name, version, categories, eventTypes };

const event = (type: string) => ({
  type,
  data: { owner: "Ada" },
  stream: "account-1",
  revision: 0n,
  position: startOfAll,
});

describe("a definition is refused", () => {
  const nameRule = (name: string): string =>
    `projection name "${name}": use at most 64 of a-z, 0-9, words joined by "-"`;

  it.each([
    ...["", "Accounts", "open_accounts", "-accounts", "accounts-", "open--accounts", "1st", "a b", "a".repeat(65)].map(
      (name) => [{ name }, nameRule(name)] as const,
    ),
    ...[0, -1, 1.5, Number.NaN].map(
      (version) => [{ version }, `projection open-accounts: version is a whole number from 1, not ${version}`] as const,
    ),
    ...["", "account-eu", "account-"].map(
      (category) =>
        [{ category }, `projection open-accounts: category "${category}" must be what stands before the "-"`] as const,
    ),
    ...[
      { name: "by-guard", partition: "_revision", sort: "rank" },
      { name: "by-guard", partition: "owner", sort: "_writes" },
    ].map(
      (index) =>
        [
          { indexes: [{ name: "fine", partition: "owner", sort: "rank" }, index] },
          'projection open-accounts: index by-guard is on a name the engine keeps ("_")',
        ] as const,
    ),
  ])("with %o", (change, message) => {
    const error = new ProjectionDefinitionError(message);
    expect(error.code).toBe("PROJECTION_DEFINITION");
    expect(() => defineOnePerStreamProjection({ ...definition, ...change })).toThrow(error);
    const { category, ...rest } = { ...definition, on: { Opened: () => [] }, ...change };
    expect(() => defineSharedProjection({ ...rest, categories: [category] })).toThrow(error);
  });

  it.each(["a", "a1-b2", "a".repeat(64)])("but not for the name %s", (name) => {
    expect(defineOnePerStreamProjection({ ...definition, name }).name).toBe(name);
  });
});

describe("a projection", () => {
  const projection = defineOnePerStreamProjection(definition);

  it("hands an event to the handler of its type", () => {
    expect(projection.changes(event("Opened"))).toStrictEqual({ set: { owner: "Ada" } });
  });

  it("lists its event types and nothing that objects have by themselves", () => {
    expect(
      ["Opened", "Closed", "toString", "constructor", "__proto__"].map((type) => isListed(projection, type)),
    ).toStrictEqual([true, false, false, false, false]);
  });

  it("has a handler for every listed type, or says which is missing", () => {
    const listed = { ...eventTypes, Closed: { version: 1, schema: z.strictObject({}) } };
    const incomplete = { ...definition, eventTypes: listed };
    // @ts-expect-error the type refuses it too; code that is not type-checked may still come this way
    expect(() => defineOnePerStreamProjection(incomplete).changes(event("Closed"))).toThrow(
      new ProjectionDefinitionError("no handler for listed event type Closed"),
    );
  });

  it("reads the streams of its category only, and takes what stands behind it for the id", () => {
    expect(
      ["account-1", "account-", "account-a-b", "account", "accounts-1", "$$account-1", "order-account-1"].map(
        (stream) => readsStream(projection, stream),
      ),
    ).toStrictEqual([true, true, true, false, false, false, false]);
    expect(["account-1", "account-a-b"].map((stream) => idOfStream(projection, stream))).toStrictEqual(["1", "a-b"]);
  });

  it("has no text that a table cannot hold: half of a character becomes U+FFFD, all else stays as it is", () => {
    const half = "a\ud83d";
    const change = { set: { owner: half, deep: [{ [half]: "\ude00" }, 1, null, "😀"] }, add: { n: 1 } };
    const owned = defineOnePerStreamProjection({ ...definition, on: { Opened: () => change } });
    expect(owned.changes(event("Opened"))).toStrictEqual({
      set: { owner: "a\ufffd", deep: [{ "a\ufffd": "\ufffd" }, 1, null, "😀"] },
      add: { n: 1 },
    });
    const keyed = { key: { partition: half, sort: "s" }, add: { n: 1 } };
    const shared = defineSharedProjection({ ...sharedDefinition, on: { Opened: () => [keyed] } });
    expect(shared.changes(event("Opened"))).toStrictEqual([{ ...keyed, key: { partition: "a\ufffd", sort: "s" } }]);
    const whole = { set: { owner: "😀" } };
    const untouched = defineOnePerStreamProjection({ ...definition, on: { Opened: () => whole } });
    expect(untouched.changes(event("Opened"))).toBe(whole);
  });
});
