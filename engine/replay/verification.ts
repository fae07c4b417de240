/**
 * Proof that a shadow generation is what the log says, made while nobody writes it: the log is read a second time, from its
 * start, and folded by other code than the back-fill's (`plain-row.ts`), without cache and checkpoint; then every item of
 * the table is compared, rows and guards. What is expected is kept in memory, so memory grows with the view.
 */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { type Difference, describeDifference, rowDifference } from "../consistency/difference.ts";
import { attributesOf, changeRow, isSameRow, type PlainRow } from "../consistency/plain-row.ts";
import { roundsOfAll } from "../consistency/rounds-of-all.ts";
import { foundAttributes, getItems, itemText, keyOfItem, scanItems } from "../consistency/table-items.ts";
import type { EventStore } from "../event-store/event-store.ts";
import { comparePositions, type Position } from "../event-store/position.ts";
import { isTombstone, type StoredEvent } from "../event-store/stored-event.ts";
import type { Generation } from "../views/catalog.ts";
import type { Guard } from "../views/guard.ts";
import { guardOfItem, type Item, type ItemKey, keyOfRowItem, rowItemKey } from "../views/item.ts";
import { type Projection, type RowAttributes, type RowKey, readsStream } from "../views/projection.ts";
import { guardKeyOf } from "../views/stream-keys.ts";
import { changesOf } from "../views/stream-write.ts";

const keysAtOnce = 1_000;

/** Differences that are listed; all are counted. */
export const differencesListed = 100;

/** What the log says an item holds. */
interface ExpectedItem {
  readonly key: ItemKey;
  readonly row: PlainRow;
  /** The stream whose guard sits in it, and that guard. */
  stream?: string;
  guard?: Guard;
}

export interface VerificationReport {
  readonly rows: number;
  readonly guards: number;
  /** Streams of which the log no longer holds every event: nobody can say what the missing ones changed. */
  readonly scavengedStreams: number;
}

export class VerificationFailedError extends Error {
  readonly code = "VERIFICATION_FAILED";
  override readonly name = "VerificationFailedError";
  /** The first {@link differencesListed}. */
  readonly differences: readonly Difference[];
  readonly count: number;

  constructor(table: string, differences: readonly Difference[], count: number) {
    const first = differences[0] === undefined ? "" : `; the first: ${describeDifference(differences[0])}`;
    super(`the rebuilt rows in ${table} are not what the events say: ${count} differences${first}`);
    this.differences = differences;
    this.count = count;
  }
}

export class Verification {
  readonly #eventStore: EventStore;
  readonly #projection: Projection;
  readonly #from: Position;
  readonly #expected = new Map<string, ExpectedItem>();
  readonly #revisions = new Map<string, bigint>();
  readonly #scavenged = new Set<string>();
  #at: Position | undefined;

  constructor(eventStore: EventStore, projection: Projection, { from }: Pick<Generation, "from">) {
    this.#eventStore = eventStore;
    this.#projection = projection;
    this.#from = from;
  }

  /** Extends what is expected up to `target`, included. Returns the keys of the items that moved. */
  async foldTo(target: Position, onEvents: (events: number, at: Position) => void): Promise<readonly ItemKey[]> {
    const moved = new Map<string, ItemKey>();
    let events = 0;
    for await (const round of roundsOfAll(this.#eventStore, this.#at, target, 1_000)) {
      for (const event of round) {
        if (readsStream(this.#projection, event.stream) && !isTombstone(event)) {
          for (const item of this.#fold(event)) moved.set(itemText(item.key), item.key);
        }
      }
      events += round.length;
      onEvents(events, round.at(-1)?.position ?? target);
    }
    this.#at = target;
    return [...moved.values()];
  }

  /**
   * Compares the whole table. `mayGoOn` is asked at every page, and throws when the work is to stop. Throws
   * {@link VerificationFailedError}.
   */
  async compareAll(dynamodb: DynamoDBClient, table: string, mayGoOn: () => void): Promise<VerificationReport> {
    const found = new FoundDifferences(table);
    const seen = new Set<string>();
    for await (const items of scanItems(dynamodb, table)) {
      mayGoOn();
      for (const item of items) {
        const text = itemText(keyOfItem(item));
        seen.add(text);
        found.compare(this.#expected.get(text), item);
      }
    }
    let rows = 0;
    for (const [text, expected] of this.#expected) {
      if (expected.row.size > 0) rows += 1;
      if (!seen.has(text)) found.compare(expected, undefined);
    }
    found.throwIfAny();
    return { rows, guards: this.#revisions.size, scavengedStreams: this.#scavenged.size };
  }

  /** Compares only items that moved since the last comparison. Throws {@link VerificationFailedError}. */
  async compareMoved(
    dynamodb: DynamoDBClient,
    table: string,
    keys: readonly ItemKey[],
    mayGoOn: () => void,
  ): Promise<void> {
    const found = new FoundDifferences(table);
    for (let start = 0; start < keys.length; start += keysAtOnce) {
      mayGoOn();
      const some = keys.slice(start, start + keysAtOnce);
      const items = await getItems(dynamodb, table, some);
      for (const text of some.map(itemText)) found.compare(this.#expected.get(text), items.get(text));
    }
    found.throwIfAny();
  }

  /** The rows that a reader sees, as the log says. */
  *rows(): Generator<{ readonly key: RowKey; readonly attributes: RowAttributes }, void> {
    for (const { key, row } of this.#expected.values()) {
      if (row.size > 0) yield { key: keyOfRowItem({ ...key }), attributes: attributesOf(row) };
    }
  }

  /** Folds one event; returns the items that it touched. */
  #fold(event: StoredEvent): ExpectedItem[] {
    const { stream, revision, position } = event;
    if (revision !== (this.#revisions.get(stream) ?? -1n) + 1n) this.#scavenged.add(stream);
    this.#revisions.set(stream, revision);
    const touched: ExpectedItem[] = [];
    if (comparePositions(position, this.#from) >= 0) {
      for (const { key, change } of changesOf(this.#projection, event)) {
        const item = this.#item(rowItemKey(key));
        changeRow(item.row, change);
        touched.push(item);
      }
    }
    const guarded = this.#item(guardKeyOf(this.#projection, stream));
    guarded.stream = stream;
    guarded.guard = { revision, position };
    touched.push(guarded);
    return touched;
  }

  #item(key: ItemKey): ExpectedItem {
    const text = itemText(key);
    let item = this.#expected.get(text);
    if (item === undefined) this.#expected.set(text, (item = { key, row: new Map() }));
    return item;
  }
}

/** Collects differences up to a bound, and counts them all. */
class FoundDifferences {
  readonly #table: string;
  readonly #listed: Difference[] = [];
  #count = 0;

  constructor(table: string) {
    this.#table = table;
  }

  compare(expected: ExpectedItem | undefined, actual: Item | undefined): void {
    const key = expected?.key ?? keyOfItem(actual ?? {});
    const attributes = foundAttributes(actual);
    const row = attributesOf(expected?.row);
    this.#add(rowDifference(keyOfRowItem({ ...key }), row, attributes, isSameRow(row, attributes)));
    const stream = expected?.stream ?? key.pk.S ?? "";
    this.#add(guardDifference(keyOfRowItem({ ...key }), stream, expected?.guard, guardOfItem(actual)));
  }

  throwIfAny(): void {
    if (this.#count > 0) throw new VerificationFailedError(this.#table, this.#listed, this.#count);
  }

  #add(difference: Difference | undefined): void {
    if (difference === undefined) return;
    this.#count += 1;
    if (this.#listed.length < differencesListed) this.#listed.push(difference);
  }
}

function guardDifference(
  key: RowKey,
  stream: string,
  expected: Guard | undefined,
  actual: Guard | undefined,
): Difference | undefined {
  if (expected === undefined) return actual === undefined ? undefined : { kind: "guard-orphan", key, stream, actual };
  if (actual === undefined || actual.revision < expected.revision) {
    return { kind: "guard-behind", stream, expected, actual };
  }
  if (actual.revision > expected.revision) return { kind: "guard-ahead", stream, expected, actual };
  const samePlace = comparePositions(actual.position, expected.position) === 0;
  return samePlace ? undefined : { kind: "guard-position", stream, expected, actual };
}
