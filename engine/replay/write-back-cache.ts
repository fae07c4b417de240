/**
 * The items of a shadow table that are being folded, in bounded memory. Changed items are written while further events are
 * read, the least recently changed first, so that a row that many events touch is written seldom and reading need not wait
 * for writing. What does not fit is let go after it was written, and read again when it is touched again.
 */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { getItems, itemText } from "../consistency/table-items.ts";
import type { ItemKey } from "../views/item.ts";
import { itemsPerBatch, writeBatch, type WriteLease } from "./batch-write.ts";
import { FoldedItem } from "./folded-item.ts";
import type { ReplaySettings } from "./replay-context.ts";

export interface WriteBackCacheOptions {
  readonly dynamodb: DynamoDBClient;
  readonly table: string;
  readonly lease: WriteLease;
  readonly settings: ReplaySettings;
  /** Whether the table holds nothing yet: then an item that is not in memory is a new one, and need not be looked for. */
  readonly tableIsEmpty: boolean;
  /** Whether live delivery is to have the room: then no write is begun but by {@link WriteBackCache.makeRoom} and `flush`. */
  readonly givesWay?: (() => boolean) | undefined;
}

/** Of so many items that have changed one is held back, up to the most that may be. */
const changedPerHeldBack = 8;

export class WriteBackCache {
  readonly #options: WriteBackCacheOptions;
  /** Least recently touched first. */
  readonly #items = new Map<string, FoldedItem>();
  /** Those of them with changes to write, least recently changed first. */
  readonly #dirty = new Map<string, FoldedItem>();
  readonly #writes = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;
  #mustRead: boolean;
  /** Changed items that wait for further changes. */
  #keep = 0;
  /** Items that came to have changes to write since all were written last. */
  #changedSinceFlush = 0;
  /** Items that were put, each as often as it was. */
  written = 0;

  constructor(options: WriteBackCacheOptions) {
    this.#options = options;
    this.#mustRead = !options.tableIsEmpty;
  }

  /** Brings into memory those of the items that the table may hold. */
  async load(keys: Iterable<ItemKey>): Promise<void> {
    if (!this.#mustRead) return;
    const missing = new Map<string, ItemKey>();
    for (const key of keys) {
      const text = itemText(key);
      if (!this.#items.has(text)) missing.set(text, key);
    }
    if (missing.size === 0) return;
    const { dynamodb, table } = this.#options;
    const found = await getItems(dynamodb, table, [...missing.values()]);
    for (const [text, key] of missing) this.#items.set(text, new FoldedItem(key, found.get(text)));
  }

  /** The item to fold into; a new one unless it was loaded before. */
  item(key: ItemKey): FoldedItem {
    const text = itemText(key);
    const item = this.#items.get(text) ?? new FoldedItem(key);
    this.#items.delete(text);
    this.#items.set(text, item);
    return item;
  }

  /** After an item was folded. */
  changed(item: FoldedItem): void {
    const text = itemText(item.key);
    if (!this.#dirty.delete(text)) this.#changedSinceFlush += 1;
    this.#dirty.set(text, item);
  }

  /** Between two rounds of events: starts writes, waits when too much is waiting for them, lets go of what does not fit. */
  async makeRoom(): Promise<void> {
    const { rowsHeldBack, rowsInMemory } = this.#options.settings;
    // Few at first: until there is something to write, all that DynamoDB could have taken meanwhile is lost.
    this.#keep = Math.min(rowsHeldBack, Math.floor(this.#changedSinceFlush / changedPerHeldBack));
    this.#startWrites();
    const mostDirty = Math.max(rowsHeldBack, rowsInMemory / 2);
    while (this.#dirty.size > mostDirty) {
      await this.#oneWrite();
      this.#startWrites();
    }
    this.#throwFailure();
    this.#evict();
  }

  /** Resolves when every change is written. */
  async flush(): Promise<void> {
    this.#keep = 0;
    this.#startWrites();
    while (this.#writes.size > 0) await this.#oneWrite();
    this.#changedSinceFlush = 0;
    this.#throwFailure();
  }

  /** Begins no more writes, and resolves when none is under way: a worker never returns with one pending. */
  async settle(): Promise<void> {
    this.#keep = Number.POSITIVE_INFINITY;
    while (this.#writes.size > 0) await Promise.all(this.#writes);
  }

  /** Until as many are under way as may be, or nothing is left but what is held back. */
  #startWrites(): void {
    const { batchesAtOnce } = this.#options.settings;
    const keep = this.#keep;
    while (this.#failure === undefined && this.#writes.size < batchesAtOnce && this.#dirty.size > keep) {
      const most = Math.min(itemsPerBatch, this.#dirty.size - keep);
      const batch: FoldedItem[] = [];
      for (const [text, item] of this.#dirty) {
        if (item.writing) continue;
        this.#dirty.delete(text);
        batch.push(item);
        if (batch.length === most) break;
      }
      if (batch.length === 0) return;
      const write = this.#write(batch).finally(() => {
        this.#writes.delete(write);
        // Not only between two rounds: DynamoDB would have nothing to do while a round is folded.
        if (this.#keep === 0 || this.#options.givesWay?.() !== true) this.#startWrites();
      });
      this.#writes.add(write);
    }
  }

  async #write(batch: readonly FoldedItem[]): Promise<void> {
    const { dynamodb, table, lease } = this.#options;
    try {
      for (const item of batch) {
        item.writing = true;
        item.dirty = false;
      }
      await writeBatch(
        dynamodb,
        table,
        batch.map((item) => item.toItem()),
        lease,
      );
      this.written += batch.length;
    } catch (error) {
      this.#failure ??= { error };
    } finally {
      for (const item of batch) item.writing = false;
    }
  }

  async #oneWrite(): Promise<void> {
    this.#throwFailure();
    await Promise.race(this.#writes);
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #evict(): void {
    let tooMany = this.#items.size - this.#options.settings.rowsInMemory;
    if (tooMany <= 0) return;
    for (const [text, item] of this.#items) {
      if (item.dirty || item.writing) continue;
      this.#items.delete(text);
      this.#mustRead = true;
      tooMany -= 1;
      if (tooMany === 0) return;
    }
  }
}
