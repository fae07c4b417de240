/** The trigger on a real event store: everything arrives, in order, whoever is killed, cut off or failing. */
import { randomUUID } from "node:crypto";
import { binaryEvent, EventStoreDBClient, jsonEvent } from "@eventstore/db-client";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { itemIdentifier } from "../../../engine/delivery/event-record.ts";
import { Subscriber } from "../../../engine/delivery/subscriber.ts";
import { Subscription } from "../../../engine/delivery/subscription.ts";
import { subscriptionSettings, type SubscriptionSettings } from "../../../engine/delivery/subscription-settings.ts";
import { ViewNotPreparedError } from "../../../engine/delivery/project-batch.ts";
import { EventStoreUnavailableError } from "../../../engine/event-store/errors.ts";
import { VersionNotDeployedError } from "../../../engine/views/deployed-version.ts";
import { ViewsUnavailableError } from "../../../engine/views/dynamodb.ts";
import { SettingsError, SettingsUnavailableError } from "../../../functions/settings.ts";
import { CuttingProxy } from "../commands/cutting-proxy.ts";
import { collect, eventOf, useEventStore } from "../../local/eventstoredb/event-store-for-test.ts";
import { type FunctionForTest, InvokeApi, succeeds } from "./invoke-api.ts";

const log = pino({ level: "silent" });

describe("a subscription", () => {
  const store = useEventStore();
  let api: InvokeApi;
  let lambda: ReturnType<InvokeApi["connect"]>;
  const running: Subscription[] = [];

  beforeAll(async () => {
    api = await InvokeApi.start();
    lambda = api.connect();
  });

  afterEach(async () => {
    await Promise.all(running.splice(0).map((subscription) => subscription.stop(500)));
    api.behave(succeeds);
    api.invocations.length = 0;
    api.mostRunning = 0;
  });

  afterAll(async () => {
    lambda.destroy();
    await api.stop();
  });

  /** Settings for a category of its own, which nothing else in the store belongs to. */
  function settingsFor(category: string, change: Partial<SubscriptionSettings> = {}): SubscriptionSettings {
    const retry = { baseMs: 5, maximumMs: 50 };
    return subscriptionSettings({ name: `g${category}`, functionName: "f", categories: [category], retry, ...change });
  }

  function started(settings: SubscriptionSettings, client: EventStoreDBClient = store.client): Subscription {
    const subscription = new Subscription(settings, { client, lambda, log });
    subscription.start();
    running.push(subscription);
    return subscription;
  }

  const newCategory = (): string => `c${randomUUID().replaceAll("-", "")}`;

  /** Appends `each` events to each of so many streams, and returns their item identifiers in order. */
  async function append(category: string, streams: number, each: number): Promise<string[]> {
    const items: string[] = [];
    for (let index = 0; index < streams; index += 1) {
      const stream = `${category}-${index}`;
      const events = Array.from({ length: each }, () => jsonEvent({ type: "Happened", data: { stream } }));
      const { nextExpectedRevision: last } = await store.client.appendToStream(stream, events);
      for (let revision = last - BigInt(each) + 1n; revision <= last; revision += 1n) {
        items.push(itemIdentifier({ stream, revision }));
      }
    }
    return items;
  }

  /** A function that notes the effect of each event it takes; `behave` may fail some of them first. */
  function noting(behave: FunctionForTest = succeeds): { readonly effects: string[]; readonly play: FunctionForTest } {
    const effects: string[] = [];
    const play: FunctionForTest = async (events) => {
      const behaviour = await behave(events);
      if ("failed" in behaviour) {
        effects.push(...events.map(itemIdentifier).filter((item) => !behaviour.failed.includes(item)));
      }
      return behaviour;
    };
    api.behave(play);
    return { effects, play };
  }

  const sorted = (items: readonly string[]): string[] => [...new Set(items)].sort();

  it("delivers what was there before its group was made, and what comes after", async () => {
    const category = newCategory();
    const before = await append(category, 20, 3);
    const { effects } = noting();
    const subscription = started(settingsFor(category));
    await expect.poll(() => sorted(effects)).toStrictEqual(sorted(before));
    const after = await append(category, 20, 1);
    await expect.poll(() => sorted(effects)).toStrictEqual(sorted([...before, ...after]));
    await expect.poll(() => subscription.status).toMatchObject({ connected: true, held: 0, acknowledged: 80 });
  });

  it("delivers streams of its category only", async () => {
    const category = newCategory();
    await append(`${category}x`, 1, 1);
    await append("another", 1, 1);
    const wanted = await append(category, 1, 1);
    const { effects } = noting();
    started(settingsFor(category));
    await expect.poll(() => effects).toStrictEqual(wanted);
  });

  it("invokes for what matches its filter criteria only, and acknowledges the rest", async () => {
    const category = newCategory();
    const event = (type: string, metadata: object): ReturnType<typeof jsonEvent> =>
      jsonEvent({ type, data: {}, metadata: { ...metadata } });
    await store.client.appendToStream(`${category}-0`, [
      event("Wanted", { due: true, schemaVersion: 1 }),
      event("Wanted", { due: "true" }),
      event("Wanted", {}),
      event("Other", { due: true }),
      event("Wanted", { due: true }),
    ]);
    const { effects } = noting();
    const filterCriteria = { type: ["Wanted", "Wished"], metadata: { due: [true, 1] } };
    const first = started(settingsFor(category, { filterCriteria }));
    await expect.poll(() => effects).toStrictEqual([`0@${category}-0`, `4@${category}-0`]);
    await expect.poll(() => first.status.held).toBe(0);

    // Had the others not been acknowledged, the group would give them to its next consumer.
    await first.stop(500);
    started(settingsFor(category, { filterCriteria }));
    await store.client.appendToStream(`${category}-0`, [event("Wanted", { due: true })]);
    const after = `5@${category}-0`;
    await expect.poll(() => effects.at(-1)).toBe(after);
    expect(effects).toStrictEqual([`0@${category}-0`, `4@${category}-0`, after]);
  });

  it("delivers data that is not JSON", async () => {
    const category = newCategory();
    await store.client.appendToStream(`${category}-0`, binaryEvent({ type: "Bytes", data: new Uint8Array([1, 2]) }));
    const { effects } = noting();
    started(settingsFor(category));
    await expect.poll(() => effects).toStrictEqual([`0@${category}-0`]);
  });

  it("keeps each stream in order and in one invocation at a time, with lanes in parallel", async () => {
    const category = newCategory();
    const all = await append(category, 30, 10);
    const together: string[] = [];
    const under = new Set<string>();
    const { effects } = noting(async (events) => {
      const streams = new Set(events.map(({ stream }) => stream));
      for (const stream of streams) {
        if (under.has(stream)) together.push(stream);
        under.add(stream);
      }
      // Until another lane is under way as well: one lane alone would wait here for ever.
      do await new Promise((resolve) => setTimeout(resolve, 5));
      while (api.mostRunning < 2);
      for (const stream of streams) under.delete(stream);
      return { failed: [] };
    });
    started(settingsFor(category, { batchSize: 20, parallelizationFactor: 4 }));
    await expect.poll(() => effects.length).toBe(all.length);
    expect(together).toStrictEqual([]);
    expect(api.mostRunning).toBeLessThanOrEqual(4);
    for (let index = 0; index < 30; index += 1) {
      const of = (items: readonly string[]): string[] => items.filter((item) => item.endsWith(`${category}-${index}`));
      expect(of(effects)).toStrictEqual(of(all));
    }
  });

  it("acknowledges after the effect: what failed is given to the next consumer", async () => {
    const category = newCategory();
    const [first = "", second = ""] = await append(category, 2, 1);
    noting((events) => ({ failed: events.map(itemIdentifier).filter((item) => item === second) }));
    const one = started(settingsFor(category));
    await expect.poll(() => one.status.acknowledged).toBe(1);
    running.splice(0);
    await one.stop(500);
    const { effects } = noting();
    started(settingsFor(category));
    await expect.poll(() => effects).toStrictEqual([second]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(effects).not.toContain(first);
  });

  it("holds a bounded number of events while the function is slow", async () => {
    const category = newCategory();
    await append(category, 10, 100);
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    let away = 0;
    const { effects } = noting(async (events) => {
      away += events.length;
      await gate;
      return { failed: [] };
    });
    const subscription = started(settingsFor(category, { batchSize: 10, parallelizationFactor: 2 }));
    await expect.poll(() => subscription.status.held).toBe(40);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const [oldest] = await collect(store.client.readStream(`${category}-0`, { maxCount: 1 }));
    const { name, group } = settingsFor(category);
    const { batchesPerSecond, ...slow } = subscription.status;
    expect({ ...slow, isCounted: batchesPerSecond > 0 }).toStrictEqual({
      ...{ name, group, connected: true, isCounted: true },
      // All that it holds is of one stream, which is in one lane.
      ...{ held: 40, inFlight: away, waiting: 0, oldestHeldAt: eventOf(oldest ?? {}).created.toISOString() },
      ...{ eventsPerSecond: 0, acknowledged: 0, invocations: 1, failedInvocations: 0 },
    });
    release();
    await expect.poll(() => sorted(effects).length).toBe(1_000);
    await expect.poll(() => subscription.status).toMatchObject({ held: 0, inFlight: 0, acknowledged: 1_000 });
    expect(subscription.status).not.toHaveProperty("oldestHeldAt");
    expect(subscription.status.eventsPerSecond).toBeGreaterThan(0);
  });

  it("loses nothing when the function crashes, hangs up, answers nonsense or cannot be reached", async () => {
    const category = newCategory();
    const all = await append(category, 40, 5);
    const troubles = [
      { threw: "crash" },
      { connection: "breaks" },
      { answer: "nonsense" },
      { status: 429, errorType: "TooManyRequestsException" },
      { status: 500, errorType: "ServiceException" },
    ] as const;
    let calls = 0;
    const { effects } = noting(() => {
      const trouble = troubles[Math.floor(calls / 2) % 8];
      calls += 1;
      return trouble ?? { failed: [] };
    });
    const subscription = started(settingsFor(category, { batchSize: 25 }));
    await expect.poll(() => sorted(effects)).toStrictEqual(sorted(all));
    await expect.poll(() => subscription.status.held).toBe(0);
    expect(subscription.status.failedInvocations).toBeGreaterThan(4);
  });

  it("finds the event that ends the function, tells it so, and acknowledges it once the function has given it up", async () => {
    const category = newCategory();
    const all = await append(category, 4, 6);
    const culprit = `3@${category}-2`;
    const { effects } = noting((events) =>
      events.some((event) => itemIdentifier(event) === culprit) ? { connection: "breaks" } : { failed: [] },
    );
    const told = (): number => api.failures.filter((item) => item === culprit).length;
    api.answerToFailure(() => JSON.stringify(told() < 3 ? { failure: "failed" } : { failure: "waiting" }));
    onTestFinished(() => api.answerToFailure(() => JSON.stringify({ failure: "failed" })));
    const subscription = started(settingsFor(category, { batchSize: 25 }));
    await expect.poll(() => sorted(effects)).toStrictEqual(sorted(all.filter((item) => item !== culprit)));
    await expect.poll(() => subscription.status.held).toBe(0);
    expect(told()).toBe(3);
    expect(new Set(api.failures.filter((item) => item.endsWith(`${category}-2`)))).toStrictEqual(new Set([culprit]));
  });

  it.each([
    new EventStoreUnavailableError("no answer"),
    new SettingsError("no table"),
    new SettingsUnavailableError("no parameter"),
    new VersionNotDeployedError("version 1"),
    new ViewNotPreparedError("no generation"),
    new ViewsUnavailableError("throttled"),
  ])("has nothing counted against an event while its function cannot begin: $name", async ({ name }) => {
    const category = newCategory();
    const [only] = await append(category, 1, 1);
    let isAway = true;
    const { effects } = noting(() => (isAway ? { threw: "away", named: name } : { failed: [] }));
    const subscription = started(settingsFor(category));
    await expect.poll(() => subscription.status.failedInvocations).toBeGreaterThan(3);
    isAway = false;
    await expect.poll(() => effects).toStrictEqual([only]);
    expect(api.failures).not.toContain(only);
  });

  it("never acknowledges on the word of a function that knows nothing of failures", async () => {
    const category = newCategory();
    const [only] = await append(category, 1, 1);
    let isBroken = true;
    const { effects } = noting(() => (isBroken ? { threw: "crash" } : { failed: [] }));
    api.answerToFailure(() => JSON.stringify({ batchItemFailures: [] }));
    onTestFinished(() => api.answerToFailure(() => JSON.stringify({ failure: "failed" })));
    const subscription = started(settingsFor(category));
    await expect.poll(() => subscription.status.failedInvocations).toBeGreaterThan(3);
    expect(subscription.status).toMatchObject({ held: 1, acknowledged: 0 });
    isBroken = false;
    await expect.poll(() => effects).toStrictEqual([only]);
  });

  it("connects again for ever, and loses nothing when its connection is cut", async () => {
    const category = newCategory();
    const proxy = await CuttingProxy.before(store.server.port);
    const client = EventStoreDBClient.connectionString(proxy.connectionString);
    const { effects } = noting(async () => {
      await new Promise((resolve) => setTimeout(resolve, 2));
      return { failed: [] };
    });
    const all = await append(category, 50, 10);
    const subscription = started(settingsFor(category, { batchSize: 5 }), client);
    for (let cuts = 0; cuts < 3; cuts += 1) {
      const reached = effects.length;
      await expect.poll(() => effects.length).toBeGreaterThan(Math.min(reached + 20, 499));
      proxy.cut();
    }
    await expect.poll(() => sorted(effects)).toStrictEqual(sorted(all));
    await expect.poll(() => subscription.status).toMatchObject({ connected: true, held: 0 });
    await subscription.stop(500);
    running.splice(0);
    await proxy.stop();
    await client.dispose().catch(() => undefined);
  });

  it("lets two consumers compete: both work, and nothing is lost when one is gone without a farewell", async () => {
    const category = newCategory();
    const all = await append(category, 60, 5);
    const proxy = await CuttingProxy.before(store.server.port);
    const client = EventStoreDBClient.connectionString(proxy.connectionString);
    const { effects } = noting(async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return { failed: [] };
    });
    const settings = settingsFor(category, { batchSize: 5, parallelizationFactor: 2 });
    const one = started(settings, client);
    const two = started(settings);
    await expect.poll(() => Math.min(one.status.acknowledged, two.status.acknowledged)).toBeGreaterThan(10);
    await proxy.stop();
    await expect.poll(() => sorted(effects)).toStrictEqual(sorted(all));
    await client.dispose().catch(() => undefined);
  });

  it("leaves no event to time out when it stops: the next consumer has them at once", async () => {
    const category = newCategory();
    const all = await append(category, 5, 20);
    api.behave(() => ({ connection: "hangs" }));
    const one = started(settingsFor(category, { batchSize: 10 }));
    await expect.poll(() => one.status.invocations).toBeGreaterThan(0);
    running.splice(0);
    await one.stop(20);
    expect(one.status.connected).toBe(false);
    const { effects } = noting();
    started(settingsFor(category));
    await expect.poll(() => sorted(effects)).toStrictEqual(sorted(all));
  });

  it("waits for a store that is not there yet", async () => {
    const category = newCategory();
    const all = await append(category, 1, 1);
    const proxy = await CuttingProxy.before(store.server.port);
    const { connectionString } = proxy;
    await proxy.stop();
    const { effects } = noting();
    const late = new Subscriber([settingsFor(category)], { connectionString, lambda, log });
    late.start();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(late.status).toMatchObject([{ connected: false, acknowledged: 0 }]);
    const again = await CuttingProxy.before(store.server.port, Number(/:(\d+)\?/.exec(connectionString)?.[1]));
    await expect.poll(() => effects).toStrictEqual(all);
    await late.stop(500);
    await again.stop();
  });
});
