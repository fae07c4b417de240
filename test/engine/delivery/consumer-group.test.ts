/** The persistent subscription behind a subscription's settings. */
import { randomUUID } from "node:crypto";
import { jsonEvent } from "@eventstore/db-client";
import { describe, expect, it } from "vitest";
import { ensureGroup, groupSettings, startAfter } from "../../../engine/delivery/consumer-group.ts";
import type { Position } from "../../../engine/event-store/position.ts";
import {
  filterOf,
  messageTimeoutMs,
  subscriptionSettings,
  SubscriptionSettingsError,
} from "../../../engine/delivery/subscription-settings.ts";
import { useEventStore } from "../../local/eventstoredb/event-store-for-test.ts";

describe("a group", () => {
  const store = useEventStore();
  const settings = () => subscriptionSettings({ name: `g-${randomUUID()}`, functionName: "f", categories: ["order"] });

  it("is made once, whoever makes it, and from the start of the log", async () => {
    const wanted = settings();
    const outcomes = await Promise.all([1, 2, 3].map(() => ensureGroup(store.client, wanted, false)));
    expect(outcomes.sort()).toStrictEqual(["created", "unchanged", "unchanged"]);
    const info = await store.client.getPersistentSubscriptionToAllInfo(wanted.group);
    // `startFrom: "start"` among them.
    expect(info.settings).toMatchObject(groupSettings(wanted));
  });

  it("is brought to settings that have changed, unless that is left to others", async () => {
    const wanted = settings();
    await ensureGroup(store.client, wanted, false);
    const slower = { ...wanted, invocationTimeoutMs: 200_000 };
    expect(await ensureGroup(store.client, slower, true)).toBe("unchanged");
    expect(await ensureGroup(store.client, slower, false)).toBe("updated");
    expect(await ensureGroup(store.client, slower, false)).toBe("unchanged");
    const info = await store.client.getPersistentSubscriptionToAllInfo(wanted.group);
    expect(info.settings.messageTimeout).toBe(messageTimeoutMs(slower));
  });

  describe("of another filter", () => {
    const trigger = (name: string, ...categories: string[]) =>
      subscriptionSettings({ name, functionName: "f", categories });
    const newNames = (count: number): string[] => Array.from({ length: count }, () => `n${randomUUID().slice(0, 8)}`);

    /** Acknowledges the first `count` of what is given out, and leaves once the checkpoint says so. */
    async function acknowledge(group: string, count: number): Promise<Position> {
      const subscription = store.client.subscribeToPersistentSubscriptionToAll(group);
      let last: Position | undefined;
      let acked = 0;
      for await (const event of subscription) {
        await subscription.ack(event);
        last = event.event?.position;
        if ((acked += 1) === count) break;
      }
      if (last === undefined) throw new Error("nothing was delivered");
      await subscription.unsubscribe().catch(() => undefined);
      const checkpoint = async () =>
        (await store.client.getPersistentSubscriptionToAllInfo(group)).stats.lastCheckpointedEventPosition;
      await expect.poll(checkpoint).toStrictEqual(last);
      return last;
    }

    const groupsOf = async (name: string): Promise<string[]> =>
      (await store.client.listPersistentSubscriptionsToAll())
        .map(({ groupName }) => groupName)
        .filter((group) => group.startsWith(`${name}.`));
    const startOf = async (group: string) =>
      (await store.client.getPersistentSubscriptionToAllInfo(group)).settings.startFrom;
    const append = (stream: string, count: number) =>
      store.client.appendToStream(
        stream,
        Array.from({ length: count }, () => jsonEvent({ type: "Happened", data: {} })),
      );

    it("goes on where its predecessor was acknowledged to, which goes when nobody reads it", async () => {
      const [name = "", a = "", b = ""] = newNames(3);
      await append(`${a}-1`, 3);
      await append(`${b}-1`, 1);
      const [both, fewer] = [trigger(name, b, a), trigger(name, a)];
      expect(both.group).toBe([name, ...[a, b].toSorted()].join("."));
      await ensureGroup(store.client, both, false);
      const checkpoint = await acknowledge(both.group, 2);
      const reader = store.client.subscribeToPersistentSubscriptionToAll(both.group);
      await new Promise((resolve) => reader.once("confirmation", resolve));
      expect(await ensureGroup(store.client, fewer, false)).toBe("created");
      expect(await startOf(fewer.group)).toMatchObject(checkpoint);
      expect((await groupsOf(name)).toSorted()).toStrictEqual([fewer.group, both.group].toSorted());
      await reader.unsubscribe();
      const readers = async () =>
        (await store.client.getPersistentSubscriptionToAllInfo(both.group)).connections.length;
      await expect.poll(readers).toBe(0);
      expect(await ensureGroup(store.client, fewer, false)).toBe("unchanged");
      expect(await groupsOf(name)).toStrictEqual([fewer.group]);
    });

    it("begins at the start of the log when it reads what no predecessor did", async () => {
      const [name = "", a = ""] = newNames(2);
      await append(`${a}-1`, 2);
      await ensureGroup(store.client, trigger(name, a), false);
      await acknowledge(trigger(name, a).group, 1);
      const more = trigger(name, a, "other");
      await ensureGroup(store.client, more, false);
      expect(await startOf(more.group)).toBe("start");
    });

    const at = (commit: bigint): Position => ({ commit, prepare: commit });
    const horizon = { startingPosition: "TRIM_HORIZON", categories: ["a", "b"] } as const;
    const latest = { ...horizon, startingPosition: "LATEST" } as const;
    it.each([
      ["none", [], horizon, "start"],
      ["none, when the end was asked for", [], latest, "end"],
      ["several, the earliest", [at(9n), at(5n), at(7n)], horizon, at(5n)],
      ["one that never had an event acknowledged", [at(9n), undefined], horizon, "start"],
      ["one, even when the end is asked for now", [at(9n)], latest, at(9n)],
    ])("takes over from %s", (_, checkpoints, settings, start) => {
      const predecessors = checkpoints.map((checkpoint) => ({ filter: ["a", "b"], checkpoint }));
      expect(startAfter(predecessors, settings)).toStrictEqual(start);
    });

    it("begins at the start when its criteria are others than before", () => {
      const filterCriteria = { type: ["Happened"] };
      const wanted = filterOf({ ...horizon, filterCriteria });
      expect(wanted).toStrictEqual(["a", "b", expect.stringMatching(/^\$filter-[0-9a-f]{8}$/)]);
      const from = (filter: readonly string[], settings: Parameters<typeof startAfter>[1]) =>
        startAfter([{ filter, checkpoint: at(9n) }], settings);
      expect(from(wanted, { ...horizon, filterCriteria })).toStrictEqual(at(9n));
      expect(from(wanted, horizon)).toBe("start");
      // Without any it was given all.
      expect(from(["a", "b"], { ...horizon, filterCriteria })).toStrictEqual(at(9n));
      expect(from(wanted, { ...horizon, filterCriteria: { type: ["Happened", "Ended"] } })).toBe("start");
    });

    it("begins at the start when that is asked for, and its predecessor began at the end", () => {
      const predecessors = [{ filter: ["a", "b", "$latest"], checkpoint: at(9n) }];
      expect(startAfter(predecessors, horizon)).toBe("start");
      expect(startAfter(predecessors, latest)).toStrictEqual(at(9n));
    });
  });

  it("never parks: its retry limit is out of reach", () => {
    expect(groupSettings(settings()).maxRetryCount).toBe(2_147_483_647);
  });

  it("takes an event for lost only after the longest that a lane may take", () => {
    const wanted = subscriptionSettings({
      name: "g",
      functionName: "f",
      categories: ["order"],
      batchSize: 10,
      parallelizationFactor: 3,
      maximumBatchingWindowInSeconds: 1,
      invocationTimeoutMs: 5_000,
    });
    expect(messageTimeoutMs(wanted)).toBe(6 * (5_000 + 1_000) + 10_000);
  });

  it.each([
    [{ categories: ["order-x"] }, "categories"],
    [{ categories: ["order", "$ce"] }, "categories"],
    [{ categories: ["order.eu"] }, "categories"],
    [{ categories: [] }, "categories"],
    [{ filterCriteria: { type: [] } }, "filterCriteria"],
    [{ batchSize: 0 }, "batchSize"],
    [{ parallelizationFactor: 65 }, "parallelizationFactor"],
    [{ maximumPayloadBytes: 7_000_000 }, "maximumPayloadBytes"],
    [{ name: "a b" }, "name"],
  ])("is refused with the settings %j, by the name of what is wrong", (change, name) => {
    const wrong = (): unknown =>
      subscriptionSettings({ name: "g", functionName: "f", categories: ["order"], ...change });
    expect(wrong).toThrow(SubscriptionSettingsError);
    expect(wrong).toThrow(name);
  });
});
