/**
 * Why a row is what it is: the events that touched it, in the order of the log, each with what it changed, up to any position.
 * It folds by the plain code of the checks, so that it explains what should be there and not what some writer did.
 */
import { messageOf } from "../errors/message-of.ts";
import type { EventStore } from "../event-store/event-store.ts";
import { comparePositions, isAfter, type Position } from "../event-store/position.ts";
import { isTombstone, type StoredEvent } from "../event-store/stored-event.ts";
import type { Decision } from "../quarantine/decisions.ts";
import type { Generation } from "../views/catalog.ts";
import { rowItemKey } from "../views/item.ts";
import { type Projection, type RowAttributes, type RowKey, type RowValue, readsStream } from "../views/projection.ts";
import type { RowChange } from "../views/row-write.ts";
import { changesOf } from "../views/stream-write.ts";
import { attributesOf, changeRow, isSameRow, type PlainRow } from "./plain-row.ts";
import { roundsOfAll } from "../event-store/rounds-of-all.ts";
import { isNamedBy, onlyRow } from "./row-name.ts";
import { itemText } from "./table-items.ts";

/** An attribute before and after an event; undefined where it was, or is, not there. */
export interface AttributeChange {
  readonly attribute: string;
  readonly before: RowValue | undefined;
  readonly after: RowValue | undefined;
}

export interface ExplainedEvent {
  readonly position: Position;
  readonly stream: string;
  readonly revision: bigint;
  readonly type: string;
  readonly recordedAt: Date;
  /**
   * - `counted`: its changes are in the row.
   * - `discarded`: somebody decided that they are not to be.
   * - `before-offset`: it lies before the first event that the generation counts.
   * - `waiting`: an event before it in its stream cannot be applied.
   */
  readonly outcome: "counted" | "discarded" | "before-offset" | "waiting";
  /** Why it was discarded. */
  readonly reason?: string;
  /** What it changed, by name; empty where it set what was so already, or was not counted. */
  readonly changes: readonly AttributeChange[];
}

/** An event of a stream that touches the row, or the only one of it, that the projection cannot take: it may have touched the row. */
export interface UnreadableEvent {
  readonly stream: string;
  readonly revision: bigint;
  readonly message: string;
}

export interface Explanation {
  readonly key: RowKey;
  /** The last event of the log that was looked at. */
  readonly position: Position;
  readonly events: readonly ExplainedEvent[];
  /** What the row has to hold then; empty when it is not to be there. */
  readonly row: RowAttributes;
  readonly unreadable: readonly UnreadableEvent[];
}

export interface ExplainOptions {
  readonly eventStore: EventStore;
  /** Without decisions: what was discarded is told too. */
  readonly projection: Projection;
  readonly generation: Pick<Generation, "from">;
  readonly decisions: readonly Decision[];
  /** The row's partition, its sort key, or `partition / sort` as checks print it. */
  readonly asked: string;
  /** The last event that counts; the tail of the log unless given. */
  readonly until?: Position;
  readonly onEvents?: (events: number, at: Position, target: Position) => void;
}

const eventsAtOnce = 1_000;

/** Throws RowNotFoundError. */
export async function explainRow(options: ExplainOptions): Promise<Explanation> {
  const { eventStore, asked, until, onEvents } = options;
  const tail = await eventStore.tail();
  const target = until === undefined || isAfter(until, tail) ? tail : until;
  const rows = new MatchingRows(options);
  let read = 0;
  for await (const round of roundsUpTo(eventStore, target, tail)) {
    for (const event of round) rows.add(event);
    read += round.length;
    onEvents?.(read, round.at(-1)?.position ?? target, target);
  }
  const found = onlyRow(rows.found, asked, `no event touches a row "${asked}"`);
  return {
    key: found.key,
    position: target,
    events: found.events,
    row: attributesOf(found.row),
    unreadable: rows.unreadableOf(found),
  };
}

/** A position between two events stands for the one before it. */
async function* roundsUpTo(
  eventStore: EventStore,
  target: Position,
  tail: Position,
): AsyncGenerator<StoredEvent[], void> {
  for await (const round of roundsOfAll(eventStore, undefined, tail, eventsAtOnce)) {
    const counted = round.filter(({ position }) => !isAfter(position, target));
    if (counted.length > 0) yield counted;
    if (counted.length < round.length) return;
  }
}

interface MatchingRow {
  readonly key: RowKey;
  readonly row: PlainRow;
  readonly events: ExplainedEvent[];
  readonly streams: Set<string>;
}

class MatchingRows {
  readonly #options: ExplainOptions;
  readonly #rows = new Map<string, MatchingRow>();
  readonly #decisions: ReadonlyMap<string, Decision>;
  /** By stream, the first: what follows it there waits. */
  readonly #unreadable = new Map<string, UnreadableEvent>();

  constructor(options: ExplainOptions) {
    this.#options = options;
    this.#decisions = new Map(options.decisions.map((decision) => [nameOf(decision), decision]));
  }

  get found(): readonly MatchingRow[] {
    return [...this.#rows.values()];
  }

  /** Of a row of one stream those of that stream; of a shared one all, for nobody knows which rows they would touch. */
  unreadableOf({ streams }: MatchingRow): readonly UnreadableEvent[] {
    const all = [...this.#unreadable.values()];
    return this.#options.projection.rows === "shared" ? all : all.filter(({ stream }) => streams.has(stream));
  }

  add(event: StoredEvent): void {
    const { projection } = this.#options;
    if (isTombstone(event) || !readsStream(projection, event.stream)) return;
    const decision = this.#decisions.get(nameOf(event));
    let changes: ReturnType<typeof changesOf>;
    try {
      changes = changesOf(projection, event);
    } catch (error) {
      // What it would have changed nobody can say; that it is not to count, somebody did.
      if (decision === undefined && !this.#isBeforeOffset(event)) this.#cannotRead(event, error);
      return;
    }
    for (const [key, ofRow] of this.#matching(changes)) this.#explain(key, event, decision, ofRow);
  }

  #cannotRead({ stream, revision }: StoredEvent, error: unknown): void {
    if (this.#unreadable.has(stream)) return;
    const message = messageOf(error);
    this.#unreadable.set(stream, { stream, revision, message });
  }

  #matching(changes: ReturnType<typeof changesOf>): Map<RowKey, RowChange[]> {
    const matching = new Map<string, { readonly key: RowKey; readonly changes: RowChange[] }>();
    for (const { key, change } of changes) {
      if (!isNamedBy(key, this.#options.asked)) continue;
      const text = itemText(rowItemKey(key));
      const found = matching.get(text);
      if (found === undefined) matching.set(text, { key, changes: [change] });
      else found.changes.push(change);
    }
    return new Map([...matching.values()].map((found) => [found.key, found.changes]));
  }

  #explain(key: RowKey, event: StoredEvent, decision: Decision | undefined, changes: readonly RowChange[]): void {
    const text = itemText(rowItemKey(key));
    let found = this.#rows.get(text);
    if (found === undefined) {
      this.#rows.set(text, (found = { key, row: new Map(), events: [], streams: new Set() }));
    }
    const { position, stream, revision, type, recordedAt } = event;
    found.streams.add(stream);
    const outcome = this.#outcomeOf(event, decision);
    const before = attributesOf(found.row);
    if (outcome === "counted") for (const change of changes) changeRow(found.row, change);
    found.events.push({
      ...{ position, stream, revision, type, recordedAt, outcome },
      ...(decision === undefined ? {} : { reason: decision.reason }),
      changes: changedAttributes(before, attributesOf(found.row)),
    });
  }

  #outcomeOf({ stream, position }: StoredEvent, decision: Decision | undefined): ExplainedEvent["outcome"] {
    if (decision !== undefined) return "discarded";
    if (this.#isBeforeOffset({ position })) return "before-offset";
    return this.#unreadable.has(stream) ? "waiting" : "counted";
  }

  #isBeforeOffset({ position }: Pick<StoredEvent, "position">): boolean {
    return comparePositions(position, this.#options.generation.from) < 0;
  }
}

const nameOf = ({ stream, revision }: { readonly stream: string; readonly revision: bigint }): string =>
  `${revision.toString()}@${stream}`;

function changedAttributes(before: RowAttributes, after: RowAttributes): AttributeChange[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].toSorted();
  return names
    .map((attribute) => ({ attribute, before: before[attribute], after: after[attribute] }))
    .filter((change) => !isSameRow({ value: change.before ?? null }, { value: change.after ?? null }));
}
