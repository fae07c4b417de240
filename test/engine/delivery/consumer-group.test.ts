/** The persistent subscription behind a subscription's settings. */
import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { ensureGroup, groupSettings } from "../../../engine/delivery/consumer-group.ts";
import {
  messageTimeoutMs,
  subscriptionSettings,
  SubscriptionSettingsError,
} from "../../../engine/delivery/subscription-settings.ts";
import { useEventStore } from "../../local/eventstoredb/event-store-for-test.ts";

describe("a group", () => {
  const store = useEventStore();
  const settings = () => subscriptionSettings({ group: `g-${randomUUID()}`, functionName: "f", categories: ["order"] });

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

  it("never parks: its retry limit is out of reach", () => {
    expect(groupSettings(settings()).maxRetryCount).toBe(2_147_483_647);
  });

  it("takes an event for lost only after the longest that a lane may take", () => {
    const wanted = subscriptionSettings({
      group: "g",
      functionName: "f",
      categories: ["order"],
      batchSize: 10,
      lanes: 3,
      batchingWindowMs: 1_000,
      invocationTimeoutMs: 5_000,
    });
    expect(messageTimeoutMs(wanted)).toBe(6 * (5_000 + 1_000) + 10_000);
  });

  it.each([
    [{ categories: ["order-x"] }, "categories"],
    [{ categories: ["order", "$ce"] }, "categories"],
    [{ categories: [] }, "categories"],
    [{ filterCriteria: { type: [] } }, "filterCriteria"],
    [{ batchSize: 0 }, "batchSize"],
    [{ lanes: 65 }, "lanes"],
    [{ payloadBytes: 7_000_000 }, "payloadBytes"],
    [{ group: "a b" }, "group"],
  ])("is refused with the settings %j, by the name of what is wrong", (change, name) => {
    const wrong = (): unknown =>
      subscriptionSettings({ group: "g", functionName: "f", categories: ["order"], ...change });
    expect(wrong).toThrow(SubscriptionSettingsError);
    expect(wrong).toThrow(name);
  });
});
