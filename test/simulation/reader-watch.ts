/**
 * What readers of a view see: the rows of its live generation, at every moment. A stream that they have seen up to a revision
 * never goes back behind it, also when a new generation becomes live.
 *
 * A rollback is held to what it promises: the former generation has what closing the seam brought. What a replay read in the
 * log before, or a projector wrote that died half-way, it gets when it is delivered.
 */
import { comparePositions, isAfter } from "../../engine/event-store/position.ts";
import type { StoredEvent } from "../../engine/event-store/stored-event.ts";
import { type CatalogGeneration, generationsIn } from "./catalog-item.ts";
import type { Item } from "./dynamodb-values.ts";
import { category } from "./wallet-views.ts";

export interface ReaderSurroundings {
  readonly itemsOf: (table: string) => readonly Item[];
  readonly eventsOfLog: () => readonly StoredEvent[];
  /** Whether a stream waits in a generation at an event that was given up there. */
  readonly waits: (generation: string, stream: string) => boolean;
}

export class ReaderWatch {
  readonly #around: ReaderSurroundings;
  readonly #view: string;
  /** Revisions by the partition that holds the guard. */
  readonly #seen = new Map<string, bigint>();
  #live: string | undefined;
  /** Tables that were live once. */
  readonly #former = new Set<string>();
  readonly faults: string[] = [];

  constructor(view: string, around: ReaderSurroundings) {
    this.#view = view;
    this.#around = around;
  }

  /** To be told of every write. */
  written(table: string, item: Item | undefined): void {
    if (item !== undefined && textOf(item, "pk") === this.#view && textOf(item, "sk") === "catalog") {
      const generations = generationsIn(item);
      const live = generations.find(({ role }) => role === "live");
      if (live === undefined || live.table === this.#live) return;
      this.#changedOver(
        live,
        generations.find((generation) => generation.table === this.#live),
      );
    } else if (table === this.#live && item !== undefined) this.#look(item);
  }

  #changedOver(live: CatalogGeneration, before: CatalogGeneration | undefined): void {
    const isRollback = this.#former.has(live.table);
    this.#live = live.table;
    this.#former.add(live.table);
    const there = new Map(this.#around.itemsOf(live.table).map((item) => [textOf(item, "pk"), revisionOf(item)]));
    for (const [guard, revision] of [...this.#seen]) {
      const now = there.get(guard) ?? -1n;
      if (now >= revision) continue;
      // Whoever reads the list of what waits knows of it.
      const isTold = this.#around.waits(live.id, streamOf(guard));
      if (!isTold && (!isRollback || this.#lacksSeam(before, guard, now, revision))) {
        const what = isRollback ? "rollback" : "swap";
        this.faults.push(
          `${guard} of ${this.#view} was seen at revision ${revision}, and is at ${now} after the ${what}`,
        );
      }
      this.#seen.delete(guard);
    }
    for (const item of this.#around.itemsOf(live.table)) this.#look(item);
  }

  /** Whether closing the seam of a generation brought an event of the stream from behind `first` to `last`. */
  #lacksSeam(before: CatalogGeneration | undefined, guard: string, first: bigint, last: bigint): boolean {
    const { verifiedTo, sealedTo } = before ?? {};
    if (verifiedTo === undefined || sealedTo === undefined) return false;
    return this.#around
      .eventsOfLog()
      .some(
        ({ stream, revision, position }) =>
          stream === streamOf(guard) &&
          revision > first &&
          revision <= last &&
          isAfter(position, verifiedTo) &&
          comparePositions(position, sealedTo) <= 0,
      );
  }

  #look(item: Item): void {
    const now = revisionOf(item);
    if (now === undefined) return;
    const guard = textOf(item, "pk");
    const before = this.#seen.get(guard) ?? -1n;
    if (now < before) this.faults.push(`readers of ${this.#view} saw ${guard} go back from ${before} to ${now}`);
    this.#seen.set(guard, now);
  }
}

const guardPrefix = "_guard#";

const streamOf = (guard: string): string =>
  guard.startsWith(guardPrefix) ? guard.slice(guardPrefix.length) : `${category}-${guard}`;

function revisionOf(item: Item): bigint | undefined {
  const revision = item["_revision"];
  return revision !== undefined && "N" in revision ? BigInt(revision.N) : undefined;
}

function textOf(item: Item, name: string): string {
  const value = item[name];
  return value !== undefined && "S" in value ? value.S : "";
}
