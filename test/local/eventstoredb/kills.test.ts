/**
 * Killed again and again, under load, in the middle of a start and of a checkpoint: nothing that was acknowledged is
 * lost, and persistent subscriptions go on from where they had written that they were.
 */
import { watch } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  jsonEvent,
  NO_STREAM,
  persistentSubscriptionToAllSettingsFromDefaults as allSettings,
  persistentSubscriptionToStreamSettingsFromDefaults as streamSettings,
  START,
  streamNameFilter,
  WrongExpectedVersionError,
  type AppendExpectedRevision,
  type EventStoreDBClient,
} from "@eventstore/db-client";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connect, eventOf, eventually, sleep } from "./event-store-for-test.ts";
import { checkpointOf, KillLedger, type Place } from "./kill-ledger.ts";
import { newSeed, seededRandom, type Random } from "./seeded-random.ts";
import { startProcess, startToKill, type ServerProcess } from "./server-process.ts";

const kills = process.env["TIDEMARK_PROOF"] === undefined ? 6 : 200;
const seed = newSeed();

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "event-store-kills-"));
});
afterEach(() => rm(directory, { recursive: true }));

const parameters = (): string[] => ["--port", "0", "--data", directory];

/** The database's file is written by checkpoints only, so its first change is one that has begun. */
const firstChange = (file: string, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const watcher = watch(file, { signal }, () => {
      watcher.close();
      resolve();
    });
    watcher.on("error", () => resolve());
    signal.addEventListener("abort", () => resolve());
  });

/** One kind of work that goes on until the server is gone, which the error says that ends it. */
type Lane = (client: EventStoreDBClient) => Promise<void>;

const events = (type: string, size: number, bytes: number) =>
  Array.from({ length: size }, (_, index) => jsonEvent({ type, data: { index, filler: "x".repeat(bytes) } }));

const appendOnce = async (
  ledger: KillLedger,
  client: EventStoreDBClient,
  stream: string,
  size: number,
  bytes: number,
  expectedRevision: AppendExpectedRevision,
): Promise<bigint> => {
  const type = ledger.ask(stream, size);
  try {
    const result = await client.appendToStream(stream, events(type, size, bytes), { expectedRevision });
    ledger.acknowledge(type, result.nextExpectedRevision, result.position?.commit ?? -1n);
    return result.nextExpectedRevision;
  } catch (error) {
    if (error instanceof WrongExpectedVersionError) ledger.refuse(type);
    throw error;
  }
};

const appendWithRevisions =
  (ledger: KillLedger, stream: string): Lane =>
  async (client) => {
    let last = ledger.lastRevision(stream);
    for (;;) last = await appendOnce(ledger, client, stream, 1, 50, last < 0n ? NO_STREAM : last);
  };

const appendBatches =
  (ledger: KillLedger, random: Random, stream: string, bytes: number, largest: number): Lane =>
  async (client) => {
    for (;;) await appendOnce(ledger, client, stream, random.between(1, largest), bytes, "any");
  };

/** Each is refused, and may never be found. */
const appendWrongRevisions =
  (ledger: KillLedger, stream: string): Lane =>
  async (client) => {
    for (;;) {
      const refused = await appendOnce(ledger, client, stream, 2, 50, 1_000_000n).catch((error: unknown) => error);
      if (!(refused instanceof WrongExpectedVersionError)) throw refused;
    }
  };

const liveShortLives =
  (ledger: KillLedger, round: number): Lane =>
  async (client) => {
    for (let number = 0; ; number += 1) {
      const life = ledger.beginLife(`d-${round}-${number}`);
      const { stream } = life;
      const steps = [
        () => appendOnce(ledger, client, stream, 2, 10, NO_STREAM),
        () => client.deleteStream(stream),
        () => appendOnce(ledger, client, stream, 1, 10, "any"),
        () => client.tombstoneStream(stream),
      ];
      for (const step of steps) {
        life.askedSteps += 1;
        await step();
        life.acknowledgedSteps += 1;
      }
    }
  };

const changeMetadata =
  (ledger: KillLedger): Lane =>
  async (client) => {
    for (;;) {
      ledger.metadata.asked = ledger.metadata.acknowledged + 1;
      await client.setStreamMetadata(ledger.metadata.stream, { maxCount: ledger.metadata.asked });
      ledger.metadata.acknowledged = ledger.metadata.asked;
    }
  };

/** What one consumer was sent between two kills, and from where the group was to go on. */
interface Stretch {
  readonly group: "stream" | "all";
  readonly checkpoint: string | undefined;
  readonly delivered: { readonly id: string; readonly retryCount: number }[];
}

const groups = { stream: "s-0::g", all: "$all::g" } as const;

const createGroups = async (client: EventStoreDBClient): Promise<void> => {
  const often = { startFrom: START, checkPointUpperBound: 7, checkPointLowerBound: 1, checkPointAfter: 50 } as const;
  await client.createPersistentSubscriptionToStream("s-0", "g", streamSettings(often));
  const filter = streamNameFilter({ prefixes: ["s-"] });
  await client.createPersistentSubscriptionToAll("g", allSettings(often), { filter });
};

const consume = async (client: EventStoreDBClient, group: "stream" | "all"): Promise<Stretch> => {
  const stretch: Stretch = { group, checkpoint: await checkpointOf(client, groups[group]), delivered: [] };
  const subscription =
    group === "stream"
      ? client.subscribeToPersistentSubscriptionToStream("s-0", "g", { bufferSize: 20 })
      : client.subscribeToPersistentSubscriptionToAll("g", { bufferSize: 20 });
  subscription.on("error", () => undefined);
  subscription.on("data", (resolved) => {
    stretch.delivered.push({ id: eventOf(resolved).id, retryCount: resolved.retryCount });
    void subscription.ack(resolved).catch(() => undefined);
  });
  return stretch;
};

/** A stretch starts right after its checkpoint and leaves nothing out. */
const faultOf = ({ group, checkpoint, delivered }: Stretch, places: readonly Place[]): string | undefined => {
  const after =
    checkpoint === undefined ? -1n : BigInt(group === "stream" ? checkpoint : (/^C:(\d+)/.exec(checkpoint)?.[1] ?? ""));
  const first = places.findIndex(({ revision, position }) => (group === "stream" ? revision : position) > after);
  const due = first < 0 ? [] : places.slice(first, first + delivered.length);
  if (delivered.map(({ id }) => id).join() !== due.map(({ id }) => id).join())
    return `${group}: not the ${delivered.length} events after ${checkpoint ?? "the start"}`;
  return delivered.some(({ retryCount }) => retryCount !== 0) ? `${group}: a retry after a start` : undefined;
};

const killDuringStart = async (random: Random): Promise<void> => {
  const starting = startToKill(parameters());
  const over = new AbortController();
  const change = firstChange(join(directory, "event-store.db"), over.signal);
  await Promise.race([random.next() < 0.5 ? sleep(random.between(50, 400)) : change, starting.ready, sleep(1000)]);
  over.abort();
  await starting.kill();
};

test(
  `killed ${kills} times: everything acknowledged is there, nothing else is half there (TIDEMARK_SEED=${seed})`,
  async () => {
    const random = seededRandom(seed);
    const ledger = new KillLedger();
    const stretches: Stretch[] = [];
    const killsOf = { load: 0, checkpoint: 0, start: 0 };

    const work = async (server: ServerProcess, round: number, kind: "load" | "checkpoint"): Promise<void> => {
      const clients = [connect(server), connect(server), connect(server)] as const;
      await ledger.inspect(clients[0]);
      if (round === 0) await createGroups(clients[0]);
      stretches.push(await consume(clients[1], "stream"), await consume(clients[2], "all"));
      const singles = random.pick([1, 4, 8]);
      const lanes: Lane[] = [
        ...Array.from({ length: singles }, (_, lane) => appendWithRevisions(ledger, `s-${lane}`)),
        appendBatches(ledger, random, "b-0", 50, 200),
        appendBatches(ledger, random, "b-1", 500, 20),
        appendWrongRevisions(ledger, "s-0"),
        liveShortLives(ledger, round),
        changeMetadata(ledger),
      ];
      if (kind === "checkpoint") lanes.push(appendBatches(ledger, random, "b-2", 50_000, 16));
      const over = new AbortController();
      const change = firstChange(join(directory, "event-store.db"), over.signal);
      const working = lanes.map((lane, index) => lane(clients[index % 3] ?? clients[0]).catch(() => undefined));
      await (kind === "checkpoint" ? Promise.race([change, sleep(5000)]) : sleep(random.between(10, 250)));
      await server.kill("SIGKILL");
      over.abort();
      await Promise.all(working);
      await Promise.all(clients.map((client) => client.dispose().catch(() => undefined)));
    };

    for (let round = 0; round < kills; round += 1) {
      const kind = round === 0 ? "load" : random.pick(["load", "load", "load", "checkpoint", "start"] as const);
      killsOf[kind] += 1;
      if (kind === "start") await killDuringStart(random);
      else await work(await startProcess(parameters()), round, kind);
      expect({ round, kind, faults: ledger.faults }).toEqual({ round, kind, faults: [] });
    }

    const server = await startProcess(parameters());
    const client = connect(server);
    await ledger.inspect(client);
    await ledger.inspectAll(client);
    const matching = ledger.places.filter(({ stream }) => stream.startsWith("s-"));
    const ofStream = matching.filter(({ stream }) => stream === "s-0");
    const rest = [await consume(client, "stream"), await consume(client, "all")];
    stretches.push(...rest);
    for (const [group, places] of [
      ["stream", ofStream],
      ["all", matching],
    ] as const) {
      const mine = stretches.filter((stretch) => stretch.group === group);
      const seen = (): Set<string> => new Set(mine.flatMap(({ delivered }) => delivered.map(({ id }) => id)));
      await eventually(
        () => seen().size === places.length,
        () => `${group}: ${seen().size} of ${places.length} events were delivered`,
        60_000,
      );
      expect(mine.map((stretch) => faultOf(stretch, places)).filter((fault) => fault !== undefined)).toEqual([]);
    }
    await client.dispose();
    await server.kill("SIGKILL");
    expect(ledger.faults).toEqual([]);
    expect(killsOf.load + killsOf.checkpoint + killsOf.start).toBe(kills);
    expect(ledger.acknowledgedBatches).toBeGreaterThan(kills);
  },
  kills * 20_000,
);
