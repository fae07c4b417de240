/** What the engine calls of EventStoreDB's client, answered by the service in the same process. */
import {
  type AllStreamResolvedEvent,
  type AllStreamSubscription,
  type AppendResult,
  BACKWARDS,
  END,
  type EventData,
  type EventType,
  EventStoreDBClient,
  type Filter,
  PersistentSubscriptionDoesNotExistError,
  type PersistentSubscriptionToAll,
  type PersistentSubscriptionToAllSettings,
  type ReadRevision,
  type ResolvedEvent,
  START,
  StreamDeletedError,
  StreamNotFoundError,
  type StreamingRead,
  WrongExpectedVersionError,
} from "@eventstore/db-client";
import type { StoredEvent } from "../../local/eventstoredb/log/event.ts";
import { tombstoneRevision } from "../../local/eventstoredb/log/event.ts";
import type { EventFilterDefinition } from "../../local/eventstoredb/log/event-filter.ts";
import { subscribeToAllFiltered } from "../../local/eventstoredb/catch-up-subscriptions/subscription.ts";
import type { ExpectedRevision } from "../../local/eventstoredb/log/expected-revision.ts";
import type { GroupDefinition } from "../../local/eventstoredb/persistent-subscriptions/configuration.ts";
import type { StreamPage } from "../../local/eventstoredb/log/stream-reader.ts";
import type { Group } from "../../local/eventstoredb/persistent-subscriptions/group.ts";
import { allSource } from "../../local/eventstoredb/persistent-subscriptions/group-key.ts";
import { clientEvent } from "./client-events.ts";
import { never, type SimulatedProcess } from "./simulated-process.ts";
import { SimulatedCatchUp, SimulatedRead } from "./simulated-streams.ts";
import { deadlineExceeded, groupExists, notLeader, unavailable } from "./store-errors.ts";
import type { StoreService } from "./store-service.ts";

type ReadAllOptions = NonNullable<Parameters<EventStoreDBClient["readAll"]>[0]>;
type ReadStreamOptions = NonNullable<Parameters<EventStoreDBClient["readStream"]>[1]>;
type SubscribeToAllOptions = NonNullable<Parameters<EventStoreDBClient["subscribeToAll"]>[0]>;
type AppendOptions = NonNullable<Parameters<EventStoreDBClient["appendToStream"]>[2]>;
type GroupInfo = Awaited<ReturnType<EventStoreDBClient["getPersistentSubscriptionToAllInfo"]>>;

const pageEvents = 256;
/** The client's own. */
const defaultDeadlineMs = 10_000;

export class SimulatedStoreClient extends EventStoreDBClient {
  readonly #store: StoreService;
  readonly #process: SimulatedProcess;

  constructor(store: StoreService, process: SimulatedProcess) {
    // Connects at its first call, and none of its own is ever made.
    super({ endpoint: "store.simulation:2113" }, { insecure: true });
    this.#store = store;
    this.#process = process;
  }

  /** A call that is not answered here would go out to a network, and a history be another each time. */
  protected override getChannel = (): Promise<never> => {
    const error = new Error("the engine makes a call of the event store that its histories do not know");
    this.#store.unknownCalls.push(error);
    return Promise.reject(error);
  };

  override async appendToStream<Known extends EventType>(
    stream: string,
    events: EventData<Known> | EventData<Known>[],
    { expectedRevision = "any" }: AppendOptions = {},
  ): Promise<AppendResult> {
    const { faults, trace } = this.#store.context;
    const what = `${this.#process.name} append to ${stream}`;
    await this.#asked(what);
    const outcome = await this.#store.log.append({
      stream,
      expectedRevision: expectedOf(expectedRevision),
      events: [events].flat().map(proposed),
    });
    trace.note(`${what}: ${outcome.kind}`);
    if (faults.happens("append without an answer", 0.05, what)) return never();
    switch (outcome.kind) {
      case "appended":
      case "repeated": {
        const { revision, position } = outcome;
        return {
          success: true,
          nextExpectedRevision: revision,
          ...(position === undefined ? {} : { position: { commit: position, prepare: position } }),
        };
      }
      case "wrong-expected-revision": {
        const current = outcome.actual < 0n ? "no_stream" : outcome.actual;
        const expected = expectedRevision === "any" ? "any" : expectedRevision;
        throw new WrongExpectedVersionError(undefined, { streamName: stream, expected, current });
      }
      case "stream-deleted":
        throw StreamDeletedError.fromStreamName(stream);
      case "ambiguous-repeat":
        throw new Error("A resent append holds one event id twice.");
    }
  }

  override readStream<Known extends EventType>(
    stream: string,
    options: ReadStreamOptions = {},
  ): StreamingRead<ResolvedEvent<Known>> {
    return this.#read(`${this.#process.name} read of ${stream}`, () => this.#eventsOf(stream, options));
  }

  override readAll(options: ReadAllOptions = {}): StreamingRead<AllStreamResolvedEvent> {
    return this.#read(`${this.#process.name} read of $all`, () => this.#eventsOfAll(options));
  }

  override subscribeToAll(options: SubscribeToAllOptions = {}): AllStreamSubscription {
    const subscription = new SimulatedCatchUp();
    this.#process.onCrash(() => void subscription.unsubscribe());
    this.#follow(subscription, options).catch((error: unknown) => {
      if (this.#process.isAlive) subscription.destroy(error instanceof Error ? error : new Error(String(error)));
    });
    return subscription;
  }

  override async createPersistentSubscriptionToAll(
    group: string,
    settings: PersistentSubscriptionToAllSettings,
    { filter }: { readonly filter?: Filter } = {},
  ): Promise<void> {
    await this.#asked(`${this.#process.name} creates ${group}`);
    const outcome = await this.#store.groups.create({
      source: allSource,
      group,
      settings: groupSettings(settings),
      filter: filter === undefined ? undefined : filterOf(filter),
    });
    if (outcome.kind === "exists") throw groupExists(group);
    if (outcome.kind !== "done") throw new Error(`the group was not created: ${outcome.kind}`);
  }

  override async updatePersistentSubscriptionToAll(
    group: string,
    settings: PersistentSubscriptionToAllSettings,
  ): Promise<void> {
    await this.#asked(`${this.#process.name} updates ${group}`);
    const outcome = await this.#store.groups.update({ source: allSource, group }, groupSettings(settings));
    if (outcome.kind !== "done") throw new PersistentSubscriptionDoesNotExistError(undefined, aboutGroup(group));
  }

  override async deletePersistentSubscriptionToAll(group: string): Promise<void> {
    await this.#asked(`${this.#process.name} deletes ${group}`);
    const outcome = await this.#store.groups.delete({ source: allSource, group });
    if (outcome.kind !== "done") throw new PersistentSubscriptionDoesNotExistError(undefined, aboutGroup(group));
  }

  override async getPersistentSubscriptionToAllInfo(group: string): Promise<GroupInfo> {
    await this.#asked(`${this.#process.name} asks about ${group}`);
    const found = this.#store.groups.group({ source: allSource, group });
    if (found === undefined) throw new PersistentSubscriptionDoesNotExistError(undefined, aboutGroup(group));
    return infoOf(found);
  }

  override async listPersistentSubscriptionsToAll(): Promise<GroupInfo[]> {
    await this.#asked(`${this.#process.name} lists the groups`);
    const found = this.#store.groups.list(allSource);
    if (found === undefined) throw new PersistentSubscriptionDoesNotExistError(undefined, aboutGroup(""));
    return found.map(infoOf);
  }

  override subscribeToPersistentSubscriptionToAll(
    group: string,
    { bufferSize = 10 }: { readonly bufferSize?: number } = {},
  ): PersistentSubscriptionToAll {
    return this.#store.subscribe(this.#process, group, bufferSize);
  }

  /** Comes back when the request has reached the store. The client gives up a call that is no stream. */
  async #asked(what: string, call: "stream" | "single" = "single"): Promise<void> {
    const { faults } = this.#store.context;
    if (faults.happens("crash before the call", 0.004, what)) this.#process.crash();
    if (!this.#process.isAlive) return never();
    await pause(faults.ms(1, 6));
    if (this.#store.isDown) {
      faults.note("outage of the store", what);
      throw unavailable();
    }
    switch (faults.oneOf({ "store error": 0.02, "store silent": 0.01 }, what)) {
      case "store error":
        throw unavailable();
      case "store silent":
        if (call === "stream") return never();
        await pause(defaultDeadlineMs);
        throw deadlineExceeded();
      default:
    }
  }

  #read(what: string, events: () => readonly StoredEvent[]): SimulatedRead {
    const read = new SimulatedRead();
    this.#give(read, what, events).catch((error: unknown) => {
      if (this.#process.isAlive) read.destroy(error instanceof Error ? error : new Error(String(error)));
    });
    return read;
  }

  async #give(read: SimulatedRead, what: string, events: () => readonly StoredEvent[]): Promise<void> {
    await this.#asked(what, "stream");
    const { faults } = this.#store.context;
    if (faults.happens("not the leader", 0.02, what)) throw notLeader();
    const found = events().map((event) => clientEvent(this.#store.log.resolve(event, false)));
    const cutOff = faults.happens("read cut off", 0.03, what);
    const sent = cutOff ? found.slice(0, faults.between(0, found.length)) : found;
    for (const event of sent) read.give(event);
    if (!cutOff) read.give(null);
    // Half of those that are cut off are told so; the others wait for what never comes.
    else if (faults.between(0, 1) === 0) {
      await pause(faults.ms(1, 500));
      throw unavailable();
    }
  }

  /** The embedded server's own subscription; what lies between it and the client is simulated. */
  async #follow(
    subscription: SimulatedCatchUp,
    { fromPosition = START, filter }: SubscribeToAllOptions,
  ): Promise<void> {
    if (filter === undefined) throw new Error("the engine subscribes to $all through a filter only");
    const what = `${this.#process.name} subscription to $all`;
    await this.#asked(what, "stream");
    const { faults } = this.#store.context;
    const { log } = this.#store;
    if (faults.happens("not the leader", 0.02, what)) throw notLeader();
    const after = fromPosition === START ? -1n : fromPosition === END ? log.all.lastPosition() : fromPosition.commit;
    const { maxSearchWindow: window = 32, checkpointInterval, checkpointReached } = filter;
    const interval = { window, length: window * checkpointInterval };
    const isEndTold = !faults.happens("end not told", 0.03, what);
    const cutOffAfter = faults.happens("read cut off", 0.03, what) ? faults.between(0, 20) : undefined;
    let given = 0;
    const items = subscribeToAllFiltered(log, after, log.filter(filterOf(filter)), interval, subscription.ended);
    for await (const round of items) {
      for (const item of round) {
        if (given === cutOffAfter) {
          if (faults.between(0, 1) === 0) return;
          await pause(faults.ms(1, 500));
          throw unavailable();
        }
        given += 1;
        if (item.kind === "event") subscription.give(clientEvent(log.resolve(item.event, false)));
        else if (item.kind === "checkpoint") {
          await checkpointReached?.(subscription, { commit: item.position, prepare: item.position });
        } else if (isEndTold) subscription.tell("caughtUp");
      }
      await pause(faults.ms(1, 4));
      if (this.#store.isDown) throw unavailable();
    }
  }

  #eventsOf(stream: string, options: ReadStreamOptions): readonly StoredEvent[] {
    const { streams } = this.#store.log;
    const isBackwards = options.direction === BACKWARDS;
    let left = Number(options.maxCount ?? Number.MAX_SAFE_INTEGER);
    let next: bigint | undefined = revisionOf(options.fromRevision ?? (isBackwards ? END : START));
    const found: StoredEvent[] = [];
    while (next !== undefined && left > 0) {
      const count = Math.min(left, pageEvents);
      const page: StreamPage = isBackwards
        ? streams.backwards(stream, next, count)
        : streams.forwards(stream, next, count);
      if (page.kind === "stream-deleted") throw StreamDeletedError.fromStreamName(stream);
      if (page.kind === "not-found") throw new StreamNotFoundError(undefined, stream);
      found.push(...page.events);
      left -= page.events.length;
      next = page.next;
    }
    return found;
  }

  #eventsOfAll({ fromPosition = START, direction, maxCount }: ReadAllOptions): readonly StoredEvent[] {
    const { all } = this.#store.log;
    const isBackwards = direction === BACKWARDS;
    let left = Number(maxCount ?? Number.MAX_SAFE_INTEGER);
    let at =
      fromPosition === START
        ? -1n
        : fromPosition === END
          ? tombstoneRevision
          : isBackwards
            ? fromPosition.commit
            : fromPosition.commit - 1n;
    const found: StoredEvent[] = [];
    while (left > 0) {
      const count = Math.min(left, pageEvents);
      const { events, last } = isBackwards ? all.backwards(at, count) : all.forwards(at, count);
      if (last === undefined) return found;
      found.push(...events);
      left -= events.length;
      at = last;
    }
    return found;
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const aboutGroup = (groupName: string): { streamName: string; groupName: string } => ({
  streamName: allSource,
  groupName,
});

const revisionOf = (revision: ReadRevision): bigint =>
  revision === START ? 0n : revision === END ? tombstoneRevision : revision;

function expectedOf(revision: string | bigint): ExpectedRevision {
  if (typeof revision === "bigint") return revision;
  if (revision === "no_stream") return "no-stream";
  return revision === "stream_exists" ? "stream-exists" : "any";
}

function proposed({ id, type, contentType, data, metadata }: EventData) {
  const isJson = contentType === "application/json";
  const bytes = (value: unknown): Uint8Array =>
    value instanceof Uint8Array ? value : Buffer.from(value === undefined ? "" : JSON.stringify(value));
  return { id, type, isJson, data: bytes(data), metadata: bytes(metadata) };
}

function filterOf(filter: Filter): EventFilterDefinition {
  const on = filter.filterOn === "streamName" ? "stream" : "event-type";
  if ("regex" in filter) return { on, regex: filter.regex, prefixes: [] };
  return { on, regex: "", prefixes: "prefixes" in filter ? filter.prefixes : [] };
}

function groupSettings(settings: PersistentSubscriptionToAllSettings): GroupDefinition["settings"] {
  const { startFrom, maxSubscriberCount, consumerStrategyName } = settings;
  return {
    resolveLinkTos: settings.resolveLinkTos,
    startFrom: startFrom === START ? 0n : startFrom === END ? "end" : startFrom.commit,
    extraStatistics: settings.extraStatistics,
    messageTimeout: settings.messageTimeout,
    maxRetryCount: settings.maxRetryCount,
    checkPointAfter: settings.checkPointAfter,
    minCheckPointCount: settings.checkPointLowerBound,
    maxCheckPointCount: settings.checkPointUpperBound,
    maxSubscriberCount: typeof maxSubscriberCount === "number" ? maxSubscriberCount : 0,
    liveBufferSize: settings.liveBufferSize,
    readBatchSize: settings.readBatchSize,
    historyBufferSize: settings.historyBufferSize,
    consumerStrategy:
      consumerStrategyName === "RoundRobin" || consumerStrategyName === "DispatchToSingle"
        ? consumerStrategyName
        : "Pinned",
  };
}

function infoOf({ definition, consumers, engine }: Group): GroupInfo {
  const { lastCheckpointed: checkpoint } = engine.statistics;
  // As much as the engine looks at.
  return {
    eventSource: allSource,
    groupName: definition.group,
    settings: clientSettings(definition),
    connections: [...consumers.keys()].map((id) => ({ connectionName: id })),
    stats:
      checkpoint === undefined ? {} : { lastCheckpointedEventPosition: { commit: checkpoint, prepare: checkpoint } },
  } as GroupInfo;
}

function clientSettings({ settings }: GroupDefinition): Partial<PersistentSubscriptionToAllSettings> {
  const { startFrom, minCheckPointCount, maxCheckPointCount, maxSubscriberCount, consumerStrategy, ...rest } = settings;
  return {
    ...rest,
    startFrom: startFrom === "end" ? END : startFrom === 0n ? START : { commit: startFrom, prepare: startFrom },
    checkPointLowerBound: minCheckPointCount,
    checkPointUpperBound: maxCheckPointCount,
    maxSubscriberCount: maxSubscriberCount === 0 ? "unbounded" : maxSubscriberCount,
    consumerStrategyName: consumerStrategy,
  };
}
