/**
 * Proof that a shadow generation is what the log says, made while nobody writes it: the log is read a second time, from its
 * start, and folded by other code than the back-fill's (`plain-row.ts`), without cache and checkpoint; then every item of
 * the table is compared, rows and guards. What is expected is kept on disk, so memory does not grow with the view.
 */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { setImmediate as turn } from "node:timers/promises";
import { type Difference, describeDifference, rowDifference } from "../consistency/difference.ts";
import { attributesOf, changeRow, isSameRow } from "../consistency/plain-row.ts";
import { roundsOfAll } from "../event-store/rounds-of-all.ts";
import { foundAttributes, getItems, itemText, keyOfItem, scanItems } from "../consistency/table-items.ts";
import type { EventStore } from "../event-store/event-store.ts";
import { comparePositions, type Position } from "../event-store/position.ts";
import { isTombstone, type StoredEvent } from "../event-store/stored-event.ts";
import type { Generation } from "../views/catalog.ts";
import type { Guard } from "../views/guard.ts";
import { guardOfItem, type Item, type ItemKey, keyOfRowItem, rowItemKey, streamOfGuardItem } from "../views/item.ts";
import { type Projection, type RowAttributes, type RowKey, readsStream } from "../views/projection.ts";
import { guardKeyOf } from "../views/stream-keys.ts";
import { changesOf } from "../views/stream-write.ts";
import { eventError } from "./errors.ts";
import { type ExpectedCounts, type ExpectedItem, ExpectedItems } from "./expected-items.ts";

const eventsAtOnce = 1_000;

/** Differences that are listed; all are counted. */
export const differencesListed = 100;

/** `scavengedStreams` are those of which the log no longer holds every event: nobody can say what the missing ones changed. */
export type VerificationReport = ExpectedCounts;

/** A row as the log says it, and as another table holds it; without attributes where it is not there. */
export interface RowBeside {
  readonly key: RowKey;
  readonly expected: RowAttributes;
  readonly actual: RowAttributes;
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

/** To be closed in the end, or held by `using`. */
export class Verification {
  readonly #eventStore: EventStore;
  readonly #projection: Projection;
  readonly #from: Position;
  readonly #expected: ExpectedItems;
  #at: Position | undefined;

  /** `together`: so many are at work at once, and share the memory. */
  constructor(eventStore: EventStore, projection: Projection, { from }: Pick<Generation, "from">, together = 1) {
    this.#expected = new ExpectedItems(together);
    this.#eventStore = eventStore;
    this.#projection = projection;
    this.#from = from;
  }

  /** Extends what is expected up to `target`, included. Returns the keys of the items that moved, page by page. */
  async foldTo(
    target: Position,
    onEvents: (events: number, at: Position) => void,
  ): Promise<Iterable<readonly ItemKey[]>> {
    this.beginFold();
    let events = 0;
    for await (const round of roundsOfAll(this.#eventStore, this.#at, target, eventsAtOnce)) {
      this.fold(round);
      events += round.length;
      onEvents(events, round.at(-1)?.position ?? target);
      // Lets the lease be renewed when all that is read is in memory already.
      await turn();
    }
    return this.finishAt(target);
  }

  /** Where {@link foldTo} would go on reading: after this. For a reader of `$all` that feeds several verifications. */
  get at(): Position | undefined {
    return this.#at;
  }

  /** What is folded from here on is what {@link finishAt} gives as moved. */
  beginFold(): void {
    this.#expected.beginFold();
  }

  /** Folds events of `$all`, those that come after the last ones, whatever streams they are of. */
  fold(round: readonly StoredEvent[]): void {
    this.#expected.change((item) => {
      for (const event of round) {
        if (readsStream(this.#projection, event.stream) && !isTombstone(event)) this.#foldOne(event, item);
      }
    });
    this.#at = round.at(-1)?.position ?? this.#at;
  }

  /** After everything up to `target` was folded. Returns the keys of the items that moved, page by page. */
  finishAt(target: Position): Iterable<readonly ItemKey[]> {
    this.#at = target;
    return this.#expected.moved();
  }

  /**
   * Compares the whole table. `mayGoOn` is asked at every page, and throws when the work is to stop. Throws
   * {@link VerificationFailedError}.
   */
  async compareAll(dynamodb: DynamoDBClient, table: string, mayGoOn: () => void): Promise<VerificationReport> {
    const found = new FoundDifferences(table);
    this.#expected.beginWalk();
    for await (const items of scanItems(dynamodb, table)) {
      mayGoOn();
      const expected = this.#expected.meet(items.map(keyOfItem));
      for (const [index, item] of items.entries()) found.compare(expected[index], item);
    }
    for (const missing of this.#expected.unmet()) {
      mayGoOn();
      for (const expected of missing) found.compare(expected, undefined);
    }
    found.throwIfAny();
    return this.#expected.counts();
  }

  /** Compares only items that moved since the last comparison. Throws {@link VerificationFailedError}. */
  async compareMoved(
    dynamodb: DynamoDBClient,
    table: string,
    moved: Iterable<readonly ItemKey[]>,
    mayGoOn: () => void,
  ): Promise<void> {
    const found = new FoundDifferences(table);
    for (const keys of moved) {
      mayGoOn();
      const items = await getItems(dynamodb, table, keys);
      for (const key of keys) found.compare(this.#expected.find(key), items.get(itemText(key)));
    }
    found.throwIfAny();
  }

  /** The rows of another table, page by page, beside those that the log says; at last those that only the log says. */
  async *rowsBeside(pages: AsyncIterable<readonly Item[]>): AsyncGenerator<readonly RowBeside[], void> {
    this.#expected.beginWalk();
    for await (const page of pages) {
      const items = page.filter((item) => streamOfGuardItem(item) === undefined);
      const expected = this.#expected.meet(items.map(keyOfItem));
      yield items.map((item, index) => rowBeside(expected[index], item)).filter(isRow);
    }
    for (const missing of this.#expected.unmet()) {
      yield missing.map((expected) => rowBeside(expected, undefined)).filter(isRow);
    }
  }

  /** Everything that the log says, page by page. */
  items(): Iterable<readonly ExpectedItem[]> {
    this.#expected.beginWalk();
    return this.#expected.unmet();
  }

  counts(): VerificationReport {
    return this.#expected.counts();
  }

  /** Removes what is kept on disk. */
  close(): void {
    this.#expected.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #foldOne(event: StoredEvent, item: (key: ItemKey) => ExpectedItem): void {
    try {
      this.#fold(event, item);
    } catch (error) {
      throw eventError(event, error);
    }
  }

  #fold(event: StoredEvent, item: (key: ItemKey) => ExpectedItem): void {
    const { stream, revision, position } = event;
    if (comparePositions(position, this.#from) >= 0) {
      for (const { key, change } of changesOf(this.#projection, event)) changeRow(item(rowItemKey(key)).row, change);
    }
    const guarded = item(guardKeyOf(this.#projection, stream));
    if (revision !== (guarded.guard?.revision ?? -1n) + 1n) guarded.isScavenged = true;
    guarded.stream = stream;
    guarded.guard = { revision, position };
  }
}

function rowBeside(expected: ExpectedItem | undefined, actual: Item | undefined): RowBeside {
  const key = keyOfRowItem({ ...(expected?.key ?? keyOfItem(actual ?? {})) });
  return { key, expected: attributesOf(expected?.row), actual: foundAttributes(actual) };
}

/** Whether a reader sees it on either side. */
function isRow({ expected, actual }: RowBeside): boolean {
  return Object.keys(expected).length > 0 || Object.keys(actual).length > 0;
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
