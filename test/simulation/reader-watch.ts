/**
 * What readers of a view see: the rows of its live generation, at every moment. A stream that they have seen up to a revision
 * never goes back behind it, also when a new generation becomes live.
 *
 * A rollback is another matter: what a replay has read in the log by itself, the former generation gets when it is delivered.
 */
import { generationsIn } from "./catalog-item.ts";
import type { Item } from "./dynamodb-values.ts";

export class ReaderWatch {
  readonly #itemsOf: (table: string) => readonly Item[];
  readonly #view: string;
  readonly #seen = new Map<string, bigint>();
  #live: string | undefined;
  /** Tables that were live once. */
  readonly #former = new Set<string>();
  readonly faults: string[] = [];

  constructor(view: string, itemsOf: (table: string) => readonly Item[]) {
    this.#view = view;
    this.#itemsOf = itemsOf;
  }

  /** To be told of every write. */
  written(table: string, item: Item | undefined): void {
    if (item !== undefined && textOf(item, "pk") === this.#view && textOf(item, "sk") === "catalog") {
      const live = generationsIn(item).find(({ role }) => role === "live")?.table;
      if (live !== undefined && live !== this.#live) this.#changedOver(live);
    } else if (table === this.#live && item !== undefined) this.#look(item);
  }

  #changedOver(live: string): void {
    this.#live = live;
    if (this.#former.has(live)) this.#seen.clear();
    this.#former.add(live);
    const there = new Set<string>();
    for (const item of this.#itemsOf(live)) {
      this.#look(item);
      there.add(textOf(item, "pk"));
    }
    for (const [guard, revision] of this.#seen) {
      if (!there.has(guard))
        this.faults.push(`${guard} was seen at revision ${revision}, and is not there after the swap`);
    }
  }

  #look(item: Item): void {
    const revision = item["_revision"];
    if (revision === undefined || !("N" in revision)) return;
    const guard = textOf(item, "pk");
    const now = BigInt(revision.N);
    const before = this.#seen.get(guard) ?? -1n;
    if (now < before) this.faults.push(`readers of ${this.#view} saw ${guard} go back from ${before} to ${now}`);
    this.#seen.set(guard, now);
  }
}

function textOf(item: Item, name: string): string {
  const value = item[name];
  return value !== undefined && "S" in value ? value.S : "";
}
