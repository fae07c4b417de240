/** The read of `$all` that the store filters: what it gives, where it ends, and before servers that tell less. */
import { randomUUID } from "node:crypto";
import { EventStoreDBClient, jsonEvent } from "@eventstore/db-client";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { EventStoreUnavailableError } from "../../../engine/event-store/errors.ts";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import { isAfter, type Position, startOfAll } from "../../../engine/event-store/position.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";
import { type EventStoreServer, startEventStore } from "../../../local/eventstoredb/event-store-server.ts";

describe("a read of $all that the store filters", () => {
  let server: EventStoreServer;
  let store: EventStore;

  beforeAll(async () => {
    server = await startEventStore({ inMemory: true });
    store = EventStore.connect(server.connectionString);
    for (let number = 0; number < 60; number += 1) {
      // Of the last ones none matches, so that the end is found without an event that says so.
      const category = number < 50 && number % 5 === 0 ? "rare" : number % 2 === 0 ? "common" : "other";
      await store.client.appendToStream(
        `${category}-${number}`,
        [1, 2].map((value) => jsonEvent({ type: "T", data: { value } })),
      );
    }
  });

  afterAll(async () => {
    await store.dispose();
    await server.stop();
  });

  const read = async (
    prefixes: [string, ...string[]],
    { after, until, size = 4, by = store }: { after?: Position; until?: Position; size?: number; by?: EventStore } = {},
  ): Promise<StoredEvent[][]> => {
    const rounds: StoredEvent[][] = [];
    const range = { after, until: until ?? (await store.tail()), size };
    for await (const round of by.roundsOf(prefixes, range)) rounds.push(round);
    return rounds;
  };

  /** The same by a read of everything. */
  const expected = async (
    prefixes: readonly string[],
    { after = startOfAll, until }: { after?: Position; until?: Position } = {},
  ): Promise<StoredEvent[]> => {
    const events: StoredEvent[] = [];
    for await (const event of store.readAll(undefined, until ?? (await store.tail()))) {
      const matches = prefixes.some((prefix) => event.stream.startsWith(prefix));
      if (matches && (after === startOfAll || isAfter(event.position, after))) events.push(event);
    }
    return events;
  };

  it.each([[["rare-"]], [["common-", "rare-"]], [["nothing-"]], [["rare-1", "other-"]]] as [string, ...string[]][][])(
    "gives every event of the streams whose names begin with %j, in their order, and ends",
    async (prefixes) => {
      const rounds = await read(prefixes);
      expect(rounds.flat()).toStrictEqual(await expected(prefixes));
      for (const round of rounds) expect(round.length).toBeLessThanOrEqual(4);
    },
  );

  it("begins behind a position and ends with one, whether events there match or not", async () => {
    const all: StoredEvent[] = [];
    for await (const event of store.readAll()) all.push(event);
    for (const [first, last] of [
      [10, 40],
      [11, 12],
      [40, 100],
      [0, 1],
    ] as const) {
      const [after, until] = [all[first]?.position, all[last]?.position];
      if (after === undefined || until === undefined) throw new Error("The log is long enough.");
      const found = await read(["rare-", "common-"], { after, until });
      expect(found.flat()).toStrictEqual(await expected(["rare-", "common-"], { after, until }));
      expect(await read(["rare-"], { after: until, until: after })).toStrictEqual([]);
    }
  });

  it("leaves no subscription behind when it is left early", async () => {
    const rounds = store.roundsOf(["common-"], { after: undefined, until: await store.tail(), size: 2 });
    const { value } = await rounds.next();
    expect(value).toHaveLength(2);
    await rounds.return(undefined);
    expect(await read(["rare-"])).not.toStrictEqual([]);
  });

  it("asks for all from a server that never tells its end", async () => {
    const client = EventStoreDBClient.connectionString(server.connectionString);
    const subscribeToAll = client.subscribeToAll.bind(client);
    client.subscribeToAll = (options, readable) => {
      const { filter } = options ?? {};
      const subscription = subscribeToAll(
        { ...options, ...(filter === undefined ? {} : { filter: { ...filter, checkpointReached: () => undefined } }) },
        readable,
      );
      const emit = subscription.emit.bind(subscription);
      subscription.emit = (event: string | symbol, ...told: unknown[]) =>
        event === "caughtUp" ? true : emit(event as "data", ...(told as []));
      return subscription;
    };
    const by = new EventStore(client, { appendMs: 5_000, readProgressMs: 300 });
    onTestFinished(() => by.dispose());
    expect((await read(["rare-"], { by })).flat()).toStrictEqual(await expected(["rare-"]));
    expect((await read([`none-${randomUUID()}`], { by })).flat()).toStrictEqual([]);
  });

  it("is asked of the leader, so that a follower that is late ends nothing too soon", async () => {
    const leader = await startEventStore({ inMemory: true });
    onTestFinished(() => leader.stop());
    const follower = await leader.startFollower({ lagMilliseconds: Infinity });
    const onLeader = EventStore.connect(leader.connectionString);
    const onFollower = EventStore.connect(follower.connectionString);
    onTestFinished(async () => {
      await onLeader.dispose();
      await onFollower.dispose();
    });
    await onLeader.client.appendToStream(
      "rare-1",
      [1, 2, 3].map((value) => jsonEvent({ type: "T", data: { value } })),
    );
    const until = await onLeader.tail();
    const found: StoredEvent[] = [];
    const range = { after: undefined, until, size: 10 };
    for await (const round of onFollower.roundsOf(["rare-"], range)) found.push(...round);
    expect(found.map(({ revision }) => revision)).toStrictEqual([0n, 1n, 2n]);
  });

  it("says that the store is away when it is", async () => {
    const gone = await startEventStore({ inMemory: true });
    const by = EventStore.connect(gone.connectionString);
    onTestFinished(() => by.dispose());
    await gone.stop();
    await expect(read(["rare-"], { by })).rejects.toThrow(EventStoreUnavailableError);
  });
});
