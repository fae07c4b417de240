/** A persistent subscription engine on a log in memory and a clock that tests set, for schedules that tests write down. */
import {
  GroupEngine,
  type HistoryEntry,
  type HistoryRequest,
  type NackAction,
} from "../../../local/eventstoredb/persistent-subscriptions/engine.ts";
import type { IncomingEvent, Message } from "../../../local/eventstoredb/persistent-subscriptions/message.ts";
import type { GroupSettings } from "../../../local/eventstoredb/persistent-subscriptions/settings.ts";

const settings: GroupSettings = {
  resolveLinkTos: false,
  startFrom: 0n,
  extraStatistics: false,
  messageTimeout: 1000,
  maxRetryCount: 2,
  checkPointAfter: 2000,
  minCheckPointCount: 1,
  maxCheckPointCount: 1000,
  maxSubscriberCount: 0,
  liveBufferSize: 10,
  readBatchSize: 5,
  historyBufferSize: 20,
  consumerStrategy: "RoundRobin",
};

export const incoming = (position: number, source = "s"): IncomingEvent<string> => ({
  id: `id-${position}`,
  position: BigInt(position),
  revision: BigInt(position),
  source,
  payload: String(position),
});

interface Delivery {
  readonly consumer: string;
  readonly payload: string;
  readonly retryCount: number;
}

/** A log of events, a group on it, and what came out. */
export class GroupBench {
  readonly deliveries: Delivery[] = [];
  readonly checkpoints: bigint[] = [];
  readonly parked: { readonly message: Message<string>; readonly reason: string }[] = [];
  readonly log: IncomingEvent<string>[] = [];
  readonly skipped = new Set<bigint>();
  readonly engine: GroupEngine<string>;
  /** What the group asked of history first. */
  readonly firstRequest: HistoryRequest | undefined;
  now = 0;

  constructor(changes: Partial<GroupSettings> = {}, checkpoint?: bigint, log: readonly IncomingEvent<string>[] = []) {
    this.log.push(...log);
    this.engine = new GroupEngine<string>({ ...settings, ...changes }, checkpoint, {
      checkpoint: (position) => this.checkpoints.push(position),
      park: (message, reason) => this.parked.push({ message, reason }),
    });
    this.firstRequest = this.engine.historyRequest();
    this.pull();
  }

  /** Answers history requests as the log would, a page at a time. */
  pull(): void {
    for (let request = this.engine.historyRequest(); request !== undefined; request = this.engine.historyRequest()) {
      const from = (request.from ?? 0n) + (request.exclusive ? 1n : 0n);
      const rest = this.log.filter((event) => event.position >= from);
      const page = rest.slice(0, request.count);
      const last = page.at(-1);
      const isEnd = page.length === rest.length;
      const entries = page.map((event): HistoryEntry<string> =>
        this.skipped.has(event.position)
          ? { kind: "skipped", position: event.position, count: 1 }
          : { kind: "event", event },
      );
      this.engine.historyRead(entries, last === undefined ? from : last.position + 1n, isEnd, this.now);
      if (isEnd && !this.engine.statistics.isLive) break;
    }
  }

  append(source = "s", skipped = false): void {
    const event = incoming(this.log.length, source);
    this.log.push(event);
    if (skipped) {
      this.skipped.add(event.position);
      this.engine.liveSkipped(event.position, this.now);
    } else this.engine.liveEvent(event, this.now);
    this.pull();
  }

  connect(id: string, bufferSize = 10): void {
    this.engine.addConsumer(
      {
        id,
        bufferSize,
        deliver: (payload, retryCount) => this.deliveries.push({ consumer: id, payload, retryCount }),
      },
      this.now,
    );
    this.pull();
  }

  disconnect(id: string): void {
    this.engine.removeConsumer(id, this.now);
    this.pull();
  }

  ack(...positions: (number | string)[]): void {
    this.engine.ack(
      positions.map((position) => `id-${position}`),
      this.now,
    );
    this.pull();
  }

  nack(action: NackAction, ...positions: (number | string)[]): void {
    this.engine.nack(
      positions.map((position) => `id-${position}`),
      action,
      "because",
      this.now,
    );
    this.pull();
  }

  tick(seconds = 1): void {
    for (let second = 0; second < seconds; second += 1) {
      this.now += 1000;
      this.engine.tick(this.now);
      this.pull();
    }
  }

  /** Parked messages, whose links have the revisions 0, 1 and so on. */
  replay(...ids: string[]): void {
    for (const [revision, id] of ids.entries()) {
      this.engine.replay({ id: `id-${id}`, revision: BigInt(revision), source: "s", payload: id }, this.now);
    }
  }

  finishParking(): void {
    for (const { message } of this.parked.splice(0)) this.engine.parked(message, this.now);
  }

  /** What the consumer has been sent so far. */
  sentTo(consumer: string): string[] {
    return this.deliveries.filter((delivery) => delivery.consumer === consumer).map(({ payload }) => payload);
  }

  get payloads(): string[] {
    return this.deliveries.map(({ payload }) => payload);
  }
}

/** So many events. */
export const history = (count: number): IncomingEvent<string>[] =>
  Array.from({ length: count }, (_, index) => incoming(index));
