/** A prepared query whose rows are arrays of its columns: no object is made for a row, which is what reads are made of. */
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";

export class RowStatement<Row extends readonly unknown[]> {
  readonly #statement: StatementSync;

  /** @param integers how they arrive: as bigint, or as number where all of them are known to be safe */
  constructor(database: DatabaseSync, sql: string, integers: "bigint" | "number" = "bigint") {
    this.#statement = database.prepare(sql);
    this.#statement.setReadBigInts(integers === "bigint");
    this.#statement.setReturnArrays(true);
  }

  // The types of node:sqlite know rows as objects only, and whoever writes the query knows its columns.
  iterate(...parameters: SQLInputValue[]): Iterable<Row> {
    return this.#statement.iterate(...parameters) as Iterable<unknown> as Iterable<Row>;
  }

  get(...parameters: SQLInputValue[]): Row | undefined {
    return this.#statement.get(...parameters) as unknown as Row | undefined;
  }
}
