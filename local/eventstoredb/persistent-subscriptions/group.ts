/**
 * A persistent subscription group at work: feeds its engine from the log, writes what the engine decides, and hands
 * messages to connected consumers.
 */
import { decodeRecord, recordId, type ResolvedEvent, type StoredEvent } from "../log/event.ts";
import type { EventFilter } from "../log/event-filter.ts";
import type { EventLog } from "../log/event-log.ts";
import { systemTypes } from "../log/system-streams.ts";
import { CheckpointWriter, loadCheckpoint } from "./checkpoint-writer.ts";
import type { GroupDefinition } from "./configuration.ts";
import type { ConsumerConnection } from "./consumer.ts";
import { GroupEngine, type HistoryEntry, type HistoryRequest, type NackAction } from "./engine.ts";
import { allSource, checkpointStream, parkedStream } from "./group-key.ts";
import type { IncomingEvent } from "./message.ts";
import { ParkedMessages } from "./parked-messages.ts";

export interface GroupConsumer extends ConsumerConnection<ResolvedEvent> {
  /** The peer's address, the user and the connection's name, for information. */
  readonly from: string;
  readonly username: string;
  readonly connectionName: string;
  /** The group has gone or was changed: the consumer has to connect again. */
  drop(): void;
}

/** Records looked at before other work has its turn. */
const recordsPerTurn = 4096;

interface History {
  readonly entries: readonly HistoryEntry<ResolvedEvent>[];
  readonly next: bigint | undefined;
  readonly isEnd: boolean;
  readonly considered: number;
}

export class Group {
  readonly definition: GroupDefinition;
  readonly #log: EventLog;
  readonly #now: () => number;
  readonly #filter: EventFilter | undefined;
  readonly #engine: GroupEngine<ResolvedEvent>;
  readonly #checkpoints: CheckpointWriter;
  readonly #parked: ParkedMessages;
  readonly #consumers = new Map<string, GroupConsumer>();
  #pulling = false;
  #replaying = false;
  #stopped = false;

  constructor(log: EventLog, definition: GroupDefinition, now: () => number) {
    this.#log = log;
    this.#now = now;
    this.definition = definition;
    this.#filter = definition.filter === undefined ? undefined : log.filter(definition.filter);
    this.#checkpoints = new CheckpointWriter(log, definition);
    this.#parked = new ParkedMessages(log, definition);
    this.#engine = new GroupEngine(definition.settings, loadCheckpoint(log, definition), {
      checkpoint: (position) => this.#checkpoints.write(position),
      park: (message, reason) => {
        this.#parked.park(message.payload, reason).then(
          () => this.#run((engine) => engine.parked(message, this.#now())),
          () => this.#run((engine) => engine.parkFailed(message, this.#now())),
        );
      },
    });
    this.#pull();
  }

  get engine(): GroupEngine<ResolvedEvent> {
    return this.#engine;
  }

  get consumers(): ReadonlyMap<string, GroupConsumer> {
    return this.#consumers;
  }

  get parkedCount(): bigint {
    return this.#parked.count;
  }

  /** As .NET writes a set of flags. */
  get status(): string {
    const live = this.#engine.statistics.isLive;
    const flags = [
      live ? undefined : "Behind",
      this.#pulling ? "OutstandingPageRequest" : undefined,
      this.#replaying ? "ReplayingParkedMessages" : undefined,
      live ? "Live" : undefined,
    ];
    return flags.filter((flag) => flag !== undefined).join(", ");
  }

  connect(consumer: GroupConsumer): void {
    this.#consumers.set(consumer.id, consumer);
    this.#run((engine) => engine.addConsumer(consumer, this.#now()));
  }

  disconnect(id: string): void {
    if (!this.#consumers.delete(id)) return;
    this.#run((engine) => engine.removeConsumer(id, this.#now()));
  }

  ack(ids: readonly string[]): void {
    this.#run((engine) => engine.ack(ids, this.#now()));
  }

  nack(ids: readonly string[], action: NackAction, reason: string): void {
    this.#run((engine) => engine.nack(ids, action, reason, this.#now()));
  }

  tick(): void {
    this.#run((engine) => engine.tick(this.#now()));
  }

  /** An event of the group's stream, or of `$all`, has been committed. */
  committed(event: StoredEvent): void {
    if (this.#filter !== undefined && !this.#filter.matches(event.streamId, event.typeId)) {
      this.#run((engine) => engine.liveSkipped(event.position, this.#now()));
      return;
    }
    this.#run((engine) => engine.liveEvent(this.#incoming(event), this.#now()));
  }

  /** Delivers parked messages again. Resolves when all have been queued. */
  async replayParked(stopAt: bigint | undefined): Promise<void> {
    if (this.#replaying || this.#stopped) return;
    this.#replaying = true;
    try {
      await this.#parked.replay(stopAt, (id, payload) => {
        const source = this.#sourceOf(payload);
        this.#run((engine) => engine.replay({ id, source, payload }, this.#now()));
      });
    } finally {
      this.#replaying = false;
    }
  }

  /** Ends the group's work and drops its consumers; what it has written down stays. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#dropConsumers();
    await this.#checkpoints.stop();
  }

  /** Stops for good: a group that is created under the same name starts anew. */
  async delete(): Promise<void> {
    await this.stop();
    await this.#log.delete({ stream: checkpointStream(this.definition), expectedRevision: "any" });
    await this.#log.delete({ stream: parkedStream(this.definition), expectedRevision: "any" });
  }

  #dropConsumers(): void {
    const consumers = [...this.#consumers.values()];
    this.#consumers.clear();
    for (const consumer of consumers) consumer.drop();
  }

  #run(work: (engine: GroupEngine<ResolvedEvent>) => void): void {
    if (this.#stopped) return;
    work(this.#engine);
    this.#pull();
  }

  /** Reads history as long as the engine wants more, in turns. */
  #pull(): void {
    if (this.#pulling) return;
    let budget = recordsPerTurn;
    for (let request = this.#engine.historyRequest(); request !== undefined; request = this.#engine.historyRequest()) {
      const history = this.#read(request);
      if (history === undefined) return;
      this.#engine.historyRead(history.entries, history.next, history.isEnd, this.#now());
      budget -= history.considered + 1;
      // The end was reached while newer events wait in the live queue: the commit that brought them goes on from there.
      if (history.isEnd && !this.#engine.statistics.isLive) return;
      if (budget <= 0) {
        this.#pulling = true;
        setImmediate(() => {
          this.#pulling = false;
          if (!this.#stopped) this.#pull();
        });
        return;
      }
    }
  }

  /** After a read fault the consumers are dropped, as on the real server; the group tries again at the next tick. */
  #read(request: HistoryRequest): History | undefined {
    try {
      return this.definition.source === allSource ? this.#readAll(request) : this.#readStream(request);
    } catch {
      const ids = [...this.#consumers.keys()];
      this.#dropConsumers();
      for (const id of ids) this.#engine.removeConsumer(id, this.#now());
      return undefined;
    }
  }

  #readStream({ from, exclusive, count }: HistoryRequest): History {
    const start = (from ?? 0n) + (exclusive ? 1n : 0n);
    const page = this.#log.streams.forwards(this.definition.source, start, count);
    const end = this.#log.lastRevision(this.definition.source) + 1n;
    const pastEnd = end > start ? end : start;
    if (page.kind !== "page") return { entries: [], next: pastEnd, isEnd: true, considered: 0 };
    return {
      entries: page.events.map((event) => ({ kind: "event", event: this.#incoming(event) })),
      next: page.next ?? pastEnd,
      isEnd: page.next === undefined,
      considered: page.events.length,
    };
  }

  #readAll({ from, exclusive, count }: HistoryRequest): History {
    const after = from === undefined ? -1n : exclusive ? from : from - 1n;
    if (this.#filter === undefined) {
      const page = this.#log.all.forwards(after, count);
      return {
        entries: page.events.map((event) => ({ kind: "event", event: this.#incoming(event) })),
        next: (page.last ?? after) + 1n,
        isEnd: page.last === undefined,
        considered: page.events.length,
      };
    }
    const window = Math.max(1, Math.min(this.definition.settings.maxCheckPointCount, recordsPerTurn));
    const { records, last } = this.#log.all.scanForwards(after, window, this.#filter, count);
    const entries: HistoryEntry<ResolvedEvent>[] = [];
    let lastSkipped = after;
    let skipped = 0;
    for (const record of records) {
      const event = record.matches ? this.#log.all.event(record.position) : undefined;
      if (event === undefined) {
        skipped += 1;
        lastSkipped = record.position;
        continue;
      }
      if (skipped > 0) entries.push({ kind: "skipped", position: lastSkipped, count: skipped });
      skipped = 0;
      entries.push({ kind: "event", event: this.#incoming(event) });
    }
    if (skipped > 0) entries.push({ kind: "skipped", position: lastSkipped, count: skipped });
    return { entries, next: (last ?? after) + 1n, isEnd: last === undefined, considered: records.length };
  }

  #incoming(event: StoredEvent): IncomingEvent<ResolvedEvent> {
    const payload = this.#resolve(event);
    return {
      id: recordId(event.record),
      position: this.definition.source === allSource ? event.position : event.revision,
      source: this.#sourceOf(payload),
      payload,
    };
  }

  /** A link whose target cannot be read comes without it: an event that has just been committed must not get lost. */
  #resolve(event: StoredEvent): ResolvedEvent {
    try {
      return this.#log.resolve(event, this.definition.settings.resolveLinkTos);
    } catch {
      return { event: undefined, link: event };
    }
  }

  /** The stream that a pinned event belongs to: that of the event itself, or the one that a link names. */
  #sourceOf({ event, link }: ResolvedEvent): string {
    if (this.definition.settings.consumerStrategy !== "Pinned") return "";
    const record = event ?? link;
    if (record === undefined) return "";
    const contents = decodeRecord(record.record);
    if (contents.type !== systemTypes.link) return contents.stream;
    const data = Buffer.from(contents.data).toString("utf8");
    return data.slice(data.indexOf("@") + 1);
  }
}
