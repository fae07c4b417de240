/**
 * EventStoreDB as a process sees it. The log and the persistent subscriptions are those of the embedded event store, which
 * pass the contract suite; between them and the client is a line on which events are delayed, doubled, swapped and lost.
 */
import { openEventLog, type EventLog } from "../../local/eventstoredb/log/event-log.ts";
import { decodeRecord, originalEvent, type ResolvedEvent } from "../../local/eventstoredb/log/event.ts";
import type { Group, GroupConsumer } from "../../local/eventstoredb/persistent-subscriptions/group.ts";
import { allSource } from "../../local/eventstoredb/persistent-subscriptions/group-key.ts";
import { PersistentSubscriptions } from "../../local/eventstoredb/persistent-subscriptions/subsystem.ts";
import { clientEvent } from "./client-events.ts";
import type { ServiceContext } from "./dynamodb-service.ts";
import type { FaultKind } from "./faults.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import { SimulatedSubscription } from "./simulated-streams.ts";
import { SimulatedStoreClient } from "./store-client.ts";
import { groupDropped, unavailable } from "./store-errors.ts";

/** An event that a group took for processed without giving it to anybody, as EventStoreDB does now and then. */
export interface DroppedEvent {
  readonly group: string;
  readonly stream: string;
  readonly revision: bigint;
}

export class StoreService {
  readonly context: ServiceContext;
  readonly log: EventLog;
  readonly groups: PersistentSubscriptions;
  readonly dropped: DroppedEvent[] = [];
  readonly unknownCalls: Error[] = [];
  readonly #connections = new Set<Connection>();
  #isDown = false;
  #consumers = 0;

  private constructor(context: ServiceContext, log: EventLog, now: () => number) {
    this.context = context;
    this.log = log;
    this.groups = new PersistentSubscriptions(log, now);
  }

  static async start(context: ServiceContext, now: () => number): Promise<StoreService> {
    return new StoreService(context, await openEventLog(undefined, now), now);
  }

  get isDown(): boolean {
    return this.#isDown;
  }

  /** Nobody is answered while it is down, and all subscriptions end. */
  setDown(isDown: boolean): void {
    this.#isDown = isDown;
    if (isDown) for (const connection of [...this.#connections]) connection.break(0, 0);
  }

  /** All groups begin again at their checkpoints. */
  async restartGroups(): Promise<void> {
    await this.groups.restart();
  }

  connect(process: SimulatedProcess): SimulatedStoreClient {
    return new SimulatedStoreClient(this, process);
  }

  subscribe(process: SimulatedProcess, group: string, bufferSize: number): SimulatedSubscription {
    this.#consumers += 1;
    const connection = new Connection(this, process, group, bufferSize, `consumer ${this.#consumers}`);
    this.#connections.add(connection);
    connection.onEnd(() => this.#connections.delete(connection));
    return connection.subscription;
  }

  /** Whether every event that a group has met was acknowledged. */
  isQuiet(group: string): boolean {
    const found = this.groups.group({ source: allSource, group });
    if (found === undefined) return false;
    const { isLive, readBufferCount, liveBufferCount, retryBufferCount, outstanding } = found.engine.statistics;
    return isLive && readBufferCount + retryBufferCount + outstanding === 0 && liveBufferCount >= 0;
  }

  async stop(): Promise<void> {
    await this.groups.stop();
    this.log.close();
  }
}

const deliveryFaults: Readonly<Partial<Record<FaultKind, number>>> = {
  "event duplicated": 0.04,
  "event delayed": 0.04,
  "event overtaken": 0.08,
  "event dropped for good": 0.03,
  "event lost on its way": 0.02,
  "connection lost": 0.01,
  "half-open connection": 0.01,
};

/** gRPC keeps the order of what it carries, also where the clock is a real one, whose timers may overtake each other. */
class OrderedWay {
  /** Until when what was sent before is under way. */
  #busyUntil = 0;
  readonly #underWay: (() => void)[] = [];

  send(arrives: () => void, ms: number): void {
    const now = Date.now();
    this.#busyUntil = Math.max(this.#busyUntil, now + ms);
    this.#underWay.push(arrives);
    setTimeout(() => this.#underWay.shift()?.(), this.#busyUntil - now);
  }
}

/** From a group to one consumer, and back. */
class Connection {
  readonly subscription: SimulatedSubscription;
  readonly #store: StoreService;
  readonly #process: SimulatedProcess;
  readonly #groupName: string;
  readonly #id: string;
  #group: Group | undefined;
  #isOpen = true;
  readonly #toClient = new OrderedWay();
  readonly #toServer = new OrderedWay();
  readonly #ends: (() => void)[] = [];

  constructor(store: StoreService, process: SimulatedProcess, group: string, bufferSize: number, id: string) {
    this.#store = store;
    this.#process = process;
    this.#groupName = group;
    this.#id = id;
    this.subscription = new SimulatedSubscription({
      ack: (events) => this.#acked(events.flatMap(({ event, link }) => (link ?? event)?.id ?? [])),
      leave: () => this.#sent(() => this.#leave()),
    });
    const { faults } = store.context;
    const silent = faults.happens("group not asked", 0.03, `${process.name} ${group}`);
    process.onCrash(() => setTimeout(() => this.#leave(), faults.ms(0, 3_000)));
    setTimeout(
      () => {
        if (store.isDown) this.#fail(unavailable());
        else if (!silent) this.#connect(bufferSize).catch((error: unknown) => this.#fail(error));
      },
      faults.ms(1, 20),
    );
  }

  onEnd(end: () => void): void {
    this.#ends.push(end);
  }

  /** The server learns of it after some time, and the client after another. */
  break(serverMs: number, clientMs: number): void {
    setTimeout(() => this.#leave(), serverMs);
    setTimeout(() => this.#fail(unavailable()), clientMs);
  }

  async #connect(bufferSize: number): Promise<void> {
    const consumer: GroupConsumer = {
      id: this.#id,
      bufferSize,
      username: "anonymous",
      connectionName: this.#process.name,
      deliver: (event) => this.#send(event),
      drop: () => {
        this.#group = undefined;
        this.#fail(groupDropped(this.#groupName));
      },
    };
    const outcome = await this.#store.groups.connect({ source: allSource, group: this.#groupName }, (group) => {
      if (!this.#isOpen) return;
      this.#group = group;
      setTimeout(() => this.#heard(() => this.subscription.emit("confirmation")), 1);
      group.connect(consumer);
    });
    if (outcome.kind !== "done") throw unavailable();
  }

  #send(resolved: ResolvedEvent): void {
    const { faults, trace } = this.#store.context;
    const { id, stream, revision } = decodeRecord(originalEvent(resolved).record);
    const what = `${this.#groupName} ${revision}@${stream} to ${this.#process.name}`;
    const event = clientEvent(resolved);
    const arrives = (): void => {
      this.#heard(() => {
        trace.note(`${what} arrives`);
        this.subscription.give(event);
      });
    };
    const inOrder = (ms: number): void => this.#toClient.send(arrives, ms);
    switch (faults.oneOf(deliveryFaults, what)) {
      case "event duplicated":
        inOrder(2);
        setTimeout(arrives, faults.ms(2, 3_000));
        break;
      case "event delayed":
        inOrder(faults.ms(100, 4_000));
        break;
      case "event overtaken":
        setTimeout(arrives, faults.ms(5, 2_000));
        break;
      case "event dropped for good":
        this.#store.dropped.push({ group: this.#groupName, stream, revision });
        // Not within the call: the group is still giving it out.
        setTimeout(() => this.#group?.ack([id]), 1);
        break;
      case "event lost on its way":
        break;
      case "connection lost":
        this.break(faults.ms(0, 1_000), faults.ms(0, 1_000));
        break;
      case "half-open connection":
        this.break(faults.ms(0, 500), faults.ms(2_000, 15_000));
        break;
      default:
        inOrder(faults.ms(1, 4));
    }
  }

  #acked(ids: readonly string[]): void {
    const { faults, trace } = this.#store.context;
    if (!this.#process.isAlive) return;
    const what = `${this.#groupName} ack of ${ids.length} by ${this.#process.name}`;
    if (faults.happens("ack lost", 0.03, what)) return;
    this.#sent(() => {
      if (this.#group === undefined) return;
      trace.note(what);
      this.#group.ack(ids);
    });
  }

  /** What the client sends arrives in the order in which it was sent, the end of the subscription too. */
  #sent(arrives: () => void): void {
    this.#toServer.send(arrives, this.#store.context.faults.ms(1, 5));
  }

  #heard(what: () => void): void {
    if (this.#isOpen && this.#process.isAlive && !this.subscription.destroyed) what();
  }

  #fail(error: unknown): void {
    this.#heard(() => this.subscription.destroy(error instanceof Error ? error : new Error(String(error))));
    this.#isOpen = false;
    this.#leave();
  }

  #leave(): void {
    this.#group?.disconnect(this.#id);
    this.#group = undefined;
    for (const end of this.#ends.splice(0)) end();
  }
}
