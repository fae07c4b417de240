/**
 * Group commit. Writes that arrive while the last transaction was being flushed go to disk together in the next one,
 * and none is answered before its transaction is there. One that fails for a reason of its own does not take the others
 * of its group with it.
 */
import type { DatabaseSync } from "node:sqlite";
import { namingDamage } from "./log-database.ts";
import type { Commit, LogWriter } from "./log-writer.ts";

interface Waiting {
  readonly work: () => void;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

/** What it takes of a database. */
export type Transactions = Pick<DatabaseSync, "exec" | "isTransaction" | "location">;

/** Bounds how long one group keeps readers waiting. */
const largestGroup = 512;

export class CommitQueue {
  readonly #database: Transactions;
  readonly #writer: LogWriter;
  readonly #onCommitted: (commit: Commit) => void;
  #waiting: Waiting[] = [];
  #scheduled = false;
  #closed = false;

  constructor(database: Transactions, writer: LogWriter, onCommitted: (commit: Commit) => void) {
    this.#database = database;
    this.#writer = writer;
    this.#onCommitted = onCommitted;
  }

  /** Runs `work` in the next transaction; resolves with its result once that is on disk. */
  submit<Result>(work: (writer: LogWriter) => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new Error("The event store has been stopped."));
        return;
      }
      let result: { readonly value: Result } | undefined;
      this.#waiting.push({
        work: () => {
          result = { value: work(this.#writer) };
        },
        done: () => {
          if (result !== undefined) resolve(result.value);
        },
        failed: reject,
      });
      this.#schedule();
    });
  }

  /** Writes what is waiting; nothing is accepted afterwards. */
  close(): void {
    while (this.#waiting.length > 0) this.#flush();
    this.#closed = true;
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#closed) return;
      this.#flush();
      this.#schedule();
    });
  }

  #flush(): void {
    const group = this.#waiting.splice(0, largestGroup);
    if (group.length === 0) return;
    const failure = this.#commit(group);
    if (failure === undefined) return;
    if (group.length === 1) group[0]?.failed(failure.error);
    else for (const waiting of group) this.#commitAlone(waiting);
  }

  #commitAlone(waiting: Waiting): void {
    const failure = this.#commit([waiting]);
    if (failure !== undefined) waiting.failed(failure.error);
  }

  /** Says why nothing of the group was written. What listeners do wrong afterwards is no reason to write it again. */
  #commit(group: readonly Waiting[]): { readonly error: unknown } | undefined {
    try {
      namingDamage(this.#database, () => this.#transact(group));
    } catch (error) {
      return { error };
    }
    const commit = this.#writer.committed();
    for (const waiting of group) waiting.done();
    if (commit.events.length > 0) this.#onCommitted(commit);
    return undefined;
  }

  #transact(group: readonly Waiting[]): void {
    try {
      this.#database.exec("BEGIN");
      for (const waiting of group) waiting.work();
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#writer.rollback();
      // SQLite ends some transactions by itself when the disk fails.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }
}
