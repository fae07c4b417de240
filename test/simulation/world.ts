/** Everything that a history happens in: the services, the processes, and what was done to them. */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { decodeBatch } from "../../engine/delivery/event-record.ts";
import { projectBatch } from "../../engine/delivery/project-batch.ts";
import { Subscription } from "../../engine/delivery/subscription.ts";
import { type SubscriptionSettings, subscriptionSettings } from "../../engine/delivery/subscription-settings.ts";
import { EventStore } from "../../engine/event-store/event-store.ts";
import { startOfAll } from "../../engine/event-store/position.ts";
import { createLogger } from "../../engine/http/logger.ts";
import { Quarantine, quarantineTable } from "../../engine/quarantine/quarantine.ts";
import { retryLimitsSchema } from "../../engine/quarantine/retry-limits.ts";
import { Replay } from "../../engine/replay/replay.ts";
import type { ReplayContext, ReplaySettings } from "../../engine/replay/replay-context.ts";
import { Catalog } from "../../engine/views/catalog.ts";
import { createGenerationTable } from "../../engine/views/generation-table.ts";
import type { Projection } from "../../engine/views/projection.ts";
import { type Random, seededRandom } from "../local/eventstoredb/seeded-random.ts";
import { unkeptAnswers } from "./acknowledgement-watch.ts";
import { DynamoDBService } from "./dynamodb-service.ts";
import { Faults } from "./faults.ts";
import { FunctionService } from "./function-service.ts";
import { ReaderWatch } from "./reader-watch.ts";
import { SimulatedProcess } from "./simulated-process.ts";
import type { SimulatedTime } from "./simulated-time.ts";
import { StoreService } from "./store-service.ts";
import { Trace } from "./trace.ts";
import { category } from "./wallet-views.ts";

export const catalogTable = "catalog";

/** Everything small, so that few events make several rounds, batches and checkpoints. */
export const replaySettings: ReplaySettings = {
  leaseMs: 10_000,
  clockSkewMs: 100,
  lateWriteMs: 10_000,
  readerCacheMs: 1_000,
  waitForGuardsMs: 2_000,
  eventsAtOnce: 6,
  eventsPerCheckpoint: 10,
  rowsInMemory: 3,
  rowsHeldBack: 2,
  batchesAtOnce: 2,
  eventsLeftAtJoin: 6,
};

const silent = createLogger("simulation", { level: "silent" });

/** A process that reads the groups of all views. */
export interface Subscriber {
  readonly process: SimulatedProcess;
  readonly subscriptions: readonly Subscription[];
}

export interface WorldOptions {
  readonly seed: number;
  readonly time: SimulatedTime;
  readonly projections: readonly Projection[];
  /** From 0, no faults, to 1. */
  readonly intensity: number;
}

export class World {
  readonly time: SimulatedTime;
  readonly trace: Trace;
  readonly faults: Faults;
  /** What happens, as opposed to what goes wrong. */
  readonly plan: Random;
  readonly projections: readonly Projection[];
  readonly dynamodb: DynamoDBService;
  readonly store: StoreService;
  readonly functions: FunctionService;
  readonly readers: readonly ReaderWatch[];
  /** What a projector has said it did, and had not. */
  readonly unkept: string[] = [];
  readonly #subscribers: Subscriber[] = [];
  #processes = 0;

  private constructor(
    { time, projections }: WorldOptions,
    trace: Trace,
    faults: Faults,
    plan: Random,
    store: StoreService,
  ) {
    this.time = time;
    this.trace = trace;
    this.faults = faults;
    this.plan = plan;
    this.projections = projections;
    this.store = store;
    this.readers = projections.map(({ name }) => new ReaderWatch(name, (table) => this.dynamodb.tables.items(table)));
    this.dynamodb = new DynamoDBService(
      { faults, trace },
      {
        now: () => time.now,
        written: (table, item) => {
          for (const reader of this.readers) reader.written(table, item);
        },
      },
    );
    this.functions = new FunctionService({ faults, trace }, (name, process) => this.#functionCode(name, process));
  }

  /** With a generation of each view that is live, and nobody at work yet. */
  static async make(options: WorldOptions): Promise<World> {
    const { seed, time, intensity } = options;
    const trace = new Trace(() => time.elapsedMs);
    const faults = new Faults(seededRandom(seed ^ 0x2545f491), intensity, (what) => trace.note(what));
    const store = await StoreService.start({ faults, trace }, () => time.now);
    const world = new World(options, trace, faults, seededRandom(seed ^ 0x6c078965), store);
    for (const TableName of [catalogTable, quarantineTable("")]) {
      world.dynamodb.tables.execute("CreateTable", {
        TableName,
        KeySchema: [
          { AttributeName: "pk", KeyType: "HASH" },
          { AttributeName: "sk", KeyType: "RANGE" },
        ],
      });
    }
    const process = world.process("deployment");
    for (const projection of options.projections) await world.#prepare(world.#viewsOf(process), projection);
    return world;
  }

  process(kind: string): SimulatedProcess {
    this.#processes += 1;
    return new SimulatedProcess(`${kind} ${this.#processes}`);
  }

  eventStore(process: SimulatedProcess): EventStore {
    return new EventStore(this.store.connect(process));
  }

  catalog(process: SimulatedProcess): Catalog {
    return this.#viewsOf(process).catalog;
  }

  replay(process: SimulatedProcess, projection: Projection): Replay {
    const context: ReplayContext = {
      ...this.#viewsOf(process),
      eventStore: this.eventStore(process),
      catalogTable,
      tablePrefix: "",
      settings: replaySettings,
    };
    return new Replay(context, [projection]);
  }

  get subscribers(): readonly Subscriber[] {
    return this.#subscribers.filter(({ process }) => process.isAlive);
  }

  startSubscriber(): Subscriber {
    const process = this.process("subscriber");
    const context = { client: this.store.connect(process), lambda: this.functions.connect(process), log: silent };
    const subscriptions = this.projections.map((projection) => new Subscription(settingsOf(projection), context));
    for (const subscription of subscriptions) subscription.start();
    const subscriber = { process, subscriptions };
    this.#subscribers.push(subscriber);
    this.trace.note(`${process.name} starts`);
    return subscriber;
  }

  /** Whether all that was appended has been delivered and acknowledged. */
  get isQuiet(): boolean {
    return (
      this.functions.running === 0 &&
      this.subscribers.every(({ subscriptions }) => subscriptions.every(({ status }) => status.held === 0)) &&
      this.projections.every((projection) => this.store.isQuiet(settingsOf(projection).group))
    );
  }

  async end(): Promise<void> {
    this.dynamodb.close();
    this.functions.close();
    await this.store.stop();
  }

  async #prepare({ dynamodb, catalog }: Views, projection: Projection): Promise<void> {
    const table = `${projection.name}-first`;
    await createGenerationTable(dynamodb, table, projection);
    const entry = await catalog.read(projection.name);
    const declaredAt = new Date().toISOString();
    const first = {
      id: "first",
      table,
      version: projection.version,
      role: "live",
      from: startOfAll,
      declaredAt,
    } as const;
    // As a replay of the empty log would have left it: a rollback asks for no less.
    await catalog.transition(entry, [{ ...first, verifiedTo: startOfAll, sealedTo: startOfAll }]);
  }

  #functionCode(name: string, process: SimulatedProcess): (payload: unknown) => ReturnType<typeof projectBatch> {
    const projection = this.projections.find((candidate) => settingsOf(candidate).functionName === name);
    if (projection === undefined) throw new Error(`there is no function ${name}`);
    const context = {
      ...this.#viewsOf(process),
      eventStore: this.eventStore(process),
      limits: retryLimitsSchema.parse({}),
      log: silent,
    };
    return async (payload) => {
      const events = decodeBatch(payload);
      const response = await projectBatch(context, [projection], events);
      this.unkept.push(...unkeptAnswers(this.dynamodb, projection, process, events, response));
      return response;
    };
  }

  #viewsOf(process: SimulatedProcess): Views {
    const dynamodb = this.dynamodb.connect(process);
    return {
      dynamodb,
      catalog: new Catalog(dynamodb, catalogTable),
      quarantine: new Quarantine(dynamodb, quarantineTable("")),
    };
  }
}

interface Views {
  readonly dynamodb: DynamoDBClient;
  readonly catalog: Catalog;
  readonly quarantine: Quarantine;
}

const known = new Map<Projection, SubscriptionSettings>();

export function settingsOf(projection: Projection): SubscriptionSettings {
  const before = known.get(projection);
  if (before !== undefined) return before;
  const settings = subscriptionSettings({
    name: projection.name,
    functionName: `project-${projection.name}`,
    categories: [category],
    batchSize: 5,
    parallelizationFactor: 2,
    maximumBatchingWindowInSeconds: 0.02,
    invocationTimeoutMs: 25_000,
    retry: { baseMs: 100, maximumMs: 2_000 },
  });
  known.set(projection, settings);
  return settings;
}
