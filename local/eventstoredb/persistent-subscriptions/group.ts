/**
 * A persistent subscription group at work: feeds its engine from the log, writes what the engine decides, and hands
 * messages to connected consumers.
 */
import { DataDirectoryError, StorageError } from "../data-directory-errors.ts";
import type { ResolvedEvent, StoredEvent } from "../log/event.ts";
import type { EventLog } from "../log/event-log.ts";
import { CheckpointWriter, loadCheckpoint } from "./checkpoint-writer.ts";
import type { GroupDefinition } from "./configuration.ts";
import type { ConsumerConnection } from "./consumer.ts";
import { GroupEngine, type HistoryRequest, type NackAction } from "./engine.ts";
import { GroupHistory, recordsPerTurn, type HistoryPage } from "./group-history.ts";
import { checkpointStream, parkedStream } from "./group-key.ts";
import { ParkedMessages } from "./parked-messages.ts";

export interface GroupConsumer extends ConsumerConnection<ResolvedEvent> {
  /** The user and the connection's name, for information. */
  readonly username: string;
  readonly connectionName: string;
  /** The group has gone or was changed, or cannot read its events: the consumer has to connect again. */
  drop(error?: DataDirectoryError | StorageError): void;
}

type ReadPage = Extract<HistoryPage, { readonly kind: "page" }>;

export class Group {
  readonly definition: GroupDefinition;
  readonly startedAt: number;
  readonly #log: EventLog;
  readonly #now: () => number;
  readonly #history: GroupHistory;
  readonly #engine: GroupEngine<ResolvedEvent>;
  readonly #checkpoints: CheckpointWriter;
  readonly #parked: ParkedMessages;
  readonly #consumers = new Map<string, GroupConsumer>();
  #pulling = false;
  #replaying = false;
  #unreadable = false;
  #stopped = false;

  /** @throws UnsupportedRegexError */
  constructor(log: EventLog, definition: GroupDefinition, now: () => number) {
    this.#log = log;
    this.#now = now;
    this.definition = definition;
    this.startedAt = now();
    this.#history = new GroupHistory(log, definition);
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

  /** As .NET writes a set of flags. A page that cannot be read stays outstanding for ever. */
  get status(): string {
    const live = this.#engine.statistics.isLive;
    const flags = [
      live ? undefined : "Behind",
      this.#pulling || this.#unreadable ? "OutstandingPageRequest" : undefined,
      this.#replaying ? "ReplayingParkedMessages" : undefined,
      live ? "Live" : undefined,
    ];
    return flags.filter((flag) => flag !== undefined).join(", ");
  }

  connect(consumer: GroupConsumer): void {
    if (this.#unreadable) {
      consumer.drop();
      return;
    }
    this.#consumers.set(consumer.id, consumer);
    this.#run((engine) => engine.addConsumer(consumer, this.#now()));
  }

  /** A consumer that was behind can be sent more. */
  resumed(): void {
    this.#run((engine) => engine.consumerResumed(this.#now()));
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
    if (this.#history.wants(event)) {
      this.#run((engine) => engine.liveEvent(this.#history.incoming(event), this.#now()));
    } else {
      this.#run((engine) => engine.liveSkipped(event.position, this.#now()));
    }
  }

  /** Delivers parked messages again. Resolves when all have been queued. */
  async replayParked(stopAt: bigint | undefined): Promise<void> {
    if (this.#replaying || this.#stopped) return;
    this.#replaying = true;
    try {
      await this.#parked.replay(stopAt, (parked) => {
        this.#run((engine) => engine.replay(this.#history.replayed(parked), this.#now()));
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

  /** @param error what is wrong with the disk, where that is why */
  #dropConsumers(error?: DataDirectoryError | StorageError): void {
    const consumers = [...this.#consumers.values()];
    this.#consumers.clear();
    for (const consumer of consumers) consumer.drop(error);
  }

  #run(work: (engine: GroupEngine<ResolvedEvent>) => void): void {
    if (this.#stopped) return;
    work(this.#engine);
    this.#pull();
  }

  /** Reads history as long as the engine wants more, in turns. */
  #pull(): void {
    if (this.#pulling || this.#unreadable) return;
    let budget = recordsPerTurn;
    for (let request = this.#engine.historyRequest(); request !== undefined; request = this.#engine.historyRequest()) {
      const page = this.#read(request);
      if (page === undefined) return;
      this.#engine.historyRead(page.entries, page.next, page.isEnd, this.#now());
      budget -= page.considered + 1;
      // The end was reached while newer events wait in the live queue: the commit that brought them goes on from there.
      if (page.isEnd && !this.#engine.statistics.isLive) return;
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

  /**
   * Where nothing can be read the consumers are dropped, as on the real server: for good if nothing ever will be, else
   * the group tries again at the next tick.
   */
  #read(request: HistoryRequest): ReadPage | undefined {
    let fault: DataDirectoryError | StorageError | undefined;
    try {
      const page = this.#history.read(request);
      if (page.kind === "page") return page;
      this.#unreadable = true;
    } catch (error) {
      if (error instanceof DataDirectoryError || error instanceof StorageError) fault = error;
    }
    const ids = [...this.#consumers.keys()];
    this.#dropConsumers(fault);
    for (const id of ids) this.#engine.removeConsumer(id, this.#now());
    return undefined;
  }
}
