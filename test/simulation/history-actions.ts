/** What may happen in a history: the one place to add to. Each is done at a moment that the seed chooses, faults or not. */
import { randomUUID } from "node:crypto";
import { EventStoreUnavailableError } from "../../engine/event-store/errors.ts";
import type { EventStore } from "../../engine/event-store/event-store.ts";
import type { NewEvent } from "../../engine/event-store/stored-event.ts";
import { ReplayEventError } from "../../engine/replay/errors.ts";
import { VerificationFailedError } from "../../engine/replay/verification.ts";
import type { Projection } from "../../engine/views/projection.ts";
import type { Random } from "../local/eventstoredb/seeded-random.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import { generationsIn, isCatalogItem, isWritten } from "./catalog-item.ts";
import { category } from "./wallet-views.ts";
import { catalogTable, type World } from "./world.ts";

export interface Actions {
  /** Appended by now, by stream. */
  readonly appended: ReadonlyMap<string, readonly NewEvent[]>;
  /** What no fault excuses. */
  readonly problems: readonly string[];
  /** Resolves when all that was begun is over. */
  settled(): Promise<void>;
  /** Begins one, and returns its name. */
  next(): string;
  /** One event more on a stream. */
  append(stream: string): void;
}

type Action = (happenings: Happenings) => void;

/** How often each happens, beside the others. */
const actions: readonly (readonly [name: string, weight: number, action: Action])[] = [
  ["append a burst", 10, (now) => now.burst()],
  ["crash a subscriber", 2, (now) => now.crashSubscriber()],
  ["stop a subscriber", 1, (now) => now.stopSubscriber()],
  ["replay a view", 2, (now) => now.replay()],
  ["roll back a view", 1, (now) => now.rollback()],
  ["retire a generation", 1, (now) => now.retire()],
  ["hide events of a stream", 1, (now) => now.hide()],
  ["outage of DynamoDB", 1, (now) => now.dynamodbOutage()],
  ["outage of one table", 2, (now) => now.tableOutage()],
  ["outage of the event store", 1, (now) => now.storeOutage()],
  ["restart all groups", 1, (now) => now.restartGroups()],
];

const streams = [`${category}-a`, `${category}-b`, `${category}-c`, `${category}-d`] as const;
const shopNames = ["baker", "grocer", "tailor"] as const;
const mostEventsAtOnce = 4;
const retriesOfReplay = 40;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export function actionsIn(world: World): Actions {
  return new Happenings(world);
}

class Happenings implements Actions {
  readonly appended = new Map<string, NewEvent[]>();
  readonly problems: string[] = [];
  readonly #world: World;
  /** One append after the other: a stream has one writer. */
  readonly #appending = new Map<string, Promise<void>>();
  readonly #pending = new Set<Promise<void>>();
  /** One replay of a view after the other. */
  readonly #replaying = new Set<Projection>();
  #commandProcess: { readonly process: SimulatedProcess; readonly eventStore: EventStore } | undefined;
  #events = 0;

  constructor(world: World) {
    this.#world = world;
  }

  async settled(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  next(): string {
    let left = this.#plan.next() * actions.reduce((sum, [, weight]) => sum + weight, 0);
    const chosen = actions.find(([, weight]) => (left -= weight) < 0);
    if (chosen === undefined) throw new RangeError("there are no actions");
    const [name, , action] = chosen;
    this.#world.trace.note(`# ${name}`);
    action(this);
    return name;
  }

  append(stream: string): void {
    this.#append(stream, 1);
  }

  burst(): void {
    const count = this.#plan.between(1, 2);
    for (let index = 0; index < count; index += 1) {
      this.#append(this.#plan.pick(streams), this.#plan.between(1, mostEventsAtOnce));
    }
  }

  crashSubscriber(): void {
    const [victim] = this.#world.subscribers;
    if (victim === undefined) return;
    victim.process.crash();
    this.#begin(async () => {
      await pause(this.#plan.between(0, 4_000));
      this.#world.startSubscriber();
    });
  }

  stopSubscriber(): void {
    const victim = this.#world.subscribers.at(-1);
    if (victim === undefined) return;
    this.#begin(async () => {
      const graceMs = this.#plan.between(0, 2_000);
      await this.#tried(victim.process, () => Promise.all(victim.subscriptions.map((one) => one.stop(graceMs))));
      victim.process.crash();
      await pause(this.#plan.between(0, 2_000));
      this.#world.startSubscriber();
    });
  }

  /** By worker after worker, until one is done or it is given up by the engine itself. */
  replay(): void {
    const projection = this.#view();
    if (this.#replaying.has(projection)) return;
    this.#replaying.add(projection);
    this.#begin(async () => {
      await this.#byWorkers(async (process, isFirst) => {
        const replay = this.#world.replay(process, projection);
        const observer = { step: () => this.#stepBegins() };
        await (isFirst ? replay.run({ observer }) : replay.resume({ observer }));
      });
      this.#replaying.delete(projection);
    });
  }

  rollback(): void {
    const projection = this.#view();
    this.#begin(() => this.#once((process) => this.#world.replay(process, projection).rollback()));
  }

  retire(): void {
    const projection = this.#view();
    this.#begin(() => this.#once((process) => this.#world.replay(process, projection).retire()));
  }

  /** Truncation and deletion hide events from reads of the stream; they still count. */
  hide(): void {
    const stream = this.#plan.pick(streams);
    const { log } = this.#world.store;
    this.#append(stream, this.#plan.between(1, mostEventsAtOnce));
    this.#begin(async () => {
      await pause(this.#plan.between(5, 300));
      const last = Number(log.lastRevision(stream));
      const before = Math.max(0, last + 1 - this.#plan.between(0, 2));
      const data = Buffer.from(`{"$tb":${before}}`);
      const event = { id: randomUUID(), type: "$metadata", isJson: true, data, metadata: new Uint8Array(0) };
      await log.append({ stream: `$$${stream}`, expectedRevision: "any", events: [event] });
    });
  }

  dynamodbOutage(): void {
    this.#world.dynamodb.setDown(true);
    this.#begin(async () => {
      await pause(this.#plan.between(500, 8_000));
      this.#world.dynamodb.setDown(false);
    });
  }

  /** Of a generation that is written beside the live one. */
  tableOutage(): void {
    const { dynamodb } = this.#world;
    const item = dynamodb.tables.itemsWith(catalogTable, this.#view().name).find(isCatalogItem);
    const beside = generationsIn(item).find((generation) => isWritten(generation) && generation.role !== "live");
    if (beside === undefined) return;
    dynamodb.setTableDown(beside.table);
    this.#begin(async () => {
      await pause(this.#plan.between(500, 15_000));
      dynamodb.setTableDown(undefined);
    });
  }

  storeOutage(): void {
    this.#world.store.setDown(true);
    this.#begin(async () => {
      await pause(this.#plan.between(500, 8_000));
      this.#world.store.setDown(false);
    });
  }

  restartGroups(): void {
    this.#begin(() => this.#world.store.restartGroups());
  }

  /** What is lost between two steps is lost in the moment at which one begins. */
  #stepBegins(): void {
    if (this.#plan.between(0, 1) === 0) return;
    const stream = this.#plan.pick(streams);
    this.#begin(async () => {
      await pause(this.#plan.between(0, 60));
      this.#append(stream, 1);
    });
  }

  get #plan(): Random {
    return this.#world.plan;
  }

  #view(): Projection {
    const { projections } = this.#world;
    const projection = projections[this.#plan.between(0, projections.length - 1)];
    if (projection === undefined) throw new RangeError("there are no views");
    return projection;
  }

  #begin(work: () => Promise<void>): void {
    const pending = work().finally(() => this.#pending.delete(pending));
    this.#pending.add(pending);
  }

  #append(stream: string, count: number): void {
    const events = Array.from({ length: count }, () => this.#event());
    const all = this.appended.get(stream) ?? [];
    this.appended.set(stream, all);
    const before = this.#appending.get(stream) ?? Promise.resolve();
    const appending = before.then(() => this.#appended(stream, all, events));
    this.#appending.set(stream, appending);
    this.#begin(() => appending);
  }

  /** As a command does: the same events with the same expectation, until the store has said that it has them. */
  async #appended(stream: string, all: NewEvent[], events: readonly NewEvent[]): Promise<void> {
    const expected = all.length === 0 ? "no_stream" : BigInt(all.length - 1);
    all.push(...events);
    for (;;) {
      const { process, eventStore } = this.#commands();
      const died = new Promise<"died">((resolve) => process.onCrash(() => resolve("died")));
      try {
        const outcome = await Promise.race([eventStore.append(stream, expected, events), died]);
        if (outcome === "died") continue;
        if (outcome.outcome === "appended") return;
        throw new Error(`${stream} has another writer: ${String(outcome.actual)}`);
      } catch (error) {
        if (!(error instanceof EventStoreUnavailableError)) throw error;
        await pause(this.#plan.between(50, 500));
      }
    }
  }

  #commands(): { readonly process: SimulatedProcess; readonly eventStore: EventStore } {
    if (this.#commandProcess?.process.isAlive !== true) {
      const process = this.#world.process("commands");
      this.#commandProcess = { process, eventStore: this.#world.eventStore(process) };
    }
    return this.#commandProcess;
  }

  #event(): NewEvent {
    this.#events += 1;
    const kind = this.#plan.next();
    const [type, data] =
      kind < 0.6
        ? ["Paid", { shop: this.#plan.pick(shopNames), cents: this.#plan.between(1, 999) }]
        : kind < 0.75
          ? ["Labelled", { label: `label ${this.#events}` }]
          : kind < 0.82
            ? ["LabelRemoved", {}]
            : kind < 0.92
              ? ["Emptied", {}]
              : ["Unlisted", {}];
    return { id: randomUUID(), type, data, metadata: {} };
  }

  /** One try: whether it was allowed, and how it ended, is the engine's affair. */
  async #once(work: (process: SimulatedProcess) => Promise<unknown>): Promise<void> {
    await this.#tried(this.#world.process("operator"), work);
  }

  async #byWorkers(work: (process: SimulatedProcess, isFirst: boolean) => Promise<unknown>): Promise<void> {
    for (let workers = 0; workers < retriesOfReplay; workers += 1) {
      const process = this.#world.process("worker");
      if (await this.#tried(process, () => work(process, workers === 0))) return;
      await pause(this.#plan.between(200, 3_000));
    }
  }

  /**
   * However calls fail, a replay builds what the events say. Only a write that lands after a later one of the same row may make
   * another row of it, and the verification is there to find that.
   */
  #isInexcusable(error: unknown): boolean {
    if (error instanceof ReplayEventError) return true;
    if (!(error instanceof VerificationFailedError)) return false;
    return !this.#world.dynamodb.tablesWithLateBatches.some((table) => error.message.includes(table));
  }

  /** False when it failed or its process died. */
  async #tried(process: SimulatedProcess, work: (process: SimulatedProcess) => Promise<unknown>): Promise<boolean> {
    const died = new Promise<false>((resolve) => process.onCrash(() => resolve(false)));
    const tried = work(process).then(
      () => true,
      (error: unknown) => {
        this.#world.trace.note(`${process.name} failed: ${String(error).slice(0, 200)}`);
        if (this.#isInexcusable(error)) this.problems.push(String(error));
        return false;
      },
    );
    return Promise.race([tried, died]);
  }
}
