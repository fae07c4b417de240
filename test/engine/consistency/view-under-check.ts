/** A live generation in a real table over streams of its own in a real event store, and what damages it. */
import { randomUUID } from "node:crypto";
import {
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { marshall } from "@aws-sdk/util-dynamodb";
import { z } from "zod";
import { checkView } from "../../../engine/consistency/check.ts";
import type { CheckOptions, CheckReport } from "../../../engine/consistency/generation-check.ts";
import type { EventStore } from "../../../engine/event-store/event-store.ts";
import { isAfter, type Position, startOfAll } from "../../../engine/event-store/position.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";
import { Quarantine } from "../../../engine/quarantine/quarantine.ts";
import {
  Catalog,
  type CatalogEntry,
  type Generation,
  liveGeneration,
  writtenGenerations,
} from "../../../engine/views/catalog.ts";
import { createGenerationTable } from "../../../engine/views/generation-table.ts";
import type { Guard } from "../../../engine/views/guard.ts";
import { guardAttributes, guardItemKey, type Item, type ItemKey, rowItemKey } from "../../../engine/views/item.ts";
import { applyEvents } from "../../../engine/views/live-writer.ts";
import {
  categoriesOf,
  defineOnePerStreamProjection,
  defineSharedProjection,
  type Projection,
  readsStream,
  type RowKey,
} from "../../../engine/views/projection.ts";

export type Kind = Projection["rows"];

export interface WalletEvent {
  readonly type: "Opened" | "Moved" | "Closed" | "Unlisted";
  readonly data: object;
}

export const opened: WalletEvent = { type: "Opened", data: { owner: "ada" } };
export const moved = (amount: number, purpose = "food"): WalletEvent => ({ type: "Moved", data: { amount, purpose } });
export const closed: WalletEvent = { type: "Closed", data: {} };
export const unlisted: WalletEvent = { type: "Unlisted", data: {} };
/** Against its schema: no projection can take it. */
export const unreadable: WalletEvent = { type: "Moved", data: { amount: "a lot", purpose: "food" } };

const eventTypes = {
  Opened: { version: 1, schema: z.strictObject({ owner: z.string() }) },
  Moved: { version: 1, schema: z.strictObject({ amount: z.int(), purpose: z.string() }) },
  Closed: { version: 1, schema: z.strictObject({}) },
} as const;

/** One row a wallet: what it holds, until it is closed. */
const walletState = (category: string): Projection =>
  defineOnePerStreamProjection({
    name: `state-of-${category}`,
    version: 1,
    category,
    eventTypes,
    rowOf: (id) => ({ partition: id, sort: "wallet" }),
    on: {
      Opened: ({ data: { owner } }) => ({ set: { owner, tags: ["new", { since: 0 }] } }),
      Moved: ({ data: { amount } }) => ({ add: { balance: amount }, remove: ["tags"] }),
      Closed: () => ({ delete: true }),
    },
  });

/** One row a purpose, of all wallets together. */
const sumsByPurpose = (category: string): Projection =>
  defineSharedProjection({
    name: `sums-of-${category}`,
    version: 1,
    categories: [category],
    eventTypes,
    on: {
      Opened: () => [],
      Moved: ({ data: { amount, purpose } }) => [{ key: purposeKey(purpose), add: { moves: 1, amount } }],
      Closed: () => [],
    },
  });

export const purposeKey = (purpose: string): RowKey => ({ partition: "purposes", sort: purpose });
export const walletKey = (id: string): RowKey => ({ partition: id, sort: "wallet" });

export class ViewUnderCheck {
  readonly store: EventStore;
  readonly dynamodb: DynamoDBClient;
  readonly catalog: Catalog;
  readonly quarantine: Quarantine;
  readonly projection: Projection;
  readonly #heads = new Map<string, bigint>();
  readonly #events: StoredEvent[] = [];
  #readTo = startOfAll;

  private constructor(store: EventStore, dynamodb: DynamoDBClient, catalogTable: string, projection: Projection) {
    this.store = store;
    this.dynamodb = dynamodb;
    this.catalog = new Catalog(dynamodb, catalogTable);
    this.quarantine = new Quarantine(dynamodb, catalogTable.replace(/catalog$/, "quarantine"));
    this.projection = projection;
  }

  /** A view that is live and empty, over streams that no other test has. */
  static async made(
    kind: Kind,
    store: EventStore,
    dynamodb: DynamoDBClient,
    catalogTable: string,
    from: Position = startOfAll,
  ): Promise<ViewUnderCheck> {
    const category = `w${randomUUID().slice(0, 8)}`;
    const projection = kind === "shared" ? sumsByPurpose(category) : walletState(category);
    const view = new ViewUnderCheck(store, dynamodb, catalogTable, projection);
    await view.goLive("g1", from);
    return view;
  }

  /** Makes a generation with a table of its own the live one, and the only one. */
  async goLive(id: string, from: Position = startOfAll): Promise<Generation> {
    const live: Generation = { ...(await this.declared(id)), role: "live", from };
    await this.transition(() => [live]);
    return live;
  }

  /** A generation with an empty table, which is not in the catalog yet. */
  async declared(id: string): Promise<Generation> {
    const table = `${this.projection.name}-${id}`;
    await createGenerationTable(this.dynamodb, table, this.projection);
    return { id, table, version: 1, role: "building", from: startOfAll, declaredAt: "2026-01-01T00:00:00.000Z" };
  }

  streamOf(id: string): string {
    return `${categoriesOf(this.projection)[0]}-${id}`;
  }

  async append(id: string, ...events: readonly WalletEvent[]): Promise<void> {
    const stream = this.streamOf(id);
    const head = this.#heads.get(stream);
    const proposed = events.map(({ type, data }) => ({ id: randomUUID(), type, data, metadata: {} }));
    const appended = await this.store.append(stream, head ?? "no_stream", proposed);
    if (appended.outcome !== "appended") throw new Error(`append to ${stream}: ${appended.outcome}`);
    this.#heads.set(stream, appended.revision);
  }

  /** The view's events in the order of the log, whatever the streams still show. */
  async events(): Promise<readonly StoredEvent[]> {
    const target = await this.store.tail();
    for await (const event of this.store.readAll(this.#readTo, target)) {
      if (!isAfter(event.position, this.#readTo)) continue;
      this.#readTo = event.position;
      if (readsStream(this.projection, event.stream)) this.#events.push(event);
    }
    return this.#events.slice();
  }

  /** What subscriber and projector do with these events, in all generations that are written; with all of them unless given. */
  async deliver(events?: readonly StoredEvent[]): Promise<void> {
    const asked = events ?? (await this.events());
    for (;;) {
      const before = await this.entry();
      for (const generation of writtenGenerations(before)) await this.fill(generation, asked);
      // What was applied to an old picture counts for nothing.
      if ((await this.entry()).epoch === before.epoch) return;
    }
  }

  async fill(generation: Generation, events: readonly StoredEvent[]): Promise<void> {
    const { dynamodb, store: eventStore, projection } = this;
    await applyEvents({ dynamodb, eventStore, projection, generation }, events);
  }

  entry(): Promise<CatalogEntry> {
    return this.catalog.read(this.projection.name);
  }

  /** Changes the generations as one transition. */
  async transition(change: (generations: readonly Generation[]) => readonly Generation[]): Promise<void> {
    const entry = await this.entry();
    await this.catalog.transition(entry, [...change(entry.generations)]);
  }

  check(options: CheckOptions = {}, store = this.store): Promise<CheckReport> {
    const context = { dynamodb: this.dynamodb, eventStore: store, catalog: this.catalog, quarantine: this.quarantine };
    return checkView(context, this.projection.name, [this.projection], { waitForGuardsMs: 0, ...options });
  }

  async guardAt(id: string, revision: bigint): Promise<Guard> {
    const stream = this.streamOf(id);
    const event = (await this.events()).find((found) => found.stream === stream && found.revision === revision);
    if (event === undefined) throw new Error(`no event ${revision}@${stream}`);
    return { revision, position: event.position };
  }

  /** The item that holds the guard of a wallet's stream. */
  guardKey(id: string): ItemKey {
    return this.projection.rows === "shared" ? guardItemKey(this.streamOf(id)) : rowItemKey(walletKey(id));
  }

  async live(): Promise<Generation> {
    const live = liveGeneration(await this.entry());
    if (live === undefined) throw new Error("no generation");
    return live;
  }

  async item(key: ItemKey): Promise<Item | undefined> {
    const { table } = await this.live();
    const get = new GetItemCommand({ TableName: table, Key: { ...key }, ConsistentRead: true });
    return (await this.dynamodb.send(get)).Item;
  }

  async put(key: ItemKey, attributes: Item): Promise<void> {
    const { table } = await this.live();
    await this.dynamodb.send(new PutItemCommand({ TableName: table, Item: { ...key, ...attributes } }));
  }

  async remove(key: ItemKey): Promise<void> {
    const { table } = await this.live();
    await this.dynamodb.send(new DeleteItemCommand({ TableName: table, Key: { ...key } }));
  }

  async damageRow(key: RowKey, name: string, value: unknown): Promise<void> {
    const { table } = await this.live();
    await this.dynamodb.send(
      new UpdateItemCommand({
        TableName: table,
        Key: { ...rowItemKey(key) },
        UpdateExpression: "SET #name = :value",
        ExpressionAttributeNames: { "#name": name },
        ExpressionAttributeValues: marshall({ ":value": value }),
      }),
    );
  }

  async damageGuard(id: string, guard: Guard): Promise<void> {
    const key = this.guardKey(id);
    await this.put(key, { ...(await this.item(key)), ...guardAttributes(guard) });
  }
}
