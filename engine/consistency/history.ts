/**
 * What the log says about a view at any guards: per row what its streams contribute, so that a row can be told as of exactly
 * those events that its guards have let in. Contributions below the guards found at the start are added up, since guards
 * only rise; what comes after is kept event by event, so memory grows with the view and with what moves while it is checked.
 */
import type { EventStore } from "../event-store/event-store.ts";
import { comparePositions, type Position } from "../event-store/position.ts";
import type { StoredEvent } from "../event-store/stored-event.ts";
import type { Generation } from "../views/catalog.ts";
import type { Guard } from "../views/guard.ts";
import { rowItemKey } from "../views/item.ts";
import { type Projection, type RowAttributes, type RowKey, readsStream } from "../views/projection.ts";
import { changesOf } from "../views/stream-write.ts";
import { attributesOf, changeRow, type PlainRow, type RowChange } from "./plain-row.ts";
import { roundsOfAll } from "./rounds-of-all.ts";
import { itemText } from "./table-items.ts";

export interface StreamHistory {
  head: Guard;
  /** Where the events at and after the floor stand, by revision. */
  readonly positions: Map<bigint, Position>;
  /** The first event that the projection cannot take; it and those after it contribute nothing. */
  unreadable?: { readonly revision: bigint; readonly message: string };
  /** The log does not hold all of its events any more. */
  scavenged: boolean;
}

interface RowHistory {
  readonly key: RowKey;
  /** Contributions up to the floors. */
  readonly base: PlainRow;
  readonly later: { readonly stream: string; readonly revision: bigint; readonly change: RowChange }[];
  readonly streams: Set<string>;
}

/** A row as of some guards, or why nobody can say. */
export type RowAsOf =
  | { readonly outcome: "told"; readonly attributes: RowAttributes }
  | { readonly outcome: "unknown"; readonly why: string };

export interface HistoryOptions {
  readonly eventStore: EventStore;
  readonly projection: Projection;
  readonly generation: Pick<Generation, "from">;
  /** The revision of a stream below which no guard will be asked for; -1 where there was no guard. */
  readonly floorOf: (stream: string) => bigint;
  /** Only these rows, by item text; all when absent. */
  readonly only?: ReadonlySet<string>;
  /** Told after some events how many were read, and where. */
  readonly onEvents?: (events: number, at: Position) => void;
}

export class History {
  readonly streams = new Map<string, StreamHistory>();
  readonly rows = new Map<string, RowHistory>();
  readonly #options: HistoryOptions;
  #at: Position | undefined;
  #folding: Promise<void> = Promise.resolve();
  /** Events of the projection's streams. */
  events = 0;
  #read = 0;

  constructor(options: HistoryOptions) {
    this.#options = options;
  }

  /** Extends the history to a tail of the leader that is taken when this is called. */
  async catchUp(): Promise<void> {
    await this.foldTo(await this.#options.eventStore.tail());
  }

  /** One at a time, whoever asks. */
  async foldTo(target: Position): Promise<void> {
    const before = this.#folding;
    this.#folding = (async () => {
      await before.catch(() => undefined);
      await this.#fold(target);
    })();
    await this.#folding;
  }

  /**
   * The row as of the given guards; unknown when an event that it counts cannot be read, or when a guard has fallen below
   * its floor. Streams that are not among `guards` count as not let in.
   */
  rowAt(text: string, guards: ReadonlyMap<string, bigint>): RowAsOf {
    const row = this.rows.get(text);
    if (row === undefined) return { outcome: "told", attributes: {} };
    for (const stream of row.streams) {
      const guard = guards.get(stream) ?? -1n;
      const { unreadable } = this.streams.get(stream) ?? {};
      if (guard < this.#options.floorOf(stream)) {
        return { outcome: "unknown", why: `the guard of ${stream} fell while it was read` };
      }
      if (unreadable !== undefined && guard >= unreadable.revision) {
        return { outcome: "unknown", why: `event ${unreadable.revision.toString()}@${stream} cannot be applied` };
      }
    }
    const attributes = new Map(row.base);
    for (const { stream, revision, change } of row.later) {
      if (revision <= (guards.get(stream) ?? -1n)) changeRow(attributes, change);
    }
    return { outcome: "told", attributes: attributesOf(attributes) };
  }

  streamsOf(text: string): ReadonlySet<string> {
    return this.rows.get(text)?.streams ?? noStreams;
  }

  async #fold(target: Position): Promise<void> {
    const { eventStore, projection, onEvents } = this.#options;
    for await (const round of roundsOfAll(eventStore, this.#at, target, 1_000)) {
      for (const event of round) {
        if (readsStream(projection, event.stream)) this.#add(event);
        this.#at = event.position;
      }
      this.#read += round.length;
      onEvents?.(this.#read, this.#at ?? target);
    }
  }

  #add(event: StoredEvent): void {
    const { floorOf } = this.#options;
    const { stream: name, revision, position } = event;
    const floor = floorOf(name);
    let stream = this.streams.get(name);
    const expected = stream === undefined ? 0n : stream.head.revision + 1n;
    if (stream === undefined) {
      stream = { head: { revision, position }, positions: new Map(), scavenged: false };
      this.streams.set(name, stream);
    }
    if (revision !== expected) stream.scavenged = true;
    stream.head = { revision, position };
    if (revision >= floor) stream.positions.set(revision, position);
    this.events += 1;
    if (stream.unreadable !== undefined) return;
    try {
      this.#contribute(event, floor);
    } catch (error) {
      stream.unreadable = { revision, message: error instanceof Error ? error.message : String(error) };
    }
  }

  #contribute(event: StoredEvent, floor: bigint): void {
    const { projection, generation, only } = this.#options;
    if (comparePositions(event.position, generation.from) < 0) return;
    const { stream, revision } = event;
    for (const { key, change } of changesOf(projection, event)) {
      const text = itemText(rowItemKey(key));
      if (only?.has(text) === false) continue;
      let row = this.rows.get(text);
      if (row === undefined) this.rows.set(text, (row = { key, base: new Map(), later: [], streams: new Set() }));
      row.streams.add(stream);
      if (revision <= floor) changeRow(row.base, change);
      else row.later.push({ stream, revision, change });
    }
  }
}

const noStreams: ReadonlySet<string> = new Set();
