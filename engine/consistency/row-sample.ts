/**
 * Rows at random, by a seed: the same seed takes the same rows of the same view. Half come from the keys that the log says, and
 * half from the table, so that a row that is missing can be found as well as one too many. No row is left out by its key, its
 * age or the number of its events.
 */
import { hash } from "node:crypto";
import { type DynamoDBClient, QueryCommand, ScanCommand } from "@aws-sdk/client-dynamodb";
import type { EventStore } from "../event-store/event-store.ts";
import { comparePositions, type Position } from "../event-store/position.ts";
import { isTombstone, type StoredEvent } from "../event-store/stored-event.ts";
import type { Generation } from "../views/catalog.ts";
import { translated } from "../views/dynamodb.ts";
import { type Item, type ItemKey, rowItemKey, streamOfGuardItem } from "../views/item.ts";
import { prefixesOf, type Projection, readsStream } from "../views/projection.ts";
import { changesOf } from "../views/stream-write.ts";
import type { RowScope } from "./row-scope.ts";
import { itemText, keyOfItem, scanItems } from "./table-items.ts";

/** Rows of a sample: fewer could not be of both sides, and of more the table is read in larger pieces than it gives. */
export const sampleSizes = { least: 2, most: 10_000 } as const;

/** From 0 up to 1, spread evenly over keys, and each seed another way. */
function placeOf(seed: string, text: string): number {
  return Number.parseInt(hash("sha256", `${seed.length}:${seed}${text}`).slice(0, 12), 16) / 2 ** 48;
}

/** The so many texts with the lowest places of all that are offered: no more are held, however many are offered, and how often. */
class Lowest {
  readonly #seed: string;
  readonly #count: number;
  readonly #places: { readonly place: number; readonly text: string }[] = [];
  readonly #held = new Set<string>();

  constructor(seed: string, count: number) {
    this.#seed = seed;
    this.#count = count;
  }

  holds(text: string): boolean {
    return this.#held.has(text);
  }

  /** Offers it. Whether it is one of them, as far as is known. What is refused, or driven out by a later one, never comes back. */
  has(text: string): boolean {
    if (this.#held.has(text)) return true;
    const place = placeOf(this.#seed, text);
    const last = this.#places.at(-1);
    const isFull = this.#places.length >= this.#count;
    if (isFull && (last === undefined || place >= last.place)) return false;
    const behind = this.#places.findIndex((other) => other.place > place);
    this.#places.splice(behind < 0 ? this.#places.length : behind, 0, { place, text });
    this.#held.add(text);
    if (isFull) this.#held.delete(this.#places.pop()?.text ?? "");
    return true;
  }
}

/** Where a sample is taken. */
export interface SampledView {
  readonly dynamodb: DynamoDBClient;
  readonly eventStore: EventStore;
  readonly projection: Projection;
  readonly generation: Pick<Generation, "table" | "from">;
}

export class RowSample implements RowScope {
  /** Of the table, as they were read; guards that are items of their own come on top of the rows. */
  readonly items: readonly Item[];
  readonly #ofTable: ReadonlySet<string>;
  readonly #ofLog: Lowest;

  private constructor(items: readonly Item[], ofLog: Lowest) {
    this.items = items;
    this.#ofTable = new Set(items.map(textOf));
    this.#ofLog = ofLog;
  }

  /**
   * A row of one stream has a partition of its own: a stretch of the table holds such rows as often as any others. Shared rows
   * may all be in one partition among very many guards, and no stretch would be likely to hold it: there the neighbours of
   * rows are taken which the log says, for which it is read, up to `until`.
   */
  static async taken(view: SampledView, rows: number, seed: string, until: Position): Promise<RowSample> {
    const ofTable = Math.floor(rows / 2);
    const ofLog = new Lowest(seed, rows - ofTable);
    const stretch = await stretchOfTable(view, Math.max(ofTable, 1), placeOf(seed, "stretch"));
    const isGuard = (item: Item): boolean => streamOfGuardItem(item) !== undefined;
    const candidates = stretch.filter((item) => !isGuard(item));
    if (view.projection.rows === "shared")
      candidates.push(...(await neighboursOf(view, await offerAll(view, ofLog, until))));
    const unknown =
      view.projection.rows === "shared" ? candidates.filter((item) => !ofLog.holds(textOf(item))) : candidates;
    const taken = [lowest(unknown, seed, ofTable), lowest(stretch.filter(isGuard), seed, ofTable)];
    return new RowSample(taken.flat(), ofLog);
  }

  has(text: string): boolean {
    return this.#ofTable.has(text) || this.#ofLog.has(text);
  }

  hasGuard(text: string): boolean {
    return this.#ofTable.has(text);
  }
}

const textOf = (item: Item): string => itemText(keyOfItem(item));

function lowest(items: readonly Item[], seed: string, count: number): readonly Item[] {
  const taken = new Lowest(seed, count);
  for (const item of items) taken.has(textOf(item));
  return [...new Map(items.map((item) => [textOf(item), item]))].flatMap(([text, item]) =>
    taken.holds(text) ? [item] : [],
  );
}

const eventsAtOnce = 1_000;

/** Offers every row that an event touches; returns the keys of those that were taken in the end. */
async function offerAll(
  { eventStore, projection, generation }: SampledView,
  ofLog: Lowest,
  until: Position,
): Promise<readonly ItemKey[]> {
  const taken = new Map<string, ItemKey>();
  const range = { after: undefined, until, size: eventsAtOnce };
  for await (const round of eventStore.roundsOf(prefixesOf([projection]), range)) {
    for (const event of round) {
      if (isTombstone(event) || !readsStream(projection, event.stream)) continue;
      if (comparePositions(event.position, generation.from) < 0) continue;
      for (const key of keysOf(projection, event)) {
        const text = itemText(key);
        if (ofLog.has(text)) taken.set(text, key);
      }
    }
  }
  return [...taken].flatMap(([text, key]) => (ofLog.holds(text) ? [key] : []));
}

/** Of an event that cannot be taken nobody knows what it would touch. */
function keysOf(projection: Projection, event: StoredEvent): readonly ItemKey[] {
  try {
    return changesOf(projection, event).map(({ key }) => rowItemKey(key));
  } catch {
    return [];
  }
}

const neighboursOnEachSide = 4;

/** The rows of the table that come right before and after these in their partitions. */
async function neighboursOf({ dynamodb, generation }: SampledView, keys: readonly ItemKey[]): Promise<readonly Item[]> {
  const found: Item[] = [];
  for (const { pk, sk } of keys) {
    for (const [comparison, ScanIndexForward] of [
      ["<", false],
      [">", true],
    ] as const) {
      const { Items = [] } = await translated(
        dynamodb.send(
          new QueryCommand({
            TableName: generation.table,
            ConsistentRead: true,
            KeyConditionExpression: `pk = :pk AND sk ${comparison} :sk`,
            ExpressionAttributeValues: { ":pk": pk, ":sk": sk },
            ScanIndexForward,
            Limit: neighboursOnEachSide,
          }),
        ),
      );
      found.push(...Items);
    }
  }
  return found;
}

/** DynamoDB spreads partitions over segments evenly; more of them than this would be shorter than what is asked for. */
const mostSegments = 4_096;

/**
 * The items of a part of the table at `place`, from 0 up to 1, which holds about as many as asked for: of ever smaller parts the
 * first that holds at most twice as many. Partitions are never divided: one that holds more is read whole.
 */
async function stretchOfTable(
  { dynamodb, generation: { table } }: SampledView,
  count: number,
  place: number,
): Promise<readonly Item[]> {
  const most = 2 * count;
  let segments = 1;
  for (; segments < mostSegments; segments *= 2) {
    const { Items = [], LastEvaluatedKey } = await translated(
      dynamodb.send(
        new ScanCommand({
          TableName: table,
          ConsistentRead: true,
          TotalSegments: segments,
          Segment: Math.floor(place * segments),
          Limit: most + 1,
        }),
      ),
    );
    if (LastEvaluatedKey === undefined && Items.length <= most) return Items;
  }
  const all: Item[] = [];
  const segment = { TotalSegments: segments, Segment: Math.floor(place * segments) };
  for await (const items of scanItems(dynamodb, table, segment)) all.push(...items);
  return all;
}
