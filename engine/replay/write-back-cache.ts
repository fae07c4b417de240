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
}

export class WriteBackCache {
  readonly #options: WriteBackCacheOptions;
  /** Least recently touched first. */
  readonly #items = new Map<string, FoldedItem>();
  /** Those of them with changes to write, least recently changed first. */
  readonly #dirty = new Map<string, FoldedItem>();
  readonly #writes = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;
  #mustRead: boolean;
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
    this.#dirty.delete(text);
    this.#dirty.set(text, item);
  }

  /** Between two rounds of events: starts writes, waits when too much is waiting for them, lets go of what does not fit. */
  async makeRoom(): Promise<void> {
    const { rowsHeldBack, rowsInMemory } = this.#options.settings;
    this.#startWrites(rowsHeldBack);
    const mostDirty = Math.max(rowsHeldBack, rowsInMemory / 2);
    while (this.#dirty.size > mostDirty) {
      await this.#oneWrite();
      this.#startWrites(rowsHeldBack);
    }
    this.#throwFailure();
    this.#evict();
  }

  /** Resolves when every change is written. */
  async flush(): Promise<void> {
    while (this.#dirty.size > 0 || this.#writes.size > 0) {
      this.#startWrites(0);
      await this.#oneWrite();
    }
    this.#throwFailure();
  }

  /** Resolves when no write is under way any more: a worker never returns with one pending. */
  async settle(): Promise<void> {
    while (this.#writes.size > 0) await Promise.all(this.#writes);
  }

  #startWrites(keep: number): void {
    const { batchesAtOnce } = this.#options.settings;
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
      const write = this.#write(batch).finally(() => this.#writes.delete(write));
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
