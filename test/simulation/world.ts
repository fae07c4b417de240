/** Everything that a history happens in: the services, the processes, and what was done to them. */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { itemIdentifier } from "../../engine/delivery/event-record.ts";
import { decodePayload } from "../../engine/delivery/function-payload.ts";
import { countFailure, projectBatch } from "../../engine/delivery/project-batch.ts";
import { Subscription } from "../../engine/delivery/subscription.ts";
import { type SubscriptionSettings, subscriptionSettings } from "../../engine/delivery/subscription-settings.ts";
import { EventStore } from "../../engine/event-store/event-store.ts";
import { startOfAll } from "../../engine/event-store/position.ts";
import { createLogger } from "../../engine/http/logger.ts";
import type { Decision } from "../../engine/quarantine/decisions.ts";
import { QuarantineOperations } from "../../engine/quarantine/operations.ts";
import { Quarantine, quarantineTable } from "../../engine/quarantine/quarantine.ts";
import { type RetryLimits, retryLimitsSchema } from "../../engine/quarantine/retry-limits.ts";
import { Replay } from "../../engine/replay/replay.ts";
import type { ReplayContext, ReplaySettings } from "../../engine/replay/replay-context.ts";
import { Catalog } from "../../engine/views/catalog.ts";
import { createGenerationTable } from "../../engine/views/generation-table.ts";
import type { Projection } from "../../engine/views/projection.ts";
import { type Random, seededRandom } from "../local/eventstoredb/seeded-random.ts";
import { AcknowledgementWatch } from "./acknowledgement-watch.ts";
import { DynamoDBService } from "./dynamodb-service.ts";
import type { Value } from "./dynamodb-values.ts";
import { Faults } from "./faults.ts";
import { type FunctionCode, FunctionService } from "./function-service.ts";
import { eventsOf } from "./log-events.ts";
import { type ReaderSurroundings, ReaderWatch } from "./reader-watch.ts";
import { never, SimulatedProcess } from "./simulated-process.ts";
import type { SimulatedTime } from "./simulated-time.ts";
import { StoreService } from "./store-service.ts";
import { Trace } from "./trace.ts";
import { category, type Deployment, endsTheProjector, type View } from "./wallet-views.ts";

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
  checkpointEveryMs: 60_000,
  rowsInMemory: 3,
  rowsHeldBack: 2,
  batchesAtOnce: 2,
  giveWayAfterMs: 200,
  giveWayForMs: 60_000,
  restPerWork: 1,
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
  readonly views: readonly [View, ...View[]];
  /** From 0, no faults, to 1. */
  readonly intensity: number;
  /** What is deployed at first. */
  readonly deployment?: Deployment;
  readonly maximumRetryAttempts?: number;
}

export class World {
  readonly time: SimulatedTime;
  readonly trace: Trace;
  readonly faults: Faults;
  /** What happens, as opposed to what goes wrong. */
  readonly plan: Random;
  readonly views: readonly [View, ...View[]];
  readonly dynamodb: DynamoDBService;
  readonly store: StoreService;
  readonly functions: FunctionService;
  readonly readers: readonly ReaderWatch[];
  readonly acknowledgements: AcknowledgementWatch;
  readonly #limits: RetryLimits;
  #deployment: Deployment;
  readonly #subscribers: Subscriber[] = [];
  #processes = 0;

  private constructor(
    { time, views, deployment = "mended", maximumRetryAttempts }: WorldOptions,
    trace: Trace,
    faults: Faults,
    plan: Random,
    store: StoreService,
  ) {
    this.time = time;
    this.trace = trace;
    this.faults = faults;
    this.plan = plan;
    this.views = views;
    this.#deployment = deployment;
    this.#limits = retryLimitsSchema.parse(maximumRetryAttempts === undefined ? {} : { maximumRetryAttempts });
    this.store = store;
    this.readers = views.map(({ name }) => new ReaderWatch(name, this.#seenByReaders(name)));
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
    this.acknowledgements = new AcknowledgementWatch(this.dynamodb, catalogTable, quarantineTable(""));
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
    for (const projection of world.projections) await world.#prepare(world.#viewsOf(process), projection);
    return world;
  }

  get deployment(): Deployment {
    return this.#deployment;
  }

  /** As they are deployed now. */
  get projections(): readonly Projection[] {
    return this.views.map(({ deployed }) => deployed[this.#deployment]);
  }

  /** What runs goes on with the code that it has; what begins from now on has the other. */
  deploy(deployment: Deployment): void {
    this.#deployment = deployment;
    this.functions.replaceInstances();
    this.trace.note(`${deployment} code is deployed`);
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

  replay(process: SimulatedProcess, view: string): Replay {
    const projection = this.projections.find(({ name }) => name === view);
    if (projection === undefined) throw new RangeError(`there is no view ${view}`);
    const context: ReplayContext = {
      ...this.#viewsOf(process),
      eventStore: this.eventStore(process),
      catalogTable,
      tablePrefix: "",
      settings: replaySettings,
    };
    return new Replay(context, [projection]);
  }

  /** What an operator's process has to do with what was given up. */
  quarantine(process: SimulatedProcess): QuarantineOperations {
    const views = new Map(this.projections.map((projection) => [projection.name, [projection] as const]));
    const context = { ...this.#viewsOf(process), eventStore: this.eventStore(process), catalogTable };
    return new QuarantineOperations(context, { views, processes: new Map() });
  }

  decisions(process: SimulatedProcess, view: string): Promise<Decision[]> {
    return this.#viewsOf(process).quarantine.decisions(view);
  }

  /** Looks at what no moment excuses. */
  look(when: string): void {
    for (const projection of this.projections) this.acknowledgements.look(projection, when);
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
    await catalog.transition(entry, [
      { ...first, verifiedTo: startOfAll, sealedTo: startOfAll, reportedAt: declaredAt },
    ]);
  }

  #functionCode(name: string, process: SimulatedProcess): FunctionCode {
    const deployment = this.#deployment;
    const projection = this.projections.find((candidate) => settingsOf(candidate).functionName === name);
    if (projection === undefined) throw new Error(`there is no function ${name}`);
    const context = {
      ...this.#viewsOf(process),
      eventStore: this.eventStore(process),
      limits: this.#limits,
      log: silent,
    };
    return async (payload) => {
      const asked = decodePayload(payload);
      if (asked.asks === "catch-up") throw new Error("nobody asks for that here");
      if (asked.asks === "count-failure") {
        const failure = await countFailure(context, [projection], asked.attempt);
        if (failure === "waiting") this.acknowledgements.said(projection, process, [asked.attempt]);
        return { failure };
      }
      const { events } = asked;
      if (events.some((event) => endsTheProjector(event, deployment))) return this.#ended(process);
      const response = await projectBatch(context, [projection], events);
      const failed = new Set(response.batchItemFailures.map(({ itemIdentifier: item }) => item));
      const done = events.filter((event) => !failed.has(itemIdentifier(event)));
      this.acknowledgements.said(projection, process, done);
      this.acknowledgements.look(projection, `when ${process.name} answered`);
      return response;
    };
  }

  /** One way or another there is no answer. */
  #ended(process: SimulatedProcess): Promise<never> {
    const how = this.plan.between(0, 2);
    if (how === 0) throw new Error("this is too much");
    // Its time is up, or its memory.
    if (how === 1) process.crash();
    return never();
  }

  #seenByReaders(view: string): ReaderSurroundings {
    return {
      itemsOf: (table) => this.dynamodb.tables.items(table),
      eventsOfLog: () => eventsOf(this.store.log),
      waits: (generation, stream) =>
        this.dynamodb.tables
          .itemsWith(quarantineTable(""), `${view}#${generation}`)
          .some(({ state, ...item }) => isText(state, "quarantined") && isText(item["stream"], stream)),
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

const isText = (value: Value | undefined, text: string): boolean =>
  value !== undefined && "S" in value && value.S === text;

const known = new Map<string, SubscriptionSettings>();

export function settingsOf(projection: Pick<Projection, "name">): SubscriptionSettings {
  const before = known.get(projection.name);
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
  known.set(projection.name, settings);
  return settings;
}
