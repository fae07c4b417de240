/** Persistent subscription groups of a test's own, and what can be seen of them. */
import { randomUUID } from "node:crypto";
import {
  persistentSubscriptionToAllSettingsFromDefaults as allSettings,
  persistentSubscriptionToStreamSettingsFromDefaults as streamSettings,
  type Filter,
  type ResolvedEvent,
} from "@eventstore/db-client";
import { afterAll, expect } from "vitest";
import { z } from "zod";
import { collect, events, newStream } from "../local/eventstoredb/event-store-for-test.ts";
import type { Subscription } from "./consumer.ts";
import type { ServerUnderTest } from "./server-under-test.ts";

export const newGroup = (): string => `group-${randomUUID()}`;

export const confirmed = (subscription: Subscription): Promise<void> =>
  new Promise((resolve, reject) => subscription.once("confirmation", resolve).once("error", reject));

/** A subscription's drop is waited for; before that, an error that nobody hears would end the test run. */
export const dropped = (subscription: Subscription): Promise<unknown> =>
  new Promise((resolve) => subscription.once("error", resolve));

export const upTo = (count: number): bigint[] => Array.from({ length: count }, (_, index) => BigInt(index));

const configuration = z.object({ entries: z.array(z.looseObject({ stream: z.string(), group: z.string() })) });

/** What an event of the configuration stream tells of each group. */
export const configuredGroups = (data: unknown) => configuration.parse(data).entries;

const checkpointOf = (source: string, group: string): string =>
  `$persistentsubscription-${source}::${group}-checkpoint`;
const parkedOf = (source: string, group: string): string => `$persistentsubscription-${source}::${group}-parked`;

/** A group on a stream of its own. */
export interface StreamGroup {
  readonly stream: string;
  readonly name: string;
  readonly checkpointStream: string;
  readonly parkedStream: string;
  readonly connect: (bufferSize?: number) => Subscription;
  readonly append: (count: number) => Promise<void>;
  readonly info: () => ReturnType<ServerUnderTest["client"]["getPersistentSubscriptionToStreamInfo"]>;
  /** The checkpoints that were written, as text. */
  readonly checkpoints: () => Promise<readonly unknown[]>;
  /** The links to what is parked now. */
  readonly parked: () => Promise<readonly ResolvedEvent[]>;
}

export interface AllGroup {
  readonly name: string;
  readonly checkpointStream: string;
  readonly parkedStream: string;
  readonly connect: (bufferSize?: number) => Subscription;
  readonly info: () => ReturnType<ServerUnderTest["client"]["getPersistentSubscriptionToAllInfo"]>;
  readonly checkpoints: () => Promise<readonly unknown[]>;
}

/** Call it at the top of a test file. A group on `$all` writes for every event that anybody appends, so none is left behind. */
export const groupsOn = (store: ServerUnderTest) => {
  const toAll: string[] = [];
  afterAll(async () => {
    for (const name of toAll) await store.client.deletePersistentSubscriptionToAll(name);
  });
  /** What can be read of a stream; nothing where there is none. */
  const contents = (stream: string): Promise<readonly ResolvedEvent[]> =>
    collect(store.client.readStream(stream)).catch(() => []);
  const checkpoints = async (stream: string): Promise<readonly unknown[]> =>
    (await contents(stream)).map(({ event }) => event?.data);

  /** On a new stream, or on one with so many events already. */
  const onStream = async (
    settings: Parameters<typeof streamSettings>[0] = {},
    count = 0,
    stream = newStream(),
  ): Promise<StreamGroup> => {
    const name = newGroup();
    const append = async (more: number): Promise<void> => {
      await store.client.appendToStream(stream, events(more));
    };
    if (count > 0) await append(count);
    await store.client.createPersistentSubscriptionToStream(stream, name, streamSettings(settings));
    return {
      stream,
      name,
      checkpointStream: checkpointOf(stream, name),
      parkedStream: parkedOf(stream, name),
      append,
      connect: (bufferSize = 10) =>
        store.client.subscribeToPersistentSubscriptionToStream(stream, name, { bufferSize }),
      info: () => store.client.getPersistentSubscriptionToStreamInfo(stream, name),
      checkpoints: () => checkpoints(checkpointOf(stream, name)),
      parked: () => contents(parkedOf(stream, name)),
    };
  };

  const onAll = async (settings: Parameters<typeof allSettings>[0], filter?: Filter): Promise<AllGroup> => {
    const name = newGroup();
    await store.client.createPersistentSubscriptionToAll(
      name,
      allSettings(settings),
      filter === undefined ? {} : { filter },
    );
    toAll.push(name);
    return {
      name,
      checkpointStream: checkpointOf("$all", name),
      parkedStream: parkedOf("$all", name),
      connect: (bufferSize = 10) => store.client.subscribeToPersistentSubscriptionToAll(name, { bufferSize }),
      info: () => store.client.getPersistentSubscriptionToAllInfo(name),
      checkpoints: () => checkpoints(checkpointOf("$all", name)),
    };
  };

  /** Drops every consumer; the groups are back when one can be asked about again. */
  const restart = async (group: StreamGroup | AllGroup): Promise<void> => {
    const probe = group.connect();
    const gone = dropped(probe);
    await confirmed(probe);
    await store.client.restartPersistentSubscriptionSubsystem();
    await gone;
    await expect.poll(() => group.info().catch(() => undefined)).toMatchObject({ connections: [] });
  };

  return { onStream, onAll, restart };
};
