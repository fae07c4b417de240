/**
 * The shapes in which an event store's speed is measured here, through the unmodified client: each does its work on a
 * server and says how much a second, or how long in milliseconds.
 */
import { randomUUID } from "node:crypto";
import {
  BACKWARDS,
  END,
  type EventStoreDBClient,
  eventTypeFilter,
  FORWARDS,
  persistentSubscriptionToStreamSettingsFromDefaults as settings,
  type PersistentSubscriptionToStreamResolvedEvent,
  START,
} from "@eventstore/db-client";
import { rareShare, rareType, sampleEvent } from "./sample-event.ts";

export type MeasureName =
  | `append ${"1 event" | "100 events"}, concurrency ${number}`
  | `readAll ${"forwards" | "backwards"}`
  | "readStream forwards"
  | "subscribeToAll, type filter, scanned"
  | `persistent subscription, ack ${"singly" | "by 100"}`
  | `live at 100/s, ${"p50" | "p99"}`
  | "resident memory after all of this";

export interface Figure {
  readonly name: MeasureName;
  /** "events" and "scanned events" are a second. */
  readonly unit: "events" | "scanned events" | "ms" | "MB";
  readonly value: number;
}

export interface Sizes {
  /** Events that are appended one by one. */
  readonly appends: number;
  /** Events that are appended by hundreds, and then read. */
  readonly events: number;
  readonly delivered: number;
  readonly live: number;
}

export async function* measure(client: EventStoreDBClient, sizes: Sizes): AsyncGenerator<Figure> {
  await appendSingly(client, 32, Math.ceil(sizes.appends / 10));
  for (const concurrency of [1, 8, 32]) {
    // Few at a time take longer: a share of the work tells as much.
    const count = Math.ceil((sizes.appends * Math.min(concurrency, 8)) / 8);
    const value = await appendSingly(client, concurrency, count);
    yield { name: `append 1 event, concurrency ${concurrency}`, unit: "events", value };
  }
  const stream = `bench-${randomUUID()}`;
  for (const concurrency of [1, 8]) {
    const count = Math.ceil(sizes.events / 2);
    const value = await appendByHundreds(client, `${stream}-${concurrency}`, concurrency, count);
    yield { name: `append 100 events, concurrency ${concurrency}`, unit: "events", value };
  }
  for (const direction of [FORWARDS, BACKWARDS] as const) {
    const fromPosition = direction === FORWARDS ? START : END;
    const value = await rate(() => count(client.readAll({ direction, fromPosition, maxCount: sizes.events })));
    yield { name: `readAll ${direction}`, unit: "events", value };
  }
  const value = await rate(() => count(client.readStream(`${stream}-1-0`)));
  yield { name: "readStream forwards", unit: "events", value };
  yield {
    name: "subscribeToAll, type filter, scanned",
    unit: "scanned events",
    value: await rate(async () => Math.round((await countMatches(client)) * rareShare)),
  };
  for (const acknowledged of ["singly", "by 100"] as const) {
    yield {
      name: `persistent subscription, ack ${acknowledged}`,
      unit: "events",
      value: await deliver(client, sizes.delivered, acknowledged === "singly" ? 1 : 100),
    };
  }
  const latencies = await live(client, sizes.live);
  yield { name: "live at 100/s, p50", unit: "ms", value: quantile(latencies, 0.5) };
  yield { name: "live at 100/s, p99", unit: "ms", value: quantile(latencies, 0.99) };
}

/** Units a second. */
export async function rate(work: () => Promise<number>): Promise<number> {
  const start = performance.now();
  const units = await work();
  return (units * 1000) / (performance.now() - start);
}

/** Appends events one by one to `streams` streams in turn. */
export function appendSingly(
  client: EventStoreDBClient,
  concurrency: number,
  total: number,
  streamOf: (number: number) => string = distinctStreams(50),
): Promise<number> {
  return rate(async () => {
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < total) {
        const number = next;
        next += 1;
        await client.appendToStream(streamOf(number), sampleEvent(number));
      }
    };
    await Promise.all(Array.from({ length: concurrency }, lane));
    return total;
  });
}

export function distinctStreams(count: number): (number: number) => string {
  const run = randomUUID();
  return (number) => `bench-${run}-${number % count}`;
}

/** Appends events by hundreds, each lane to a stream of its own: `stream-0`, `stream-1` and so on. */
export function appendByHundreds(
  client: EventStoreDBClient,
  stream: string,
  concurrency: number,
  total: number,
  size = 100,
): Promise<number> {
  return rate(async () => {
    let next = 0;
    const lane = async (_: unknown, number: number): Promise<void> => {
      while (next < total) {
        const first = next;
        next += size;
        await client.appendToStream(
          `${stream}-${number}`,
          Array.from({ length: size }, (_, index) => sampleEvent(first + index)),
        );
      }
    };
    await Promise.all(Array.from({ length: concurrency }, lane));
    return next;
  });
}

export async function count(read: AsyncIterable<unknown>): Promise<number> {
  let events = 0;
  for await (const event of read) events += event === undefined ? 0 : 1;
  return events;
}

function countMatches(client: EventStoreDBClient): Promise<number> {
  const subscription = client.subscribeToAll({
    fromPosition: START,
    filter: eventTypeFilter({ regex: `^${rareType}$` }),
  });
  return new Promise((resolve, reject) => {
    let matches = 0;
    subscription
      .on("data", () => {
        matches += 1;
      })
      .on("error", reject)
      .on("caughtUp", () => {
        subscription.unsubscribe().then(() => resolve(matches), reject);
      });
  });
}

/** Delivers a stream's history to one consumer with 500 in flight at most. */
async function deliver(client: EventStoreDBClient, total: number, acknowledgedAtOnce: number): Promise<number> {
  const stream = `bench-delivered-${randomUUID()}`;
  await appendByHundreds(client, stream, 1, total, Math.min(total, 1000));
  const source = `${stream}-0`;
  await client.createPersistentSubscriptionToStream(
    source,
    "bench",
    settings({ startFrom: START, historyBufferSize: 500, readBatchSize: 100 }),
  );
  const elapsed = await rate(
    () =>
      new Promise((resolve, reject) => {
        const subscription = client.subscribeToPersistentSubscriptionToStream(source, "bench", { bufferSize: 500 });
        let delivered = 0;
        let waiting: PersistentSubscriptionToStreamResolvedEvent[] = [];
        subscription.on("error", reject).on("data", (event) => {
          delivered += 1;
          waiting.push(event);
          if (waiting.length < acknowledgedAtOnce && delivered < total) return;
          void subscription.ack(...waiting);
          waiting = [];
          if (delivered === total) subscription.unsubscribe().then(() => resolve(total), reject);
        });
      }),
  );
  await client.deletePersistentSubscriptionToStream(source, "bench");
  return elapsed;
}

/** Milliseconds from the call of append until a subscriber has the event, at a hundred a second. */
async function live(client: EventStoreDBClient, total: number): Promise<number[]> {
  const stream = `bench-live-${randomUUID()}`;
  const sent = new Map<string, number>();
  const latencies: number[] = [];
  const subscription = client.subscribeToAll({ fromPosition: END });
  const all = new Promise<void>((resolve, reject) => {
    subscription.on("error", reject).on("data", ({ event }) => {
      const at = event === undefined ? undefined : sent.get(event.id);
      if (at === undefined) return;
      latencies.push(performance.now() - at);
      if (latencies.length === total) resolve();
    });
  });
  await new Promise((resolve) => subscription.once("confirmation", resolve));
  const appends: Promise<unknown>[] = [];
  for (let number = 0; number < total; number += 1) {
    const event = sampleEvent(number);
    sent.set(event.id, performance.now());
    appends.push(client.appendToStream(stream, event));
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await Promise.all([...appends, all]);
  await subscription.unsubscribe();
  return latencies;
}

const quantile = (values: readonly number[], share: number): number => {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
};
