/** In a row of many streams, what is set has one owner; what others add to it commutes with that, and nothing else is taken. */
import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { startOfAll } from "../../../engine/event-store/position.ts";
import { exploreDelivery } from "../../../engine/testing/explore-delivery.ts";
import { FoldedItem } from "../../../engine/replay/folded-item.ts";
import { rowItemKey } from "../../../engine/views/item.ts";
import { applyEvents } from "../../../engine/views/live-writer.ts";
import {
  defineSharedProjection,
  ProjectionDefinitionError,
  readsStream,
  type SharedRowChange,
} from "../../../engine/views/projection.ts";
import { RowChangeError } from "../../../engine/views/row-write.ts";
import { changesOf } from "../../../engine/views/stream-write.ts";
import { type EventForTest, guardAt, report, useViews } from "./views-for-test.ts";

const views = useViews();

const schema = z.strictObject({ club: z.string() });
const eventTypes = {
  Founded: { version: 1, schema: schema.extend({ name: z.string() }) },
  Dissolved: { version: 1, schema },
  Joined: { version: 1, schema },
  Left: { version: 1, schema },
} as const;

const key = (club: string) => ({ partition: club, sort: "club" });

/** A row is a club, whose stream names it, and the streams of its members count. */
const clubs = defineSharedProjection({
  name: "clubs",
  version: 1,
  categories: ["club", "member"],
  eventTypes,
  owned: ["name", "dissolved"],
  on: {
    Founded: ({ data: { club, name } }) => [{ key: key(club), set: { name }, add: { foundings: 1 } }],
    Dissolved: ({ data: { club } }) => [{ key: key(club), set: { dissolved: true }, remove: ["name"] }],
    Joined: ({ data: { club } }) => [{ key: key(club), add: { members: 1 } }],
    Left: ({ data: { club } }) => [{ key: key(club), add: { members: -1 } }],
  },
});

const founded = (club: string, name: string): EventForTest => ({ type: "Founded", data: { club, name } });
const about = (type: string, club: string): EventForTest => ({ type, data: { club } });

const refusal = (stream: string, club: string): string =>
  `stream ${stream} sets attributes of the row ["${club}","club"], which another stream owns: give each row one owner`;

describe("a row of many streams", () => {
  it("is set by the one that owns it and added to by all, in whatever way they are delivered", async () => {
    const [first, second] = [randomUUID(), randomUUID()];
    const members = [`member-${randomUUID()}`, `member-${randomUUID()}`];
    await views.append(members[0] ?? "", [about("Joined", first), about("Left", first), about("Joined", second)]);
    await views.append(`club-${first}`, [founded(first, "Chess"), founded(first, "Go")]);
    await views.append(`club-${second}`, [founded(second, "Rowing"), about("Dissolved", second)]);
    await views.append(members[1] ?? "", [about("Joined", first), about("Joined", second)]);
    const streams = [...members, `club-${first}`, `club-${second}`];
    const { eventStore, dynamodb } = views;
    expect(await exploreDelivery({ projection: clubs, eventStore, dynamodb, streams, runs: 8 })).toMatchObject({
      streams: 4,
      events: 9,
      rows: 2,
    });
  });

  it("reads the streams of all its categories", () => {
    const streams = ["club-1", "member-1", "clubs-1", "club", "-club", "order-1"];
    expect(streams.map((stream) => readsStream(clubs, stream))).toStrictEqual([true, true, false, false, false, false]);
  });

  it("is kept from a second owner, in one batch with the first or after it; the streams beside go on", async () => {
    const [club, other] = [randomUUID(), randomUUID()];
    const [owner, thief, member] = [`club-${club}`, `club-${randomUUID()}`, `member-${randomUUID()}`];
    const events = [
      ...(await views.append(owner, [founded(club, "Chess")])),
      ...(await views.append(thief, [about("Joined", other), founded(club, "Theirs")])),
      ...(await views.append(member, [about("Joined", club)])),
    ];
    const writer = await views.writer(clubs);
    const failed = await applyEvents(writer, events);
    expect(failed).toMatchObject({ applied: 3, failures: [{ stream: thief, revision: 1n }] });
    expect(failed.failures[0]?.error).toBeInstanceOf(RowChangeError);
    expect(String(failed.failures[0]?.error)).toBe(`RowChangeError: ${refusal(thief, club)}`);
    const [again] = (await applyEvents(writer, events.slice(2, 3))).failures;
    expect(String(again?.error)).toBe(`RowChangeError: ${refusal(thief, club)}`);
    // The owner itself goes on.
    const more = await views.append(owner, [founded(club, "Go")]);
    expect(await applyEvents(writer, more)).toStrictEqual(report(1));
    expect(await views.contents(writer)).toStrictEqual({
      rows: { [`${club}/club`]: { name: "Go", foundings: 2, members: 1 }, [`${other}/club`]: { members: 1 } },
      guards: Object.fromEntries(
        [...more, ...events.slice(1, 2), ...events.slice(3)].map((e) => [e.stream, guardAt(e)]),
      ),
    });
  });

  it("keeps its owner through a rebuild", async () => {
    const club = randomUUID();
    const [event, later] = await views.append(`club-${club}`, [founded(club, "Chess"), founded(club, "Go")]);
    const [foreign] = await views.append(`club-${randomUUID()}`, [founded(club, "Theirs")]);
    if (event === undefined || later === undefined || foreign === undefined) throw new Error("nothing was appended");
    const fold = (item: FoldedItem, folded: typeof event): boolean =>
      item.fold(
        folded,
        changesOf(clubs, folded).map(({ change }) => change),
        false,
      );
    const item = new FoldedItem(rowItemKey(key(club)));
    fold(item, event);
    const stored = new FoldedItem(rowItemKey(key(club)), item.toItem());
    expect(fold(stored, later)).toBe(true);
    expect(() => fold(stored, foreign)).toThrow(RowChangeError);
  });
});

describe("a change that does not commute", () => {
  const changing = (change: object) =>
    defineSharedProjection({
      ...clubs,
      eventTypes: { Joined: eventTypes.Joined },
      owned: ["name"],
      // Of such a name the types know nothing, as in code that is not type-checked.
      on: { Joined: () => [{ key: key("c"), ...change }] },
    });
  const joined = { ...about("Joined", "c"), stream: "member-1", revision: 0n, position: startOfAll };
  const stored = { ...joined, id: randomUUID(), metadata: {}, recordedAt: new Date() };

  it.each([
    [{ set: { title: "x" } }, 'attribute "title" is not owned, and streams in no order cannot set it: add, or own it'],
    [{ remove: ["title"] }, 'attribute "title" is not owned, and streams in no order cannot set it: add, or own it'],
    [{ add: { name: 1 } }, 'attribute "name" is owned: it is set by one stream, and none can add to it'],
  ])("is refused: %o", (change, message) => {
    expect(() => changesOf(changing(change), stored)).toThrow(new RowChangeError(message));
  });

  it("does not even compile where the types can tell", () => {
    const change = { key: key("c"), add: { members: 1 } } satisfies SharedRowChange satisfies SharedRowChange<"name">;
    // @ts-expect-error nothing is owned
    const set: SharedRowChange = { key: change.key, set: { name: "x" } };
    // @ts-expect-error another attribute is owned
    const other: SharedRowChange<"name"> = { key: change.key, set: { title: "x" } };
    // @ts-expect-error what is owned cannot be added to
    const added: SharedRowChange<"name"> = { key: change.key, add: { name: 1 } };
    expect([set, other, added]).toHaveLength(3);
  });

  it.each(["_writes", "pk", ""])("cannot own the engine's %o", (name) => {
    expect(() => defineSharedProjection({ ...clubs, on: {}, eventTypes: {}, owned: [name] })).toThrow(
      new ProjectionDefinitionError(
        `projection clubs: "${name}" cannot be owned: the engine keeps "pk", "sk" and names that start with "_"`,
      ),
    );
  });
});
