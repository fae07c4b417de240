/** A leader and followers that are late: what clients see of the one and of the other, and how they find their way. */
import { randomUUID } from "node:crypto";
import { credentials, Metadata } from "@grpc/grpc-js";
import {
  BACKWARDS,
  binaryEvent,
  END,
  EventStoreDBClient,
  NotLeaderError,
  PersistentSubscriptionDroppedError,
  persistentSubscriptionToStreamSettingsFromDefaults as streamSettings,
  START,
  StreamNotFoundError,
  WrongExpectedVersionError,
  type AppendToStreamOptions,
} from "@eventstore/db-client";
import gossipGrpc from "@eventstore/db-client/generated/gossip_grpc_pb.js";
import gossip from "@eventstore/db-client/generated/gossip_pb.js";
import shared from "@eventstore/db-client/generated/shared_pb.js";
import { afterEach, describe, expect, test } from "vitest";
import {
  startEventStore,
  type EventStoreOptions,
  type EventStoreServer,
  type Follower,
} from "../../../local/eventstoredb/event-store-server.ts";
import { consume, revisions as revisionsConsumed } from "../../contract/consumer.ts";
import { collect, event, events, eventOf, follow, newStream, rejection, revisionsOf } from "./event-store-for-test.ts";

const host = "127.0.0.1";
const cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (let step = cleanUp.pop(); step !== undefined; step = cleanUp.pop()) await step();
});
const connect = (connectionString: string): EventStoreDBClient => {
  const client = EventStoreDBClient.connectionString(connectionString);
  cleanUp.push(() => client.dispose());
  return client;
};

interface Cluster {
  readonly leader: EventStoreServer;
  readonly follower: Follower;
  readonly onLeader: EventStoreDBClient;
  readonly onFollower: EventStoreDBClient;
}

const startCluster = async (
  lagMilliseconds: number,
  options: EventStoreOptions = { inMemory: true },
): Promise<Cluster> => {
  const leader = await startEventStore(options);
  cleanUp.push(() => leader.stop());
  const follower = await leader.startFollower({ lagMilliseconds });
  return {
    leader,
    follower,
    onLeader: connect(leader.connectionString),
    onFollower: connect(follower.connectionString),
  };
};

/** Revisions in the stream, or "none"; a poll compares it until it is as expected. */
const revisions = async (client: EventStoreDBClient, stream: string): Promise<readonly bigint[] | "none"> => {
  try {
    return revisionsOf(await collect(client.readStream(stream)));
  } catch (error) {
    if (error instanceof StreamNotFoundError) return "none";
    throw error;
  }
};

const wholeLog = async (client: EventStoreDBClient): Promise<unknown[]> =>
  (await collect(client.readAll())).map((resolved) => {
    const { id, streamId, revision, type, created, data } = eventOf(resolved);
    return { id, streamId, revision, type, created, data, position: resolved.commitPosition };
  });

const members = async (port: number): Promise<gossip.MemberInfo.AsObject[]> => {
  const client = new gossipGrpc.GossipClient(`${host}:${port}`, credentials.createInsecure());
  try {
    return await new Promise((resolve, reject) => {
      client.read(new shared.Empty(), new Metadata(), (error, info) => {
        if (error === null) resolve(info.toObject().membersList);
        else reject(error);
      });
    });
  } finally {
    client.close();
  }
};
const { LEADER, FOLLOWER } = gossip.MemberInfo.VNodeState;

describe("what a follower shows", () => {
  test("is nothing younger than its lag, and everything older", async () => {
    const lag = 400;
    const { onLeader, onFollower } = await startCluster(lag);
    const stream = newStream();
    const before = Date.now();
    await onLeader.appendToStream(stream, events(3));
    await expect.poll(() => revisions(onFollower, stream)).toEqual([0n, 1n, 2n]);
    expect(Date.now() - before).toBeGreaterThanOrEqual(lag);
  });

  test("is late from the first moment: what was written just before it was started has its time to wait", async () => {
    const leader = await startEventStore({ inMemory: true });
    cleanUp.push(() => leader.stop());
    const onLeader = connect(leader.connectionString);
    const stream = newStream();
    const before = Date.now();
    await onLeader.appendToStream(stream, event());
    const lag = 400;
    const onFollower = connect((await leader.startFollower({ lagMilliseconds: lag })).connectionString);
    await expect.poll(() => revisions(onFollower, stream)).toEqual([0n]);
    expect(Date.now() - before).toBeGreaterThanOrEqual(lag);
  });

  test("stands still and goes on as a test tells it to", async () => {
    const { follower, onLeader, onFollower } = await startCluster(0);
    const stream = newStream();
    await onLeader.appendToStream(stream, event());
    await expect.poll(() => revisions(onFollower, stream)).toEqual([0n]);
    follower.setLag(Infinity);
    await onLeader.appendToStream(stream, event());
    await onLeader.deleteStream(stream);
    expect(await revisions(onLeader, stream)).toBe("none");
    expect(await revisions(onFollower, stream)).toEqual([0n]);
    follower.setLag(0);
    await expect.poll(() => revisions(onFollower, stream)).toBe("none");
  });

  test("is the leader's log, byte for byte and position for position, whatever was done to it", async () => {
    const { leader, onLeader, onFollower } = await startCluster(0, {});
    const [kept, softDeleted, tombstoned, links] = [newStream(), newStream(), newStream(), newStream()];
    await onLeader.appendToStream(kept, events(10));
    await onLeader.appendToStream(kept, []);
    await onLeader.setStreamMetadata(kept, { maxCount: 4 });
    await onLeader.appendToStream(links, binaryEvent({ type: "$>", data: Buffer.from(`8@${kept}`) }));
    await onLeader.appendToStream(softDeleted, events(2));
    await onLeader.deleteStream(softDeleted);
    await onLeader.tombstoneStream(tombstoned);
    await onLeader.createPersistentSubscriptionToStream(kept, "g", streamSettings());
    const log = await wholeLog(onLeader);
    await expect.poll(() => wholeLog(onFollower)).toEqual(log);
    const late = connect((await leader.startFollower()).connectionString);
    await expect.poll(() => wholeLog(late)).toEqual(log);
    for (const client of [onFollower, late]) {
      expect(await revisions(client, kept)).toEqual([6n, 7n, 8n, 9n]);
      expect(await revisions(client, softDeleted)).toBe("none");
      expect(String(await rejection(revisions(client, tombstoned)))).toContain("is deleted");
      const [resolved] = await collect(client.readStream(links, { resolveLinkTos: true }));
      expect(resolved?.event?.revision).toBe(8n);
      expect(await collect(client.readAll({ direction: BACKWARDS, fromPosition: END }))).toHaveLength(log.length);
    }
  });

  test("comes to its subscriptions, too", async () => {
    const { follower, onLeader, onFollower } = await startCluster(Infinity);
    const stream = newStream();
    const [ofStream, ofAll] = [follow(onFollower.subscribeToStream(stream)), follow(onFollower.subscribeToAll())];
    await Promise.all([ofStream.caughtUp(), ofAll.caughtUp()]);
    await onLeader.appendToStream(stream, events(5));
    follower.setLag(0);
    expect(revisionsOf(await ofStream.reached(5))).toEqual([0n, 1n, 2n, 3n, 4n]);
    const all = await collect(onLeader.readAll());
    expect((await ofAll.reached(all.length)).map(({ commitPosition }) => commitPosition)).toEqual(
      all.map(({ commitPosition }) => commitPosition),
    );
    await Promise.all([ofStream.stop(), ofAll.stop()]);
  });
});

describe("what a follower does not do itself", () => {
  test("writes: it hands them on, and the leader answers", async () => {
    const { onLeader, onFollower } = await startCluster(0);
    const stream = newStream();
    const classic: AppendToStreamOptions = { credentials: { username: "admin", password: "changeit" } };
    expect((await onFollower.appendToStream(stream, event())).nextExpectedRevision).toBe(0n);
    expect((await onFollower.appendToStream(stream, event(), classic)).nextExpectedRevision).toBe(1n);
    expect(await revisions(onLeader, stream)).toEqual([0n, 1n]);
    const wrong = await rejection(onFollower.appendToStream(stream, event(), { expectedRevision: 7n }));
    expect(wrong).toBeInstanceOf(WrongExpectedVersionError);
    await onFollower.deleteStream(stream);
    expect(await revisions(onLeader, stream)).toBe("none");
    await onFollower.tombstoneStream(stream);
    expect(String(await rejection(revisions(onLeader, stream)))).toContain("is deleted");
  });

  const stream = newStream();
  const leaderOnly = { requiresLeader: true } as const;
  test.each<[string, (client: EventStoreDBClient) => Promise<unknown>]>([
    ["a read", (client) => collect(client.readStream(stream, leaderOnly))],
    ["a read of $all", (client) => collect(client.readAll({ maxCount: 1, ...leaderOnly }))],
    ["an append", (client) => client.appendToStream(stream, event(), leaderOnly)],
    [
      "an append of the older kind",
      (client) =>
        client.appendToStream(stream, event(), {
          ...leaderOnly,
          credentials: { username: "admin", password: "changeit" },
        }),
    ],
    ["a delete", (client) => client.deleteStream(stream, leaderOnly)],
    ["a tombstone", (client) => client.tombstoneStream(newStream(), leaderOnly)],
    [
      "a subscription",
      (client) =>
        new Promise((resolve, reject) => {
          const subscription = client.subscribeToStream(stream, leaderOnly);
          subscription.once("error", reject);
          subscription.once("confirmation", () => {
            resolve(subscription.unsubscribe());
          });
        }),
    ],
    [
      "a new persistent subscription, even where nobody asks for the leader",
      (client) => client.createPersistentSubscriptionToStream(stream, randomUUID(), streamSettings()),
    ],
  ])("%s for the leader: it says who that is, and the client goes there by itself", async (_name, call) => {
    const { leader, onLeader, onFollower } = await startCluster(Infinity);
    await onLeader.appendToStream(stream, event());
    const error = await rejection(call(onFollower));
    expect(error).toBeInstanceOf(NotLeaderError);
    expect(error).toMatchObject({ leader: { address: host, port: leader.port } });
    await call(onFollower);
  });

  test("persistent subscriptions: consumers are sent to the leader", async () => {
    const { leader, onFollower, onLeader } = await startCluster(0);
    await onLeader.createPersistentSubscriptionToStream(stream, "g", streamSettings());
    const errors: unknown[] = [];
    const consumer = onFollower.subscribeToPersistentSubscriptionToStream(stream, "g");
    consumer.on("error", (error) => errors.push(error));
    await expect.poll(() => errors).toHaveLength(1);
    expect(errors[0]).toMatchObject({ leader: { address: host, port: leader.port } });
  });
});

describe("clients of a cluster", () => {
  test("are told of all members by each of them, and no more of one that has stopped", async () => {
    const { leader, follower } = await startCluster(0);
    const told = await Promise.all([leader.port, follower.port].map(members));
    for (const list of told) {
      expect(list.map(({ state, isAlive, httpEndPoint }) => ({ state, isAlive, httpEndPoint }))).toEqual([
        { state: LEADER, isAlive: true, httpEndPoint: { address: host, port: leader.port } },
        { state: FOLLOWER, isAlive: true, httpEndPoint: { address: host, port: follower.port } },
      ]);
    }
    expect(told[0]?.map(({ instanceId }) => instanceId)).toEqual(told[1]?.map(({ instanceId }) => instanceId));
    await follower.stop();
    expect((await members(leader.port)).map(({ state }) => state)).toEqual([LEADER]);
  });

  test.each([
    [
      "leader",
      "several hosts",
      (ports: readonly number[]) => `esdb://${ports.map((port) => `${host}:${port}`).join()}`,
    ],
    [
      "follower",
      "several hosts",
      (ports: readonly number[]) => `esdb://${ports.map((port) => `${host}:${port}`).join()}`,
    ],
    ["leader", "discovery", ([port]: readonly number[]) => `esdb+discover://${host}:${port}`],
    ["follower", "discovery", ([port]: readonly number[]) => `esdb+discover://${host}:${port}`],
  ])("that prefer the %s find it, by %s", async (preference, _how, address) => {
    const { leader, follower, onLeader } = await startCluster(Infinity);
    const stream = newStream();
    await onLeader.appendToStream(stream, event());
    for (const ports of [
      [leader.port, follower.port],
      [follower.port, leader.port],
    ]) {
      const client = connect(`${address(ports)}?tls=false&nodePreference=${preference}`);
      // This follower has nothing, so what is read tells who has answered.
      expect(await revisions(client, stream)).toEqual(preference === "leader" ? [0n] : "none");
    }
  });

  test("that prefer nobody are served whoever they find", async () => {
    const { leader, follower } = await startCluster(0);
    const hosts = `${host}:${leader.port},${host}:${follower.port}`;
    for (let round = 0; round < 5; round += 1) {
      const client = connect(`esdb://${hosts}?tls=false&nodePreference=random`);
      const stream = newStream();
      await client.appendToStream(stream, event());
      await expect.poll(() => revisions(client, stream)).toEqual([0n]);
    }
  });

  test("go to the leader when their follower has gone", async () => {
    const { leader, follower } = await startCluster(0);
    const client = connect(`esdb://${host}:${leader.port},${host}:${follower.port}?tls=false&nodePreference=follower`);
    const stream = newStream();
    await client.appendToStream(stream, event());
    await follower.stop();
    await rejection(collect(client.readStream(stream)));
    await expect.poll(() => revisions(client, stream).catch(String)).toEqual([0n]);
  });

  test("with users are let in by a follower as by its leader", async () => {
    const user = { username: "admin", password: "a password" };
    const { leader, follower } = await startCluster(0, { security: { adminPassword: user.password } });
    const hosts = `${host}:${leader.port},${host}:${follower.port}`;
    const options = leader.connectionString.slice(leader.connectionString.indexOf("?"));
    const stream = newStream();
    const admin = connect(`esdb://admin:a%20password@${hosts}${options}&nodePreference=follower`);
    await admin.appendToStream(stream, event());
    await expect.poll(() => revisions(admin, stream)).toEqual([0n]);
    const anonymous = connect(`esdb://${hosts}${options}&nodePreference=follower`);
    expect(String(await rejection(revisions(anonymous, stream)))).toContain("Access Denied");
  });
});

describe("when the leader changes", () => {
  const strict = { requiresLeader: true } as const;

  test("the one that was is a follower that refers to the new one, and clients go there and back by themselves", async () => {
    const { leader, follower, onLeader } = await startCluster(Infinity);
    const stream = newStream();
    await onLeader.appendToStream(stream, event());
    await follower.lead();
    for (const port of [leader.port, follower.port]) {
      expect((await members(port)).map(({ state, httpEndPoint }) => [httpEndPoint?.port, state])).toEqual([
        [leader.port, FOLLOWER],
        [follower.port, LEADER],
      ]);
    }
    const read = (): Promise<bigint[]> => collect(onLeader.readStream(stream, strict)).then(revisionsOf);
    expect(await rejection(read())).toMatchObject({ leader: { address: host, port: follower.port } });
    expect(await read()).toEqual([0n]);
    await leader.lead();
    expect(await rejection(read())).toMatchObject({ leader: { address: host, port: leader.port } });
    expect(await read()).toEqual([0n]);
  });

  test("who writes to the new one reads what he has written, at once; as a follower it is late again", async () => {
    const { leader, follower, onLeader, onFollower } = await startCluster(Infinity);
    await follower.lead();
    const stream = newStream();
    for (let revision = 0n; revision < 20n; revision += 1n) {
      await onFollower.appendToStream(stream, event());
      expect((await revisions(onFollower, stream)).length).toBe(Number(revision) + 1);
    }
    await onLeader.appendToStream(stream, event());
    await expect.poll(() => revisions(onFollower, stream)).toHaveLength(21);
    await leader.lead();
    await onLeader.appendToStream(stream, event());
    expect([(await revisions(onLeader, stream)).length, (await revisions(onFollower, stream)).length]).toEqual([
      22, 21,
    ]);
  });

  test("consumers of persistent subscriptions are dropped, and served by the new one", async () => {
    const { follower, onLeader, onFollower } = await startCluster(0);
    const stream = newStream();
    await onLeader.appendToStream(stream, event());
    await onLeader.createPersistentSubscriptionToStream(stream, "g", streamSettings({ startFrom: START }));
    const before = consume(onLeader.subscribeToPersistentSubscriptionToStream(stream, "g"), () => "nothing");
    await before.reached(1);
    await follower.lead();
    await expect.poll(() => before.errors).toHaveLength(1);
    expect(before.errors[0]).toBeInstanceOf(PersistentSubscriptionDroppedError);
    const refused = onLeader.createPersistentSubscriptionToStream(stream, "other", streamSettings());
    expect(await rejection(refused)).toBeInstanceOf(NotLeaderError);
    const after = consume(onFollower.subscribeToPersistentSubscriptionToStream(stream, "g"));
    await after.reached(1);
    expect(revisionsConsumed(after)).toEqual([0n]);
  });

  test("a leader that stops is followed by the first member that is left", async () => {
    const { leader, follower } = await startCluster(0);
    const other = await leader.startFollower();
    await follower.lead();
    await follower.stop();
    for (const port of [leader.port, other.port]) {
      expect((await members(port)).map(({ state, httpEndPoint }) => [httpEndPoint?.port, state])).toEqual([
        [leader.port, LEADER],
        [other.port, FOLLOWER],
      ]);
    }
  });
});

test("a follower stops with its leader, and its port can be taken again", async () => {
  const leader = await startEventStore({ inMemory: true });
  const { port } = await leader.startFollower();
  await leader.stop();
  const other = await startEventStore({ inMemory: true, port });
  await expect(other.startFollower({ port })).rejects.toMatchObject({ code: "PORT_IN_USE" });
  await other.stop();
});
