/** So many streams that fail at once, all at the first event: memory stays bounded, and the streams between them go on. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { jsonEvent } from "@eventstore/db-client";
import { bufferSize, subscriptionSettings } from "../../../engine/delivery/subscription-settings.ts";
import { Subscription, type SubscriptionStatus } from "../../../engine/delivery/subscription.ts";
import { createLogger } from "../../../engine/http/logger.ts";
import { retryLimitsSchema } from "../../../engine/quarantine/retry-limits.ts";
import type { Projection } from "../../../engine/views/projection.ts";
import { InvokeApi } from "../delivery/invoke-api.ts";
import { kinds, ViewForReplay } from "../replay/replay-for-test.ts";
import { changed } from "../views/views-for-test.ts";

const isProof = process.env["TIDEMARK_PROOF"] !== undefined;
const failing = isProof ? 10_000 : 100;
const healthy = failing / 20;

describe(`a flood of ${failing} streams that fail`, () => {
  const [{ projection: sound }] = kinds;
  const projection: Projection = {
    ...sound,
    changes: (event) => {
      if (event.stream.includes("bad")) throw new TypeError("cannot take it");
      return sound.changes(event);
    },
  };
  let view: ViewForReplay;
  let api: InvokeApi;

  beforeAll(async () => {
    view = await ViewForReplay.start(projection);
    await view.replay().run();
    api = await InvokeApi.start();
  });

  afterAll(async () => {
    await api.stop();
    await view.stop();
  });

  it("is quarantined, every one of them; the streams between are in the view, and what is held stays within the buffer", async () => {
    const limits = retryLimitsSchema.parse({ maximumRetryAttempts: 2 });
    // The store tells events by their ids alone: each has one of its own.
    const event = () => jsonEvent(changed({ add: { sum: 1 } }));
    for (let first = 0; first < failing; first += 100) {
      await Promise.all(
        Array.from({ length: 100 }, (_, index) => {
          const number = first + index;
          const name = number % 20 === 0 ? `account-good-${number / 20}` : undefined;
          const bad = view.client.appendToStream(`account-bad-${number}`, [event()]);
          return Promise.all([
            bad,
            ...(name === undefined ? [] : [view.client.appendToStream(name, [event(), event()])]),
          ]);
        }),
      );
    }
    api.behave(async (events) => {
      const { batchItemFailures } = await view.deliver(events, { limits });
      return { failed: batchItemFailures.map(({ itemIdentifier }) => itemIdentifier) };
    });
    const settings = subscriptionSettings({
      name: "flood",
      functionName: "f",
      categories: ["account"],
      batchSize: 50,
      retry: { baseMs: 20, maximumMs: 100 },
    });
    const lambda = api.connect();
    const log = createLogger("test", { level: "silent" });
    const subscription = new Subscription(settings, { client: view.client, lambda, log });
    subscription.start();
    let most = 0;
    const status = (): SubscriptionStatus => {
      most = Math.max(most, subscription.status.held);
      return subscription.status;
    };
    const events = failing + 2 * healthy;
    await expect.poll(() => status().acknowledged, { timeout: 300_000 }).toBe(events);
    await subscription.stop(1_000);
    lambda.destroy();
    expect(most).toBeLessThanOrEqual(bufferSize(settings));
    expect(most).toBeGreaterThan(0);
    const { rows } = await view.contentsOf(await view.generation("live"));
    const good = Array.from({ length: healthy }, (_, index) => [`good-${index}/account`, { sum: 2 }] as const);
    expect(Object.fromEntries(Object.entries(rows).filter(([, row]) => Object.keys(row).length > 0))).toStrictEqual(
      Object.fromEntries(good),
    );
    let quarantined = 0;
    for await (const { state } of view.quarantine.records()) if (state === "quarantined") quarantined += 1;
    expect(quarantined).toBe(failing);
  });
});
