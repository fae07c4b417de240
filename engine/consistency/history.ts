/**
 * What the log says about a view at any guards: per row what its streams contribute, so that a row can be told as of exactly
 * those events that its guards have let in. Contributions below the guards found at the start are added up, since guards
 * only rise; what comes after is kept event by event. All of it lies on disk, so memory does not grow with the view.
 */
import { messageOf } from "../errors/message-of.ts";
import type { EventStore } from "../event-store/event-store.ts";
import { comparePositions, isAfter, type Position } from "../event-store/position.ts";
import { isTombstone, type StoredEvent } from "../event-store/stored-event.ts";
import type { Generation } from "../views/catalog.ts";
import type { Guard } from "../views/guard.ts";
import { type ItemKey, keyOfRowItem, rowItemKey } from "../views/item.ts";
import { prefixesOf, type Projection, type RowAttributes, type RowKey, readsStream } from "../views/projection.ts";
import { type RowChange, setsOwned } from "../views/row-write.ts";
import { guardKeyOf } from "../views/stream-keys.ts";
import { changesOf } from "../views/stream-write.ts";
import { attributesOf, changeRow, type PlainRow } from "./plain-row.ts";
import { roundsOfAll } from "../event-store/rounds-of-all.ts";
import type { RowScope } from "./row-scope.ts";
import { Spill, type SpilledLists, type SpilledMap, type SpilledSets } from "./spill.ts";
import { itemText } from "./table-items.ts";

export interface StreamHistory {
  /** The last event; of revision -1 where nothing but a tombstone is left. */
  head: Guard;
  /** The last event up to which the projection can take all; undefined where it cannot take the first. */
  applicable: Guard | undefined;
  /** Where the guard lies; undefined when it can lie nowhere, and then the first event is `unreadable`. */
  readonly guardKey: ItemKey | undefined;
  /** The guard at the start: none below it will be asked for. */
  readonly floor: bigint;
  /** Whether the item of its guard is among those that were asked for. */
  readonly isWanted: boolean;
  /** Where its events from the floor up to before the head stand, and its tombstone: of streams at rest there are none. */
  earlier?: Map<bigint, Position>;
  /** The first event that the projection cannot take; it and those after it contribute nothing. */
  unreadable?: { readonly revision: bigint; readonly message: string };
  /** The log does not hold all of its events any more. */
  scavenged: boolean;
  /** Revision of the tombstone of a stream that was deleted for good; a guard may stand there or at the head. */
  tombstone?: bigint;
}

interface RowHistory {
  readonly key: RowKey;
  /** Contributions up to the floors. */
  readonly base: PlainRow;
}

/** A contribution above the floor of its stream. */
interface LaterChange {
  readonly stream: string;
  readonly revision: bigint;
  readonly change: RowChange;
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
  /** Only these rows, and streams that touch them or whose guards are among them; all when absent. */
  readonly only?: RowScope;
  /** As {@link Spill} takes it. */
  readonly heldInMemory?: number | undefined;
  /** Told after some events how many were read, and where. */
  readonly onEvents?: (events: number, at: Position) => void;
}

const eventsAtOnce = 1_000;

/** To be closed in the end, or held by `using`. */
export class History {
  readonly #spill: Spill;
  /** By name. */
  readonly streams: SpilledMap<StreamHistory>;
  /** By the texts of their items. */
  readonly rows: SpilledMap<RowHistory>;
  /** Of each row. */
  readonly #later: SpilledLists<LaterChange>;
  /** Of each row, those that have touched it. */
  readonly #streamsOfRows: SpilledSets;
  /** Streams that have events, by the texts of the items in which their guards sit. */
  readonly #streamsOfGuards: SpilledMap<string>;
  readonly #doubtful = new Set<string>();
  /** Where only some rows are told: streams that touch one that was asked for. */
  readonly #touching: SpilledMap<true>;
  /** Last revisions of streams that have touched no row that was asked for so far. */
  readonly #passed: SpilledMap<bigint>;
  readonly #options: HistoryOptions;
  #at: Position | undefined;
  #folding: Promise<void> = Promise.resolve();
  /** Events of the projection's streams. */
  events = 0;
  #read = 0;

  constructor(options: HistoryOptions) {
    this.#options = options;
    this.#spill = new Spill(options.heldInMemory);
    this.streams = this.#spill.map();
    this.rows = this.#spill.map();
    this.#later = this.#spill.lists();
    this.#streamsOfRows = this.#spill.sets();
    this.#streamsOfGuards = this.#spill.map();
    this.#passed = this.#spill.map();
    this.#touching = this.#spill.map();
  }

  /** Removes what is kept on disk. */
  close(): void {
    this.#spill.close();
  }

  [Symbol.dispose](): void {
    this.close();
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
    for (const stream of this.streamsOf(text)) {
      const guard = guards.get(stream);
      // One that has touched the row only since the guards were read: nothing of it is in `base`, and its floor says nothing.
      if (guard === undefined) continue;
      if (guard < this.floorOf(stream)) {
        return { outcome: "unknown", why: `the guard of ${stream} fell while it was read` };
      }
      const unreadable = this.streams.get(stream)?.unreadable;
      if (unreadable !== undefined && guard >= unreadable.revision) {
        return { outcome: "unknown", why: `event ${unreadable.revision.toString()}@${stream} cannot be applied` };
      }
    }
    const attributes = new Map(row.base);
    for (const { stream, revision, change } of this.#later.of(text)) {
      if (revision <= (guards.get(stream) ?? -1n)) changeRow(attributes, change);
    }
    return { outcome: "told", attributes: attributesOf(attributes) };
  }

  /** The guard of a stream at the start; -1 if there was none. */
  floorOf(stream: string): bigint {
    return this.streams.get(stream)?.floor ?? -1n;
  }

  headOf(stream: string): bigint {
    return this.streams.get(stream)?.head.revision ?? -1n;
  }

  /** Where an event of the stream stands, if a guard can be there and it is known. */
  positionAt({ head, earlier }: StreamHistory, revision: bigint): Position | undefined {
    return revision === head.revision ? head.position : earlier?.get(revision);
  }

  /** Whether no guard can stand there: it is neither at an event, nor at the tombstone behind the last. */
  isBeyond(stream: string, guard: bigint): boolean {
    return guard > this.headOf(stream) && guard !== this.streams.get(stream)?.tombstone;
  }

  /** The first event of each stream that touches the row after the given revisions; -1 where none is given. */
  touchesAfter(text: string, revisions: ReadonlyMap<string, bigint>): Map<string, bigint> {
    const first = new Map<string, bigint>();
    for (const { stream, revision } of this.#later.of(text)) {
      if (revision > (revisions.get(stream) ?? -1n) && !first.has(stream)) first.set(stream, revision);
    }
    return first;
  }

  /** The stream that has set attributes of the row at these guards, where it was not folded below a floor. */
  ownerOf(text: string, guards: ReadonlyMap<string, bigint>): string | undefined {
    const isLetIn = (stream: string, revision: bigint): boolean => revision <= (guards.get(stream) ?? -1n);
    for (const { stream, revision, change } of this.#later.of(text)) {
      if (setsOwned(change) && isLetIn(stream, revision)) return stream;
    }
    return undefined;
  }

  /**
   * Streams of which not every event is known, and which may have touched the row: where rows are shared, any row. What those
   * events changed is missing from {@link rowAt}.
   */
  doubtfulOf(text: string): readonly string[] {
    if (this.#options.projection.rows === "shared") return [...this.#doubtful];
    return [...this.#doubtful].filter((name) => this.#guardText(name) === text);
  }

  /** Why nobody can tell the row from one that counts events which are not known; undefined when there are none. */
  whyDoubtful(text: string, guardOf: (stream: string) => bigint): string | undefined {
    for (const name of this.doubtfulOf(text)) {
      const stream = this.streams.get(name);
      const guard = guardOf(name);
      if (stream === undefined || guard < 0n) continue;
      if (stream.scavenged || stream.head.revision < 0n) return "events that may have touched it were scavenged";
      if (stream.unreadable !== undefined && guard >= stream.unreadable.revision) {
        return `event ${stream.unreadable.revision.toString()}@${name}, which it may count, cannot be applied`;
      }
    }
    return undefined;
  }

  /** The stream that has events and whose guard sits in the item. */
  streamOfGuard(text: string): string | undefined {
    return this.#streamsOfGuards.get(text);
  }

  #guardText(stream: string): string | undefined {
    const guardKey = this.streams.get(stream)?.guardKey;
    return guardKey === undefined ? undefined : itemText(guardKey);
  }

  /** Those that have touched the row, each once. */
  streamsOf(text: string): readonly string[] {
    return this.#streamsOfRows.of(text);
  }

  async #fold(target: Position): Promise<void> {
    const { projection, onEvents } = this.#options;
    for await (const round of this.#rounds(target)) {
      for (const event of round) {
        if (readsStream(projection, event.stream)) this.#add(event);
        this.#at = event.position;
      }
      this.#read += round.length;
      onEvents?.(this.#read, this.#at ?? target);
    }
    if (this.#at === undefined || isAfter(target, this.#at)) this.#at = target;
  }

  /**
   * All of it for a proof of all rows: the filter by which views are made must not hide from the proof what it hid from them.
   * For some rows the store leaves out the other categories; what has come since is little, whatever it is of.
   */
  #rounds(target: Position): AsyncGenerator<StoredEvent[], void> {
    const { eventStore, projection, only } = this.#options;
    if (only === undefined || this.#at !== undefined) return roundsOfAll(eventStore, this.#at, target, eventsAtOnce);
    return eventStore.roundsOf(prefixesOf([projection]), { after: undefined, until: target, size: eventsAtOnce });
  }

  #add(event: StoredEvent): void {
    const { stream: name } = event;
    if (!isTombstone(event)) this.events += 1;
    const known = this.streams.get(name);
    if (known !== undefined) {
      this.#extend(known, event);
      this.streams.set(name, known);
      return;
    }
    const stream = this.#newStream(event);
    // Where a row is of one stream, a stream whose row nobody asked for is nobody's business.
    if (!stream.isWanted && this.#options.projection.rows !== "shared") return;
    this.#extend(stream, event);
    // Where that one stands was not kept.
    stream.earlier?.delete(this.#passed.get(name) ?? -1n);
    if (stream.isWanted || this.#touching.has(name) || this.#doubtful.has(name)) {
      this.streams.set(name, stream);
      if (stream.guardKey !== undefined) this.#streamsOfGuards.set(itemText(stream.guardKey), name);
      this.#passed.delete(name);
    } else this.#passed.set(name, stream.head.revision);
  }

  #extend(stream: StreamHistory, event: StoredEvent): void {
    const { stream: name, revision, position } = event;
    const isCutShort = isTombstone(event) ? stream.head.revision < 0n : revision !== stream.head.revision + 1n;
    // Of one without a place for a guard no row can count anything.
    if (isCutShort && stream.guardKey !== undefined) this.#doubtful.add(name);
    if (isTombstone(event)) {
      stream.tombstone = revision;
      (stream.earlier ??= new Map()).set(revision, position);
      if (stream.head.revision < 0n && stream.floor >= 0n) stream.scavenged = true;
      return;
    }
    if (isCutShort) stream.scavenged = true;
    const { head } = stream;
    if (head.revision >= 0n && head.revision >= stream.floor) {
      (stream.earlier ??= new Map()).set(head.revision, head.position);
    }
    stream.head = { revision, position };
    if (stream.unreadable !== undefined) return;
    try {
      this.#contribute(event, stream.floor);
      stream.applicable = stream.head;
    } catch (error) {
      stream.unreadable = { revision, message: messageOf(error) };
      this.#doubtful.add(name);
    }
  }

  #newStream({ stream: name, revision, position }: StoredEvent): StreamHistory {
    const { projection, floorOf, only } = this.#options;
    const head = { revision: this.#passed.get(name) ?? -1n, position };
    const empty = { head, applicable: undefined, scavenged: false };
    try {
      const guardKey = guardKeyOf(projection, name);
      return { ...empty, guardKey, floor: floorOf(name), isWanted: this.#isWanted(guardKey) };
    } catch (error) {
      const unreadable = { revision, message: messageOf(error) };
      const isWanted = only === undefined || only.hasGuard?.(name) === true;
      return { ...empty, guardKey: undefined, floor: -1n, isWanted, unreadable };
    }
  }

  #isWanted(guardKey: ItemKey): boolean {
    const { projection, only } = this.#options;
    if (only === undefined) return true;
    const text = itemText(guardKey);
    return projection.rows === "shared"
      ? only.hasGuard?.(text) === true
      : only.has(text, keyOfRowItem({ ...guardKey }));
  }

  #contribute(event: StoredEvent, floor: bigint): void {
    const { projection, generation, only } = this.#options;
    if (comparePositions(event.position, generation.from) < 0) return;
    const { stream, revision } = event;
    for (const { key, change } of changesOf(projection, event)) {
      const text = itemText(rowItemKey(key));
      if (only?.has(text, key) === false) continue;
      if (only !== undefined) this.#touching.set(stream, true);
      this.#streamsOfRows.add(text, stream);
      const row = this.rows.get(text);
      if (revision <= floor) {
        const { base } = row ?? { base: new Map() };
        changeRow(base, change);
        this.rows.set(text, { key, base });
      } else {
        if (row === undefined) this.rows.set(text, { key, base: new Map() });
        this.#later.push(text, { stream, revision, change });
      }
    }
  }
}
