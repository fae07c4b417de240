/** The lag of real views over a real log that nobody delivers: exact numbers, whatever a subscriber would believe. */
import { randomUUID } from "node:crypto";
import { DeleteTableCommand } from "@aws-sdk/client-dynamodb";
import {
  type PersistentSubscriptionToAll,
  persistentSubscriptionToAllSettingsFromDefaults,
  START,
  streamNameFilter,
} from "@eventstore/db-client";
import { describe, expect, it } from "vitest";
import { ensureGroup } from "../../../engine/delivery/consumer-group.ts";
import { type Lag, type LagReport, lagSeconds, type LagTarget, measureLag } from "../../../engine/delivery/lag.ts";
import { type FilterCriteria, subscriptionSettings } from "../../../engine/delivery/subscription-settings.ts";
import type { EventMetadata } from "../../../engine/event-store/stored-event.ts";
import { categoriesOf } from "../../../engine/views/projection.ts";
import { moved, opened, unlisted, unreadable, type ViewUnderCheck } from "../consistency/view-under-check.ts";
import { useStores } from "../consistency/stores-for-views.ts";

const stores = useStores();

/** Streams that no view of these tests reads. */
async function appendElsewhere(stream: string, types: readonly string[], metadata: EventMetadata = {}): Promise<void> {
  const events = types.map((type) => ({ id: randomUUID(), type, data: {}, metadata }));
  expect(await stores.store.append(stream, "no_stream", events)).toMatchObject({ outcome: "appended" });
}

function targetOf({ projection }: ViewUnderCheck, name = newName()): LagTarget {
  const settings = subscriptionSettings({ name, functionName: "f", categories: [...categoriesOf(projection)] });
  return { settings, view: { name: projection.name, versions: [projection] } };
}

/** Without guards: what is acknowledged is all that is known of it. */
function functionOf(categories: string[], filterCriteria?: FilterCriteria, name = newName()): LagTarget {
  return { settings: subscriptionSettings({ name, functionName: "f", categories, filterCriteria }) };
}

const newName = (): string => `g-${randomUUID()}`;

const categoryOf = ({ projection }: ViewUnderCheck): string => categoriesOf(projection)[0];

function contextOf({ catalog }: Pick<ViewUnderCheck, "catalog">) {
  return { eventStore: stores.store, dynamodb: stores.dynamodb, catalog };
}

async function measured(view: ViewUnderCheck, targets = [targetOf(view)], eventsRead?: number): Promise<LagReport[]> {
  return measureLag(contextOf(view), targets, eventsRead === undefined ? {} : { eventsRead });
}

const lagIn = ({ outcome }: LagReport): Lag | string => ("lag" in outcome ? outcome.lag : String(outcome.error));

async function lagOf(view: ViewUnderCheck): Promise<Lag | string> {
  const [report] = await measured(view);
  return report === undefined ? "no report" : lagIn(report);
}

const none: Lag = { events: 0, bound: "exact" };

/** So many events, of which the `first`th of the view's own log is the oldest. */
async function behind(view: ViewUnderCheck, events: number, first: number): Promise<Lag> {
  const oldest = (await view.events())[first];
  if (oldest === undefined) throw new Error(`the view has no event ${first}`);
  return { events, bound: "exact", oldestAt: oldest.recordedAt };
}

/** The group of a trigger over the view's streams, with a checkpoint that follows each ack; and its consumer. */
async function consumedGroup(
  view: ViewUnderCheck,
): Promise<{ name: string; group: string; consumer: PersistentSubscriptionToAll }> {
  const { client } = stores.store;
  const name = newName();
  const { group } = functionOf([categoryOf(view)], undefined, name).settings;
  const settings = persistentSubscriptionToAllSettingsFromDefaults({
    startFrom: START,
    checkPointLowerBound: 1,
    checkPointUpperBound: 1,
  });
  const filter = streamNameFilter({ prefixes: [`${categoryOf(view)}-`] });
  await client.createPersistentSubscriptionToAll(group, settings, { filter });
  return { name, group, consumer: client.subscribeToPersistentSubscriptionToAll(group) };
}

/** Takes and acknowledges so many events, and waits until the group's checkpoint says so. */
async function acknowledge(
  view: ViewUnderCheck,
  { group, consumer }: Awaited<ReturnType<typeof consumedGroup>>,
  events: number,
): Promise<void> {
  let taken = 0;
  for await (const event of consumer) {
    await consumer.ack(event);
    taken += 1;
    if (taken === events) break;
  }
  const last = (await view.events())[events - 1];
  await expect
    .poll(async () => {
      const { stats } = await stores.store.client.getPersistentSubscriptionToAllInfo(group);
      return stats.lastCheckpointedEventPosition?.commit ?? -1n;
    })
    .toBeGreaterThanOrEqual(last?.position.commit ?? 0n);
}

describe.each(["one-per-stream", "shared"] as const)("the lag of a view with rows %s", (kind) => {
  it("is every event of its streams, and no other, as long as there is no group and nothing is applied", async () => {
    const view = await stores.view(kind);
    expect(await lagOf(view)).toStrictEqual(none);
    await appendElsewhere(`other-${randomUUID()}`, ["Opened", "Moved"]);
    await view.append("a", opened, moved(1));
    await appendElsewhere(`${categoryOf(view)}x-${randomUUID()}`, ["Opened"]);
    await view.append("b", opened, unlisted, moved(2));
    expect(await lagOf(view)).toStrictEqual(await behind(view, 5, 0));
  });

  it("is what the guards have not seen, to the last event", async () => {
    const view = await stores.view(kind);
    await view.append("a", opened, moved(1));
    await view.append("b", opened, moved(2));
    await view.append("a", moved(3), moved(4));
    const events = await view.events();
    await view.deliver(events.slice(0, 1));
    expect(await lagOf(view)).toStrictEqual(await behind(view, 5, 1));
    await view.deliver(events.filter(({ stream }) => stream === view.streamOf("b")));
    expect(await lagOf(view)).toStrictEqual(await behind(view, 3, 1));
    await view.deliver();
    expect(await lagOf(view)).toStrictEqual(none);
    await view.append("c", opened);
    expect(await lagOf(view)).toStrictEqual(await behind(view, 1, 6));
  });

  it("holds an event that cannot be applied, and all that wait behind it", async () => {
    const view = await stores.view(kind);
    await view.append("good", opened, moved(1));
    await view.append("bad", opened, unreadable, moved(2), moved(3));
    await view.deliver();
    expect(await lagOf(view)).toStrictEqual(await behind(view, 3, 3));
  });

  it("holds what is cut off, deleted or sealed in its stream and not applied yet, but no tombstone", async () => {
    const view = await stores.view(kind);
    const { client } = stores.store;
    for (const id of ["cut", "deleted", "sealed"]) await view.append(id, opened, moved(1), moved(2));
    await client.setStreamMetadata(view.streamOf("cut"), { truncateBefore: 2 });
    await client.deleteStream(view.streamOf("deleted"));
    await client.tombstoneStream(view.streamOf("sealed"));
    expect(await lagOf(view)).toStrictEqual(await behind(view, 9, 0));
    await view.deliver();
    expect(await lagOf(view)).toStrictEqual(none);
  });

  it("is everything while no generation is live, and names none", async () => {
    const view = await stores.view(kind);
    await view.append("a", opened, moved(1));
    await view.deliver();
    const target = targetOf(view);
    const { name } = view.projection;
    const { id, version } = await view.live();
    const told = { group: target.settings.group, view: name };
    expect(await measured(view, [target])).toStrictEqual([
      { ...told, generation: { id, version }, outcome: { lag: none } },
    ]);
    await view.catalog.transition(await view.catalog.read(name), []);
    expect(await measured(view, [target])).toStrictEqual([{ ...told, outcome: { lag: await behind(view, 2, 0) } }]);
  });
});

describe("the lag", () => {
  it("asks for no guards of what stands before the checkpoint, and costs one read of the catalog where nothing is new", async () => {
    const view = await stores.view("shared");
    await view.append("a", opened, moved(1));
    await view.append("b", opened);
    await view.deliver();
    const consumed = await consumedGroup(view);
    await acknowledge(view, consumed, 3);
    const sent: string[] = [];
    const dynamodb = stores.dynamodb;
    const name = `count-${randomUUID()}`;
    dynamodb.middlewareStack.add(
      (next, { commandName = "" }) =>
        (args) => {
          sent.push(commandName);
          return next(args);
        },
      { step: "initialize", name },
    );
    const target = targetOf(view, consumed.name);
    const [caughtUp] = await measured(view, [target]);
    const whenCaughtUp = sent.splice(0);
    await view.append("b", moved(2));
    const [late] = await measured(view, [target]);
    dynamodb.middlewareStack.remove(name);
    expect([caughtUp, late].map((report) => report?.outcome)).toStrictEqual([
      { lag: none },
      { lag: await behind(view, 1, 3) },
    ]);
    expect({ whenCaughtUp, whenLate: sent }).toStrictEqual({
      whenCaughtUp: ["GetItemCommand"],
      whenLate: ["GetItemCommand", "BatchGetItemCommand"],
    });
    await consumed.consumer.unsubscribe();
  });

  it("of a function without guards is at most what its filter lets through behind the checkpoint", async () => {
    const view = await stores.view("shared");
    const category = categoryOf(view);
    await view.append("a", opened, moved(1), moved(2));
    const marked = `${category}-marked`;
    await appendElsewhere(marked, ["Moved", "Closed"], { snapshotDue: true });
    const consumed = await consumedGroup(view);
    await acknowledge(view, consumed, 2);
    const targets = [
      functionOf([category], undefined, consumed.name),
      functionOf([category]),
      functionOf([category], { type: ["Moved"] }),
      functionOf([category], { metadata: { snapshotDue: [true] } }),
      functionOf(["nobody"]),
    ];
    const [, , third] = await view.events();
    const [first, second] = await view.events();
    const [dueFirst] = (await view.events()).filter(({ stream }) => stream === marked);
    const atMost = (events: number, oldestAt: Date | undefined) => ({ events, bound: "at most", oldestAt });
    expect((await measured(view, targets)).map(lagIn)).toStrictEqual([
      atMost(3, third?.recordedAt),
      atMost(5, first?.recordedAt),
      atMost(3, second?.recordedAt),
      atMost(2, dueFirst?.recordedAt),
      none,
    ]);
    await consumed.consumer.unsubscribe();
  });

  it("goes on from a group's predecessor where its own is not made yet, or has acknowledged nothing", async () => {
    const view = await stores.view("shared");
    await view.append("a", opened, moved(1), moved(2));
    const predecessor = await consumedGroup(view);
    await acknowledge(view, predecessor, 2);
    const categories = [categoryOf(view), `never${randomUUID().slice(0, 8)}`];
    const third = (await view.events())[2];
    const narrower = {
      ...functionOf([categoryOf(view)], undefined, predecessor.name).settings,
      group: `${predecessor.name}.other`,
    };
    const all: Lag = { events: 3, bound: "at most", oldestAt: (await view.events())[0]?.recordedAt ?? new Date(0) };
    const rest: Lag = { events: 1, bound: "at most", oldestAt: third?.recordedAt ?? new Date(0) };
    // One that reads more begins at the start, as it will when it is made.
    const targets = [{ settings: narrower }, functionOf(categories, undefined, predecessor.name)];
    expect((await measured(view, targets)).map(lagIn)).toStrictEqual([rest, all]);
    expect(await ensureGroup(stores.store.client, narrower, true)).toBe("created");
    expect((await measured(view, targets.slice(0, 1))).map(lagIn)).toStrictEqual([rest]);
    await predecessor.consumer.unsubscribe();
  });

  it("is told to its limit of a subscription that is far behind, and exactly of one beside it that is not", async () => {
    const [far, near] = [await stores.view("shared"), await stores.view("shared")];
    await near.append("a", opened, moved(1));
    await near.deliver();
    const consumed = await consumedGroup(near);
    await acknowledge(near, consumed, 2);
    await far.append("a", opened, moved(1), moved(2));
    await near.append("b", opened);
    const targets = [targetOf(near, consumed.name), targetOf(far), functionOf([categoryOf(far)])];
    const beforeFar = await eventsBefore(far);
    // From the start of the log to the second event of the view that nobody has read.
    const reports = await measured(near, targets, beforeFar + 2);
    const oldestAt = (await far.events())[0]?.recordedAt;
    expect(reports.map(lagIn)).toStrictEqual([
      await behind(near, 1, 2),
      { events: 2, bound: "at least", oldestAt },
      { events: 2, bound: "about", oldestAt },
    ]);
    await consumed.consumer.unsubscribe();
  });

  it("is looked for behind what is applied and not acknowledged, and not taken for none where that has no end", async () => {
    const view = await stores.view("shared");
    await view.append("a", opened, ...Array.from({ length: 40 }, (_, index) => moved(index)));
    await view.deliver();
    await view.append("late", opened);
    const reads = (await eventsBefore(view)) + 42;
    const [found] = await measured(view, [targetOf(view)], Math.ceil(reads / 9));
    expect(found?.outcome).toStrictEqual({ lag: await behind(view, 1, 41) });
    const [given] = await measured(view, [targetOf(view)], 2);
    expect(given?.outcome).toMatchObject({ error: { code: "LAG_NOT_FOUND" } });
  });

  it("is told by the generation that is live now, when the one before was removed between catalog and guards", async () => {
    const view = await stores.view("shared");
    await view.append("a", opened, moved(1));
    const { name } = view.projection;
    const before = await view.catalog.read(name);
    const { id, version } = await view.goLive("g2");
    await view.deliver((await view.events()).slice(0, 1));
    await stores.dynamodb.send(new DeleteTableCommand({ TableName: `${name}-g1` }));
    const seen = [before];
    const catalog = { read: async (asked: string) => seen.pop() ?? view.catalog.read(asked) };
    const [report] = await measureLag({ ...contextOf(view), catalog }, [targetOf(view)]);
    expect(report).toMatchObject({ generation: { id, version }, outcome: { lag: await behind(view, 1, 1) } });
  });

  it("of one view that cannot be told says why, and keeps no other from being told", async () => {
    const [broken, undeployed, sound] = [
      await stores.view("shared"),
      await stores.view("shared"),
      await stores.view("shared"),
    ];
    for (const view of [broken, undeployed, sound]) await view.append("a", opened);
    await stores.dynamodb.send(new DeleteTableCommand({ TableName: (await broken.live()).table }));
    const { name } = undeployed.projection;
    await undeployed.catalog.transition(await undeployed.catalog.read(name), [
      { ...(await undeployed.live()), version: 7 },
    ]);
    const reports = await measured(
      sound,
      [broken, undeployed, sound].map((view) => targetOf(view)),
    );
    expect(reports.map(({ outcome }) => ("error" in outcome ? outcome.error : outcome.lag))).toStrictEqual([
      expect.objectContaining({ code: "LIVE_TABLE_MISSING" }),
      expect.objectContaining({ code: "VERSION_NOT_DEPLOYED" }),
      await behind(sound, 1, 0),
    ]);
  });

  it("counts a stream whose guard can lie nowhere, and asks for the others all the same", async () => {
    const view = await stores.view("one-per-stream");
    await view.append("a", opened);
    // No row's key may begin with it.
    await view.append("_b", opened);
    await view.deliver();
    expect(await lagOf(view)).toStrictEqual(await behind(view, 1, 1));
  });

  it("has the age of its oldest event, and none without one or with clocks that differ", () => {
    const oldestAt = new Date("2026-01-01T00:00:00.000Z");
    expect(lagSeconds({ oldestAt }, new Date("2026-01-01T00:01:00.500Z"))).toBe(60.5);
    expect(lagSeconds({ oldestAt }, new Date("2025-12-31T23:59:59.000Z"))).toBe(0);
    expect(lagSeconds({}, new Date())).toBe(0);
  });
});

/** How many events of the log stand before the first of the view. */
async function eventsBefore(view: ViewUnderCheck): Promise<number> {
  let events = 0;
  for await (const { stream } of stores.store.readAll()) {
    if (stream === view.streamOf("a")) break;
    events += 1;
  }
  return events;
}
