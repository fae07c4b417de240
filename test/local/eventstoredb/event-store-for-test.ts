/** A server of its own and an unmodified client for each test file; what a test left open is closed after it. */
import { randomUUID } from "node:crypto";
import {
  binaryEvent,
  EventStoreDBClient,
  jsonEvent,
  type AllStreamResolvedEvent,
  type EventData,
  type JSONType,
  type ReadableSubscription,
  type RecordedEvent,
  type ResolvedEvent,
  type StreamingRead,
} from "@eventstore/db-client";
import { afterAll, beforeAll } from "vitest";
import {
  startEventStore,
  type EventStoreOptions,
  type EventStoreServer,
} from "../../../local/eventstoredb/event-store-server.ts";

export interface StoreForTest {
  readonly client: EventStoreDBClient;
  readonly server: EventStoreServer;
}

export const connect = (server: { readonly connectionString: string }): EventStoreDBClient =>
  EventStoreDBClient.connectionString(server.connectionString);

/** Call it at the top of a test file; the store exists while its tests run. */
export const useEventStore = (options: EventStoreOptions = {}): StoreForTest => {
  let server: EventStoreServer | undefined;
  let client: EventStoreDBClient | undefined;
  beforeAll(async () => {
    server = await startEventStore(options);
    client = connect(server);
  });
  afterAll(async () => {
    await client?.dispose();
    await server?.stop();
  });
  const started = <Value>(value: Value | undefined): Value => {
    if (value === undefined) throw new Error("The event store has not been started yet.");
    return value;
  };
  return {
    get client() {
      return started(client);
    },
    get server() {
      return started(server);
    },
  };
};

/** Streams of different tests never meet. */
export const newStream = (category = "s"): string => `${category}-${randomUUID()}`;

export const event = (type = "happened", data: JSONType = { a: 1 }, id: string = randomUUID()): EventData =>
  jsonEvent({ id, type, data });

export const events = (count: number, type = "happened"): EventData[] =>
  Array.from({ length: count }, (_, index) => event(type, { index }));

export const bytesEvent = (bytes: number, type = "bytes"): EventData =>
  binaryEvent({ type, data: new Uint8Array(bytes) });

export const collect = async <Item>(read: StreamingRead<Item>): Promise<Item[]> => {
  const items: Item[] = [];
  for await (const item of read) items.push(item);
  return items;
};

/** The event of a resolved one, which the test expects to be there. */
export const eventOf = (resolved: ResolvedEvent | AllStreamResolvedEvent): RecordedEvent => {
  if (resolved.event === undefined) throw new Error("The event could not be resolved.");
  return resolved.event;
};

export const revisionsOf = (resolved: readonly (ResolvedEvent | AllStreamResolvedEvent)[]): bigint[] =>
  resolved.map((item) => (item.link ?? eventOf(item)).revision);

/** The error that a promise is rejected with. */
export const rejection = async (promise: Promise<unknown>): Promise<unknown> => {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("The promise was expected to be rejected.");
};

export const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Waits until a condition holds; fails with what it last saw. */
export const eventually = async (holds: () => boolean, describe: () => string, timeout = 10_000): Promise<void> => {
  const end = Date.now() + timeout;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`Did not happen in ${timeout} ms: ${describe()}`);
    await sleep(5);
  }
};

export interface Followed<Item> {
  readonly items: Item[];
  readonly log: string[];
  readonly errors: unknown[];
  /** Resolves when so many items have come. */
  reached(count: number): Promise<Item[]>;
  caughtUp(times?: number): Promise<void>;
  failed(): Promise<unknown>;
  stop(): Promise<void>;
}

/** Collects what a subscription brings: items, and the order of "event" and "caughtUp". */
export const follow = <Item>(subscription: ReadableSubscription<Item>): Followed<Item> => {
  const items: Item[] = [];
  const log: string[] = [];
  const errors: unknown[] = [];
  subscription
    .on("data", (item: Item) => {
      items.push(item);
      log.push("event");
    })
    .on("caughtUp", () => log.push("caughtUp"))
    .on("error", (error) => errors.push(error));
  return {
    items,
    log,
    errors,
    reached: async (count) => {
      await eventually(
        () => items.length >= count || errors.length > 0,
        () => `${count} items, there were ${items.length}`,
      );
      if (errors.length > 0 && items.length < count) throw errors[0];
      return items;
    },
    caughtUp: (times = 1) =>
      eventually(
        () => log.filter((entry) => entry === "caughtUp").length >= times,
        () => `caughtUp ${times} times in ${log.join(",")}`,
      ),
    failed: async () => {
      await eventually(
        () => errors.length > 0,
        () => "an error",
      );
      return errors[0];
    },
    stop: () => subscription.unsubscribe(),
  };
};
