/**
 * What a projector may say it has done: an event that it does not report as failed is in every generation that the catalog named
 * when the projector last looked, or waits there behind one that was given up, and from then on it is never in neither. Later
 * events would make up for one that is not, so only a look at each answer, and between, shows it.
 */
import { itemIdentifier } from "../../engine/delivery/event-record.ts";
import type { StoredEvent } from "../../engine/event-store/stored-event.ts";
import { guardOfItem } from "../../engine/views/item.ts";
import { idOfStream, type Projection } from "../../engine/views/projection.ts";
import { type CatalogGeneration, generationsIn, isCatalogItem, isWritten } from "./catalog-item.ts";
import type { DynamoDBService } from "./dynamodb-service.ts";
import type { Item } from "./dynamodb-values.ts";
import type { SimulatedProcess } from "./simulated-process.ts";

export class AcknowledgementWatch {
  readonly #dynamodb: DynamoDBService;
  readonly #catalogTable: string;
  readonly #quarantineTable: string;
  /** The last event of each stream that was said to be done, by view. */
  readonly #done = new Map<string, Map<string, bigint>>();
  readonly faults: string[] = [];

  constructor(dynamodb: DynamoDBService, catalogTable: string, quarantineTable: string) {
    this.#dynamodb = dynamodb;
    this.#catalogTable = catalogTable;
    this.#quarantineTable = quarantineTable;
  }

  /** A projector says that these are done. */
  said(projection: Projection, process: SimulatedProcess, done: readonly Pick<StoredEvent, "stream" | "revision">[]) {
    const { catalogTold } = this.#dynamodb;
    for (const generation of generationsIn(catalogTold.get(process)).filter(isWritten)) {
      for (const event of done) {
        const lost = this.#lost(projection, generation, event);
        if (lost !== undefined) this.faults.push(`${process.name} said ${itemIdentifier(event)} was done, but ${lost}`);
      }
    }
    const last = this.#done.get(projection.name) ?? new Map<string, bigint>();
    this.#done.set(projection.name, last);
    for (const { stream, revision } of done) {
      if (revision > (last.get(stream) ?? -1n)) last.set(stream, revision);
    }
  }

  /** At any moment: of what was said to be done nothing is lost to those who read the view now, or after a rollback. */
  look(projection: Projection, when: string): void {
    const { tables } = this.#dynamodb;
    const item = tables.itemsWith(this.#catalogTable, projection.name).find(isCatalogItem);
    const generations = generationsIn(item).filter(
      (generation) => isWritten(generation) && generation.role !== "joined",
    );
    for (const generation of generations) {
      for (const [stream, revision] of this.#done.get(projection.name) ?? []) {
        const lost = this.#lost(projection, generation, { stream, revision });
        if (lost !== undefined) this.faults.push(`${when}: ${revision}@${stream} was done, but ${lost}`);
      }
    }
  }

  #isRetired({ name }: Projection, id: string): boolean {
    const item = this.#dynamodb.tables.itemsWith(this.#catalogTable, name).find(isCatalogItem);
    return !generationsIn(item).some((generation) => generation.id === id && generation.role !== "retiring");
  }

  /** Why an event is neither in a generation nor waits there; undefined when it does. */
  #lost(
    projection: Projection,
    { id, table, role }: CatalogGeneration,
    { stream, revision }: Pick<StoredEvent, "stream" | "revision">,
  ): string | undefined {
    const { tables } = this.#dynamodb;
    // Nobody looks at it any more, and what waits in it is forgotten.
    if (this.#isRetired(projection, id)) return undefined;
    const key = projection.rows === "shared" ? `_guard#${stream}` : idOfStream(projection, stream);
    const guard = guardOfItem(tables.itemsWith(table, key)[0])?.revision;
    if (guard !== undefined && guard >= revision) return undefined;
    const record = tables
      .itemsWith(this.#quarantineTable, `${projection.name}#${id}`)
      .find((item) => textOf(item, "stream") === stream && textOf(item, "state") === "quarantined");
    const [waitsAt, waitingTo] = [numberOf(record, "revision"), numberOf(record, "waitingTo")];
    if (waitsAt !== undefined && waitsAt <= (guard ?? -1n) + 1n && waitingTo !== undefined && waitingTo >= revision) {
      return undefined;
    }
    const waits = waitsAt === undefined ? "it does not wait" : `it waits from ${waitsAt} to ${waitingTo}`;
    return `its guard in ${table} (${role}) is ${guard === undefined ? "missing" : `at ${guard}`}, and ${waits}`;
  }
}

function textOf(item: Item, name: string): string | undefined {
  const value = item[name];
  return value !== undefined && "S" in value ? value.S : undefined;
}

function numberOf(item: Item | undefined, name: string): bigint | undefined {
  const value = item?.[name];
  return value !== undefined && "N" in value ? BigInt(value.N) : undefined;
}
