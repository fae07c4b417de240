/** What may happen in a history: the one place to add to. Each is done at a moment that the seed chooses, faults or not. */
import { randomUUID } from "node:crypto";
import { EventStoreUnavailableError } from "../../engine/event-store/errors.ts";
import type { EventStore } from "../../engine/event-store/event-store.ts";
import type { NewEvent } from "../../engine/event-store/stored-event.ts";
import { NothingToDoError, ReplayEventError } from "../../engine/replay/errors.ts";
import { VerificationFailedError } from "../../engine/replay/verification.ts";
import type { Random } from "../local/eventstoredb/seeded-random.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import { generationsIn, isCatalogItem, isWritten } from "./catalog-item.ts";
import { Operators } from "./operators.ts";
import { category, damaged, isPoison } from "./wallet-views.ts";
import { catalogTable, type World } from "./world.ts";

export interface Actions {
  /** Appended by now, by stream. */
  readonly appended: ReadonlyMap<string, readonly NewEvent[]>;
  readonly operators: Operators;
  /** What no fault excuses. */
  readonly problems: readonly string[];
  /** Resolves when all that was begun is over. */
  settled(): Promise<void>;
  /** Begins one, and returns its name. */
  next(): string;
  /** One event more on a stream. */
  append(stream: string): void;
  /** Ends replays that nobody goes on with, and puts right what was given up. */
  putRight(): void;
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
  ["redrive what waits", 3, (now) => now.redrive()],
  ["discard an event that is given up", 1, (now) => now.discard()],
  ["deploy mended code", 1, (now) => now.mend()],
];

const streams = [`${category}-a`, `${category}-b`, `${category}-c`, `${category}-d`] as const;
const shopNames = ["baker", "grocer", "tailor"] as const;
const mostEventsAtOnce = 4;
const retriesOfReplay = 40;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** `poison`: how many of the events, from 0 to 1, are such as the code cannot take. */
export function actionsIn(world: World, poison: number): Actions {
  return new Happenings(world, poison);
}

class Happenings implements Actions {
  readonly appended = new Map<string, NewEvent[]>();
  readonly problems: string[] = [];
  readonly operators: Operators;
  readonly #world: World;
  readonly #poison: number;
  /** Each history leans to some of the actions: what goes wrong only where two of them meet again and again is met so. */
  readonly #weights: readonly number[];
  /** One append after the other: a stream has one writer. */
  readonly #appending = new Map<string, Promise<void>>();
  readonly #pending = new Set<Promise<void>>();
  /** One replay of a view after the other. */
  readonly #replaying = new Set<string>();
  #commandProcess: { readonly process: SimulatedProcess; readonly eventStore: EventStore } | undefined;
  #events = 0;

  constructor(world: World, poison: number) {
    this.#world = world;
    this.#poison = poison;
    this.#weights = actions.map(([, weight]) => weight * this.#plan.pick([0.3, 1, 1, 4]));
    this.operators = new Operators(world);
  }

  async settled(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  next(): string {
    const [name, , action] = this.#chosen();
    this.#world.trace.note(`# ${name}`);
    action(this);
    return name;
  }

  append(stream: string): void {
    this.#append(stream, 1);
  }

  #chosen(): (typeof actions)[number] {
    let left = this.#plan.next() * this.#weights.reduce((sum, weight) => sum + weight, 0);
    const chosen = actions.find((_, index) => (left -= this.#weights[index] ?? 0) < 0) ?? actions[0];
    if (chosen === undefined) throw new RangeError("there are no actions");
    return chosen;
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
    const view = this.#view();
    if (this.#replaying.has(view)) return;
    this.#replaying.add(view);
    this.#begin(async () => {
      await this.#byWorkers(async (process, isFirst) => {
        const replay = this.#world.replay(process, view);
        const observer = { step: () => this.#stepBegins() };
        await (isFirst ? replay.run({ observer }) : replay.resume({ observer }));
      });
      this.#replaying.delete(view);
      // Soon: what was closed in the seam may not have been delivered yet.
      if (this.#plan.between(0, 2) > 0) return;
      await pause(this.#plan.between(0, 100));
      await this.#once((process) => this.#world.replay(process, view).rollback());
    });
  }

  rollback(): void {
    const view = this.#view();
    this.#begin(() => this.#once((process) => this.#world.replay(process, view).rollback()));
  }

  retire(): void {
    const view = this.#view();
    this.#begin(() => this.#once((process) => this.#world.replay(process, view).retire()));
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
    const item = dynamodb.tables.itemsWith(catalogTable, this.#view()).find(isCatalogItem);
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

  /** One or two at once, while events may come in that wait behind the same. */
  redrive(): void {
    for (let operators = this.#plan.between(1, 2); operators > 0; operators -= 1) {
      const view = this.#plan.between(0, 1) === 0 ? this.#view() : undefined;
      this.#begin(() => this.#once((process) => this.operators.redrive(process, view)));
    }
    if (this.#plan.between(0, 1) === 0) this.#append(this.#plan.pick(streams), 1);
  }

  discard(): void {
    this.#begin(() => this.#once((process) => this.operators.discardOne(process)));
  }

  mend(): void {
    if (this.#world.deployment === "faulty") this.#world.deploy("mended");
  }

  putRight(): void {
    this.#begin(async () => {
      const process = this.#world.process("operator");
      for (const { name } of this.#world.views) {
        const replay = this.#world.replay(process, name);
        await this.#tried(process, () => replay.resume());
        await replay.abort().catch((error: unknown) => {
          if (!(error instanceof NothingToDoError)) throw error;
        });
      }
      await this.operators.putRight(process);
    });
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

  #view(): string {
    return this.#plan.pick(this.#world.views).name;
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
    if (this.#plan.next() < this.#poison) return this.#poisonEvent();
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

  /** Half of it can be taken when the code is mended, and only some of the rest is seen by anything but the projector's death. */
  #poisonEvent(): NewEvent {
    const kind = this.#plan.next();
    const refund = { shop: this.#plan.pick(shopNames), cents: this.#plan.between(1, 999) };
    const [type, data] =
      kind < 0.5 ? ["Refunded", refund] : kind < 0.75 ? [damaged.type, damaged.data] : ["Overwhelming", {}];
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
    if (error instanceof ReplayEventError) return !this.#namesPoison(error.message);
    if (!(error instanceof VerificationFailedError)) return false;
    return !this.#world.dynamodb.tablesWithLateBatches.some((table) => error.message.includes(table));
  }

  /** Whoever began before the code was mended may still meet it with the former code. */
  #namesPoison(message: string): boolean {
    const [, revision, stream] = /event (\d+)@(\S+)/.exec(message) ?? [];
    const event = this.appended.get(stream ?? "")?.[Number(revision)];
    return event !== undefined && isPoison(event, "faulty");
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
