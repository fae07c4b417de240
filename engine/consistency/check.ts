/**
 * Compares every row and guard of a view's live generation with the events, exactly, while traffic runs. Reads only.
 *
 * A live view moves while it is checked, so each row is judged by an exact picture: the row, the guards of the streams that
 * touch it, and the row again with its counter unmoved; what it must hold is the fold of each of those streams up to its
 * guard. Where the guard sits in the row, one read is such a picture.
 */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { setTimeout as sleep } from "node:timers/promises";
import type { EventStore } from "../event-store/event-store.ts";
import { comparePositions, type Position } from "../event-store/position.ts";
import { type Catalog, type Generation, liveGeneration } from "../views/catalog.ts";
import { isNamed, ViewsUnavailableError } from "../views/dynamodb.ts";
import type { Guard } from "../views/guard.ts";
import {
  attributesOfItem,
  guardItemKey,
  guardOfItem,
  type Item,
  type ItemKey,
  keyOfRowItem,
  rowItemKey,
  streamOfGuardItem,
} from "../views/item.ts";
import { idOfStream, type Projection, type RowKey } from "../views/projection.ts";
import { type Difference, rowDifference } from "./difference.ts";
import { History } from "./history.ts";
import { isSameRow } from "./plain-row.ts";
import { pictureOfRow } from "./row-picture.ts";
import { getItems, itemText, keyOfItem, scanItems } from "./table-items.ts";

export interface CheckContext {
  readonly dynamodb: DynamoDBClient;
  readonly eventStore: EventStore;
  readonly catalog: Catalog;
}

export interface CheckOptions {
  /** How long a guard may stay behind the events that were there when the check began; 10 s unless set. */
  readonly waitForGuardsMs?: number;
  /** Differences that are listed; all are counted. 100 unless set. */
  readonly differencesListed?: number;
  readonly onEvents?: (events: number, at: Position, tail: Position) => void;
}

/** A row of which nobody can say whether it is right. */
export interface UndecidedRow {
  readonly key: RowKey;
  readonly why: string;
}

export interface CheckReport {
  readonly view: string;
  readonly generation: string;
  readonly version: number;
  /** Rows and guards compared. */
  readonly rows: number;
  readonly guards: number;
  /** Events of the view's streams. */
  readonly events: number;
  readonly differenceCount: number;
  /** The first of them. */
  readonly differences: readonly Difference[];
  readonly undecided: readonly UndecidedRow[];
  /** Streams of which the log no longer holds every event: nobody can say what the missing ones changed. */
  readonly scavengedStreams: number;
}

/** The code that wrote the live generation is not deployed, so nobody here can say what it must hold. */
export class CheckVersionError extends Error {
  readonly code = "VERSION_NOT_DEPLOYED";
  override readonly name = "CheckVersionError";
}

/** Checks the live generation of a view; `versions` are the deployed ones of its projection. */
export async function checkView(
  context: CheckContext,
  view: string,
  versions: readonly Projection[],
  options: CheckOptions = {},
): Promise<CheckReport> {
  const check = async (): Promise<CheckReport> => {
    const generation = liveGeneration(await context.catalog.read(view));
    if (generation === undefined) {
      throw new ViewsUnavailableError(`view ${view} has no live generation yet: invoke the function prepare`);
    }
    const projection = versions.find(({ version }) => version === generation.version);
    if (projection === undefined) {
      throw new CheckVersionError(
        `the live generation of ${view} was made by version ${generation.version}, which is not deployed: replay it`,
      );
    }
    return new GenerationCheck(context, projection, generation, options).run();
  };
  try {
    return await check();
  } catch (error) {
    // The generation was swapped out and its table removed while it was read: look again, once.
    if (!isNamed(error, "ResourceNotFoundException")) throw error;
    return check();
  }
}

const picturesAtOnce = 4;
const guardPollMs = 200;
const defaultWaitForGuardsMs = 10_000;
const defaultDifferencesListed = 100;

class GenerationCheck {
  readonly #context: CheckContext;
  readonly #projection: Projection;
  readonly #generation: Generation;
  readonly #options: CheckOptions;
  readonly #history: History;
  /** Items with a row, and in a view of one row a stream also those with a guard alone, by item text. */
  readonly #rows = new Map<string, Item>();
  /** Guards as scanned, by the text of the item that they sit in, each with a name to tell it by. */
  readonly #guards = new Map<string, { readonly guard: Guard; readonly name: string }>();
  readonly #differences: Difference[] = [];
  #differenceCount = 0;
  readonly #undecided: UndecidedRow[] = [];
  #compared = 0;
  #tail: Position | undefined;

  constructor(context: CheckContext, projection: Projection, generation: Generation, options: CheckOptions) {
    this.#context = context;
    this.#projection = projection;
    this.#generation = generation;
    this.#options = options;
    this.#history = new History({
      eventStore: context.eventStore,
      projection,
      generation,
      floorOf: (stream) => this.#guardOf(stream)?.revision ?? -1n,
      onEvents: (events, at) => options.onEvents?.(events, at, this.#tail ?? at),
    });
  }

  async run(): Promise<CheckReport> {
    // Every event up to here must have arrived, or must do so within the wait.
    const start = (this.#tail = await this.#context.eventStore.tail());
    await this.#scan();
    await this.#history.foldTo(start);
    const behind = this.#streamsBehind();
    // A scanned guard may be ahead of `start`, but not of a tail that is taken after the scan.
    await this.#history.catchUp();
    this.#checkGuards();
    if (this.#projection.rows === "one-per-stream") this.#checkOwnedRows();
    else await this.#checkSharedRows();
    await this.#waitForGuards(behind);
    return {
      view: this.#projection.name,
      generation: this.#generation.id,
      version: this.#generation.version,
      rows: this.#compared,
      guards: this.#guards.size,
      events: this.#history.events,
      differenceCount: this.#differenceCount,
      differences: this.#differences,
      undecided: this.#undecided,
      scavengedStreams: [...this.#history.streams.values()].filter(({ scavenged }) => scavenged).length,
    };
  }

  async #scan(): Promise<void> {
    for await (const items of scanItems(this.#context.dynamodb, this.#generation.table)) {
      for (const item of items) {
        const text = itemText(keyOfItem(item));
        const guard = guardOfItem(item);
        const stream = streamOfGuardItem(item);
        if (guard !== undefined) this.#guards.set(text, { guard, name: stream ?? keyOfRowItem(item).partition });
        if (stream === undefined) this.#rows.set(text, item);
      }
    }
  }

  /** Streams with events that their guards have not let in, and how far those must come. */
  #streamsBehind(): Map<string, Guard> {
    const behind = new Map<string, Guard>();
    for (const [name, { head, unreadable }] of this.#history.streams) {
      if (unreadable !== undefined) continue;
      if ((this.#guardOf(name)?.revision ?? -1n) < head.revision) behind.set(name, { ...head });
    }
    return behind;
  }

  #checkGuards(): void {
    const known = new Set<string>();
    for (const [stream, { head, positions, unreadable }] of this.#history.streams) {
      known.add(itemText(this.#guardKey(stream)));
      if (unreadable !== undefined) this.#report({ kind: "event-unreadable", stream, ...unreadable });
      const actual = this.#guardOf(stream);
      if (actual === undefined) continue;
      if (actual.revision > head.revision) this.#report({ kind: "guard-ahead", stream, expected: head, actual });
      const position = positions.get(actual.revision);
      if (position !== undefined && comparePositions(position, actual.position) !== 0) {
        const expected = { revision: actual.revision, position };
        this.#report({ kind: "guard-position", stream, expected, actual });
      }
    }
    for (const [text, { guard, name }] of this.#guards) {
      if (!known.has(text)) this.#report({ kind: "guard-orphan", stream: name, actual: guard });
    }
  }

  /** The scanned item is an exact picture: row and guard were read as one. */
  #checkOwnedRows(): void {
    const streams = new Map(
      [...this.#history.streams.keys()].map((stream) => [itemText(this.#guardKey(stream)), stream]),
    );
    for (const [text, item] of this.#rows) {
      const stream = streams.get(text);
      const guard = this.#guards.get(text)?.guard.revision;
      const guards = new Map(stream === undefined || guard === undefined ? [] : [[stream, guard]]);
      this.#compareRow(keyOfRowItem(item), text, item, guards);
    }
  }

  async #checkSharedRows(): Promise<void> {
    const keys = new Map<string, RowKey>();
    for (const [text, { key }] of this.#history.rows) keys.set(text, key);
    for (const [text, item] of this.#rows) keys.set(text, keyOfRowItem(item));
    const queue = keys.values();
    const work = async (): Promise<void> => {
      for (const key of queue) {
        const picture = await pictureOfRow(this.#context.dynamodb, this.#generation.table, this.#history, key);
        if (picture.outcome === "undecided") this.#undecided.push({ key, why: picture.why });
        else {
          this.#compared += 1;
          if (picture.outcome === "differs") this.#reportRow(picture.difference, key);
        }
      }
    };
    await Promise.all(Array.from({ length: picturesAtOnce }, work));
  }

  #compareRow(key: RowKey, text: string, item: Item | undefined, guards: ReadonlyMap<string, bigint>): void {
    const expected = this.#history.rowAt(text, guards);
    if (expected.outcome === "unknown") {
      this.#undecided.push({ key, why: expected.why });
      return;
    }
    this.#compared += 1;
    const actual = item === undefined ? {} : attributesOfItem(item);
    const same = isSameRow(expected.attributes, actual);
    const difference = rowDifference(key, expected.attributes, actual, same);
    if (difference !== undefined) this.#reportRow(difference, key);
  }

  /** Gives delivery the time to bring in what was there at the start; what stays behind is stuck, lost or damaged. */
  async #waitForGuards(behind: Map<string, Guard>): Promise<void> {
    const { dynamodb } = this.#context;
    const until = Date.now() + (this.#options.waitForGuardsMs ?? defaultWaitForGuardsMs);
    const last = new Map<string, Item>();
    while (behind.size > 0) {
      const keys = new Map([...behind.keys()].map((stream) => [stream, this.#guardKey(stream)]));
      const items = await getItems(dynamodb, this.#generation.table, [...keys.values()]);
      last.clear();
      for (const [stream, key] of keys) {
        const item = items.get(itemText(key));
        if (item !== undefined) last.set(stream, item);
        const target = behind.get(stream);
        if (target !== undefined && (guardOfItem(item)?.revision ?? -1n) >= target.revision) {
          behind.delete(stream);
          await this.#compareArrived(stream, key, item);
        }
      }
      if (Date.now() >= until) break;
      if (behind.size > 0) await sleep(guardPollMs);
    }
    for (const [stream, expected] of behind) {
      this.#report({ kind: "guard-behind", stream, expected, actual: guardOfItem(last.get(stream)) });
      this.#reportMissingRow(stream, expected, last.get(stream));
    }
  }

  /** A row of one stream that has moved since the scan: its new item is as exact a picture. */
  async #compareArrived(stream: string, key: ItemKey, item: Item | undefined): Promise<void> {
    if (this.#projection.rows !== "one-per-stream") return;
    const guard = guardOfItem(item);
    if (guard === undefined) return;
    const text = itemText(key);
    const head = this.#history.streams.get(stream)?.head.revision ?? -1n;
    if (guard.revision > head) await this.#history.catchUp();
    if (!this.#rows.has(text)) this.#compareRow(keyOfRowItem({ ...key }), text, item, new Map([[stream, guard.revision]]));
  }

  /** A row that is gone took its guard with it: both are told. */
  #reportMissingRow(stream: string, expected: Guard, item: Item | undefined): void {
    if (this.#projection.rows !== "one-per-stream" || item !== undefined) return;
    const key = this.#guardKey(stream);
    this.#compareRow(keyOfRowItem({ ...key }), itemText(key), undefined, new Map([[stream, expected.revision]]));
  }

  #guardKey(stream: string): ItemKey {
    return this.#projection.rows === "shared"
      ? guardItemKey(stream)
      : rowItemKey(this.#projection.rowOf(idOfStream(this.#projection, stream)));
  }

  #guardOf(stream: string): Guard | undefined {
    return this.#guards.get(itemText(this.#guardKey(stream)))?.guard;
  }

  /** Where events are gone from the log, nobody can tell a wrong row from one that counts them. */
  #reportRow(difference: Difference, key: RowKey): void {
    const scavenged = [...this.#history.streams.values()].some((stream) => stream.scavenged);
    if (scavenged) this.#undecided.push({ key, why: "it differs, but some of the view's events were scavenged" });
    else this.#report(difference);
  }

  #report(difference: Difference): void {
    this.#differenceCount += 1;
    const most = this.#options.differencesListed ?? defaultDifferencesListed;
    if (this.#differences.length < most) this.#differences.push(difference);
  }
}
