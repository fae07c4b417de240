/**
 * What tests of replays share: a view with an event store and tables of its own, what every generation of it holds and has
 * to hold, and a way to do something at the beginning of each step, before the replay makes its next call.
 */
import { type DynamoDBClient, ListTablesCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { expect, inject, onTestFinished } from "vitest";
import { z } from "zod";
import { attributesOf, changeRow, type PlainRow } from "../../../engine/consistency/plain-row.ts";
import type { BatchResponse } from "../../../engine/delivery/event-record.ts";
import { projectBatch, type ProjectorContext } from "../../../engine/delivery/project-batch.ts";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import { comparePositions, type Position } from "../../../engine/event-store/position.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";
import { createLogger } from "../../../engine/http/logger.ts";
import { Quarantine } from "../../../engine/quarantine/quarantine.ts";
import { retryLimitsSchema } from "../../../engine/quarantine/retry-limits.ts";
import { Replay, type ReplayObserver, type ReplayStep } from "../../../engine/replay/replay.ts";
import type { ReplayContext, ReplaySettings } from "../../../engine/replay/replay-context.ts";
import { Catalog, type Generation, type GenerationRole, writtenGenerations } from "../../../engine/views/catalog.ts";
import { connectDynamoDB } from "../../../engine/views/dynamodb.ts";
import {
  defineSharedProjection,
  idOfStream,
  type Projection,
  readsStream,
  type RowValue,
} from "../../../engine/views/projection.ts";
import { changesOf } from "../../../engine/views/stream-write.ts";
import { startEventStore } from "../../../local/eventstoredb/event-store-server.ts";
import { connect, type StoreForTest } from "../../local/eventstoredb/event-store-for-test.ts";
import {
  changed,
  closed,
  counted,
  createCatalogTable,
  type EventForTest,
  guardAt,
  newTable,
  owned,
  shared,
  type TableContents,
  unlisted,
  ViewsForTest,
} from "../views/views-for-test.ts";

/** Everything small, so that few events make several rounds, batches, checkpoints and evictions. */
export const quick: ReplaySettings = {
  leaseMs: 10_000,
  clockSkewMs: 10,
  lateWriteMs: 50,
  readerCacheMs: 5,
  waitForGuardsMs: 20,
  eventsAtOnce: 4,
  eventsPerCheckpoint: 8,
  checkpointEveryMs: 60_000,
  rowsInMemory: 6,
  rowsHeldBack: 2,
  batchesAtOnce: 2,
  giveWayAfterMs: 1_000,
  giveWayForMs: 60_000,
  restPerWork: 1,
  eventsLeftAtJoin: 3,
};

export type Versions = readonly [Projection, ...Projection[]];

/** The two kinds of projection, each with events that it reads: what a stream's `index`th event is. */
export const kinds = [
  {
    kind: "one row per stream",
    projection: owned,
    eventOf: (index: number): EventForTest =>
      index % 6 === 3
        ? closed
        : index % 6 === 2
          ? unlisted
          : changed({ set: { last: index }, add: { sum: index + 1 } }),
  },
  {
    kind: "shared rows",
    projection: shared,
    eventOf: (index: number): EventForTest =>
      index % 6 === 2 ? unlisted : counted({ all: index + 1, [`row-${index % 5}`]: 1 }),
  },
] as const;

/** Like `shared`, with each sum counted twice: rows that the same events give are others. */
export const sharedV2 = defineSharedProjection({
  name: "shared",
  version: 2,
  categories: ["account"],
  eventTypes: { Counted: { version: 1, schema: z.record(z.string(), z.number()) } },
  on: {
    Counted: ({ data }) =>
      Object.entries(data).map(([sort, sum]) => ({ key: { partition: "totals", sort }, add: { double: 2 * sum } })),
  },
});

export type Kind = (typeof kinds)[number];

const silent = createLogger("test", { level: "silent" });
/** Nothing is given up unless a test says so. */
const limits = retryLimitsSchema.parse({ maximumRetryAttempts: -1 });

export class ViewForReplay extends ViewsForTest {
  readonly versions: Versions;
  readonly name: string;
  readonly tablePrefix: string;
  readonly catalogTable: string;
  readonly quarantine: Quarantine;
  readonly catalog: Catalog;
  readonly #store: StoreForTest;
  /** Appended and not yet acknowledged. */
  #unacknowledged: StoredEvent[] = [];
  readonly #heads = new Map<string, number>();

  private constructor(store: StoreForTest, catalogTable: string, versions: Versions, tablePrefix = `${newTable()}-`) {
    super(store);
    this.#store = store;
    this.versions = versions;
    this.name = versions[0].name;
    this.tablePrefix = tablePrefix;
    this.catalogTable = catalogTable;
    this.catalog = new Catalog(this.dynamodb, catalogTable);
    this.quarantine = new Quarantine(this.dynamodb, catalogTable.replace(/catalog$/, "quarantine"));
  }

  static async start(...versions: Versions): Promise<ViewForReplay> {
    const dynamodb = healthyDynamoDB();
    const [server, catalogTable] = await Promise.all([startEventStore(), createCatalogTable(dynamodb)]);
    dynamodb.destroy();
    return new ViewForReplay({ server, client: connect(server) }, catalogTable, versions);
  }

  /** The same view as another deployment has it. */
  deployedWith(...versions: Versions): ViewForReplay {
    const other = new ViewForReplay(this.#store, this.catalogTable, versions, this.tablePrefix);
    for (const [stream, head] of this.#heads) other.#heads.set(stream, head);
    onTestFinished(() => other.dynamodb.destroy());
    return other;
  }

  async stop(): Promise<void> {
    this.dynamodb.destroy();
    await this.eventStore.dispose();
    await this.#store.server.stop();
  }

  get client(): StoreForTest["client"] {
    return this.#store.client;
  }

  /** A replay by a worker with clients of its own, if any are given. */
  replay(context: Partial<ReplayContext> = {}, versions: Versions = this.versions): Replay {
    const { dynamodb = this.dynamodb, settings } = context;
    return new Replay(
      {
        eventStore: this.eventStore,
        catalogTable: this.catalogTable,
        tablePrefix: this.tablePrefix,
        catalog: new Catalog(dynamodb, this.catalogTable),
        quarantine: new Quarantine(dynamodb, this.quarantine.table),
        ...context,
        dynamodb,
        settings: { ...quick, ...settings },
      },
      versions,
    );
  }

  /** The next events of `kind`, `count` in each of so many streams. */
  async happen({ eventOf }: Pick<Kind, "eventOf">, count = 1, streams = 4, first = 0): Promise<StoredEvent[]> {
    const appended: StoredEvent[] = [];
    for (let stream = first; stream < first + streams; stream += 1) {
      const name = `account-${stream}`;
      const head = this.#heads.get(name) ?? 0;
      this.#heads.set(name, head + count);
      appended.push(
        ...(await this.append(
          name,
          Array.from({ length: count }, (_, index) => eventOf(head + index)),
        )),
      );
    }
    return appended;
  }

  override async append(stream: string, events: readonly EventForTest[]): Promise<StoredEvent[]> {
    const appended = await super.append(stream, events);
    this.#unacknowledged.push(...appended);
    return appended;
  }

  /** What a projector function does with these events. */
  deliver(
    events: readonly StoredEvent[],
    context: Partial<ProjectorContext> = {},
    versions: Versions = this.versions,
  ): Promise<BatchResponse> {
    const { dynamodb, eventStore, catalog, quarantine } = this;
    return projectBatch(
      { dynamodb, eventStore, catalog, quarantine, limits, log: silent, ...context },
      versions,
      events,
    );
  }

  /** Delivers all that was appended and is not acknowledged, if there is a generation to write. */
  async deliverAll(): Promise<void> {
    const events = this.#unacknowledged;
    if (events.length === 0 || writtenGenerations(await this.entry()).length === 0) return;
    expect(await this.deliver(events)).toStrictEqual({ batchItemFailures: [] });
    this.#unacknowledged = this.#unacknowledged.filter((event) => !events.includes(event));
  }

  /** As if the time had passed that a worker which is gone holds the lease of a generation. */
  async letLeasesRunOut(): Promise<void> {
    for (const { pk, sk, owner } of await this.items(this.catalogTable)) {
      if (pk === undefined || sk === undefined || owner === undefined) continue;
      const update = new UpdateItemCommand({
        TableName: this.catalogTable,
        Key: { pk, sk },
        UpdateExpression: "SET leaseUntil = :past",
        ExpressionAttributeValues: { ":past": { N: (Date.now() - quick.clockSkewMs).toString() } },
      });
      await this.dynamodb.send(update);
    }
  }

  entry(): ReturnType<Catalog["read"]> {
    return this.catalog.read(this.name);
  }

  /** The generation in this role; there must be one. */
  async generation(role: GenerationRole): Promise<Generation> {
    const found = (await this.entry()).generations.find((generation) => generation.role === role);
    if (found === undefined) throw new Error(`no generation of ${this.name} is ${role}`);
    return found;
  }

  async roles(): Promise<string[]> {
    return (await this.entry()).generations.map(({ role }) => role);
  }

  projectionOf({ version }: Pick<Generation, "version">): Projection {
    return this.versions.find((projection) => projection.version === version) ?? this.versions[0];
  }

  async contentsOf(generation: Generation): Promise<TableContents> {
    return this.contents({
      dynamodb: this.dynamodb,
      eventStore: this.eventStore,
      generation,
      projection: this.projectionOf(generation),
    });
  }

  /** What the log says that a generation holds: its plain fold, from its first event to its last. */
  async expectedOf({ version, from }: Pick<Generation, "version" | "from">): Promise<TableContents> {
    const projection = this.projectionOf({ version });
    const rows = new Map<string, PlainRow>();
    const rowAt = (partition: string, sort: string): PlainRow => {
      const key = `${partition}/${sort}`;
      let row = rows.get(key);
      if (row === undefined) rows.set(key, (row = new Map<string, RowValue>()));
      return row;
    };
    const guards: Record<string, string> = {};
    for await (const event of this.eventStore.readAll()) {
      if (!readsStream(projection, event.stream) || event.type === "$streamDeleted") continue;
      guards[event.stream] = guardAt(event);
      if (projection.rows === "one-per-stream") {
        // There from the first event on, if only to hold the guard.
        const { partition, sort } = projection.rowOf(idOfStream(projection, event.stream));
        rowAt(partition, sort);
      }
      if (comparePositions(event.position, from) < 0) continue;
      for (const { key, change } of changesOf(projection, event)) changeRow(rowAt(key.partition, key.sort), change);
    }
    return { rows: Object.fromEntries([...rows].map(([key, row]) => [key, attributesOf(row)])), guards };
  }

  /** Every generation that is written holds exactly what the log says. */
  async expectExact(): Promise<void> {
    await this.deliverAll();
    for (const generation of writtenGenerations(await this.entry())) {
      const [contents, expected] = await Promise.all([this.contentsOf(generation), this.expectedOf(generation)]);
      expect({ role: generation.role, ...contents }).toStrictEqual({ role: generation.role, ...expected });
    }
  }

  /** Every generation in the catalog has its table, and there is no other table. */
  async expectNothingLeftBehind(): Promise<void> {
    // Names come in their order, so those of this view come first.
    const list = new ListTablesCommand({ ExclusiveStartTableName: this.tablePrefix });
    const { TableNames = [] } = await this.dynamodb.send(list);
    const tables = TableNames.filter((table) => table.startsWith(this.tablePrefix));
    const { generations } = await this.entry();
    expect(tables.sort()).toStrictEqual(generations.map(({ table }) => table).sort());
    const known = new Set(generations.map(({ id }) => id));
    const progress = (await this.items(this.catalogTable))
      .map(({ sk }) => sk?.S ?? "")
      .filter((sk) => sk !== "catalog");
    expect(progress.filter((sk) => !known.has(sk.replace(/^(replay|report)#/, "")))).toStrictEqual([]);
  }
}

/** A view that is stopped when the test is over. */
export async function startView(...versions: Versions): Promise<ViewForReplay> {
  const view = await ViewForReplay.start(...versions);
  onTestFinished(() => view.stop());
  return view;
}

/** A view whose first generation is live and holds all that has happened. */
export async function startLiveView(kind: Kind, events = 5): Promise<ViewForReplay> {
  const view = await startView(kind.projection);
  await view.happen(kind, events);
  await view.replay().run();
  return view;
}

export function healthyDynamoDB(): DynamoDBClient {
  return connectDynamoDB({ region: "eu-central-1", endpoint: inject("dynamodbEndpoint") });
}

export interface Call {
  readonly command: string;
  readonly input: unknown;
}

/** Decides what becomes of a call. */
export type Intercept = <Answer>(call: Call, send: () => Promise<Answer>) => Promise<Answer>;

/** A client whose calls, all of them, go through `intercept`; once each, whatever the client repeats. */
export function interceptedDynamoDB(intercept: Intercept): DynamoDBClient {
  const dynamodb = healthyDynamoDB();
  dynamodb.middlewareStack.add(
    (next, context) => (args) =>
      intercept({ command: String(context["commandName"]).replace(/Command$/, ""), input: args.input }, () =>
        next(args),
      ),
    { step: "initialize" },
  );
  return dynamodb;
}

/** An event store that awaits `before` ahead of each read. */
export class InterceptedEventStore extends EventStore {
  readonly #before: (read: "readAll" | "tail" | "readStream") => Promise<void>;

  constructor(store: EventStore, before: (read: "readAll" | "tail" | "readStream") => Promise<void>) {
    super(store.client);
    this.#before = before;
  }

  override async *readAll(from?: Position, until?: Position): AsyncGenerator<StoredEvent, void> {
    await this.#before("readAll");
    yield* super.readAll(from, until);
  }

  override async *roundsOf(...read: Parameters<EventStore["roundsOf"]>): AsyncGenerator<StoredEvent[], void> {
    await this.#before("readAll");
    yield* super.roundsOf(...read);
  }

  override async *readStream(stream: string, from?: bigint, maxCount?: bigint): AsyncGenerator<StoredEvent, void> {
    await this.#before("readStream");
    yield* super.readStream(stream, from, maxCount);
  }

  override async tail(): Promise<Position> {
    await this.#before("tail");
    return super.tail();
  }
}

export interface SteppedContext {
  readonly dynamodb: DynamoDBClient;
  readonly eventStore: EventStore;
  readonly observer: ReplayObserver;
}

/**
 * Clients and an observer for one replay: at the beginning of each step `work` is done, and the replay's next call waits for
 * it. So what happens between two steps by chance happens every time.
 */
export function stepped(
  view: ViewForReplay,
  work: (step: ReplayStep, generation: Generation) => Promise<unknown>,
  intercept: Intercept = (_, send) => send(),
): SteppedContext {
  let pending: Promise<unknown> = Promise.resolve();
  const observer: ReplayObserver = {
    step: (step, generation) => {
      pending = pending.then(() => work(step, generation));
      // The next call of the replay is rejected with it.
      pending.catch(() => undefined);
    },
  };
  const dynamodb = interceptedDynamoDB(async (call, send) => {
    await pending;
    return intercept(call, send);
  });
  const eventStore = new InterceptedEventStore(view.eventStore, async () => {
    await pending;
  });
  return { dynamodb, eventStore, observer };
}

/** Something that a test opens when the time has come. */
export class Gate {
  readonly #opened = Promise.withResolvers<undefined>();
  readonly #reached = Promise.withResolvers<undefined>();

  /** Resolves when somebody waits at it. */
  get reached(): Promise<unknown> {
    return this.#reached.promise;
  }

  async pass(): Promise<void> {
    this.#reached.resolve(undefined);
    await this.#opened.promise;
  }

  open(): void {
    this.#opened.resolve(undefined);
  }
}
