/**
 * Collections on disk, so that memory does not grow with what is in them: what was used last is held in memory, the rest lies
 * in a temporary file.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { deserialize, serialize } from "node:v8";
import { openTemporaryDatabase } from "./temporary-database.ts";

/** What SQLite keeps of the file in memory. */
const cacheKibibytes = 16_384;
const entriesPerPage = 1_000;
const defaultHeld = 1_000;

/** One file with all collections of one piece of work. To be closed in the end. */
export class Spill {
  readonly #database = openTemporaryDatabase(cacheKibibytes);
  readonly #held: number;
  #collections = 0;

  /** `held`: entries that a collection holds in memory, at least; at most twice as many. 1,000 unless given. */
  constructor(held = defaultHeld) {
    this.#held = held;
    // Never committed: nobody else reads it.
    this.#database.exec("BEGIN");
  }

  map<Value>(): SpilledMap<Value> {
    return new SpilledMap<Value>(this.#database, this.#name(), this.#held);
  }

  sets(): SpilledSets {
    return new SpilledSets(this.#database, this.#name(), this.#held);
  }

  lists<Value>(): SpilledLists<Value> {
    return new SpilledLists<Value>(this.#database, this.#name());
  }

  /** Removes the file. */
  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #name(): string {
    this.#collections += 1;
    return `collection_${this.#collections}`;
  }
}

interface Held<Value> {
  readonly value: Value;
  isWritten: boolean;
}

/** Values are what `structuredClone` takes. One that was changed has to be set again, or the change may be lost. */
export class SpilledMap<Value> {
  readonly #find: StatementSync;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;
  readonly #page: StatementSync;
  readonly #count: StatementSync;
  readonly #mostYoung: number;
  #young = new Map<string, Held<Value>>();
  #old = new Map<string, Held<Value>>();

  /** By {@link Spill.map} only. */
  constructor(database: DatabaseSync, name: string, held: number) {
    this.#mostYoung = held;
    database.exec(`CREATE TABLE ${name} (key TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID`);
    const prepare = (sql: string): StatementSync => {
      const statement = database.prepare(sql);
      statement.setReturnArrays(true);
      return statement;
    };
    this.#find = prepare(`SELECT value FROM ${name} WHERE key = ?`);
    this.#put = prepare(`INSERT OR REPLACE INTO ${name} VALUES (?, ?)`);
    this.#remove = prepare(`DELETE FROM ${name} WHERE key = ?`);
    this.#page = prepare(`SELECT key, value FROM ${name} WHERE key > ? ORDER BY key LIMIT ${entriesPerPage}`);
    this.#count = prepare(`SELECT count(*) FROM ${name}`);
  }

  get(key: string): Value | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young.value;
    const old = this.#old.get(key);
    if (old !== undefined) {
      this.#old.delete(key);
      this.#hold(key, old);
      return old.value;
    }
    // Columns come as arrays, of which the types of node:sqlite do not know.
    const found = this.#find.get(key) as unknown as readonly [Uint8Array] | undefined;
    if (found === undefined) return undefined;
    const value = this.#deserialized(found[0]);
    this.#hold(key, { value, isWritten: true });
    return value;
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  set(key: string, value: Value): void {
    this.#old.delete(key);
    this.#hold(key, { value, isWritten: false });
  }

  delete(key: string): void {
    this.#young.delete(key);
    this.#old.delete(key);
    this.#remove.run(key);
  }

  /** Looked up in the file: not for a loop. */
  get size(): number {
    this.#write();
    return (this.#count.get() as unknown as readonly [number])[0];
  }

  /**
   * All entries in the order of their keys, page by page. Entries may be set and removed meanwhile; a page is as it was when it
   * was asked for.
   */
  *pages(): Generator<readonly (readonly [key: string, value: Value])[], void> {
    let after: string | undefined = "";
    while (after !== undefined) {
      this.#write();
      const rows = this.#page.all(after) as unknown as readonly (readonly [string, Uint8Array])[];
      const page = rows.map(([key, bytes]) => [key, this.#deserialized(bytes)] as const);
      if (page.length > 0) yield page;
      after = page.at(-1)?.[0];
    }
  }

  #hold(key: string, held: Held<Value>): void {
    if (this.#young.size >= this.#mostYoung && !this.#young.has(key)) {
      this.#writeAll(this.#old);
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, held);
  }

  #write(): void {
    this.#writeAll(this.#old);
    this.#writeAll(this.#young);
  }

  #writeAll(entries: ReadonlyMap<string, Held<Value>>): void {
    for (const [key, held] of entries) {
      if (held.isWritten) continue;
      this.#put.run(key, serialize(held.value));
      held.isWritten = true;
    }
  }

  #deserialized(bytes: Uint8Array): Value {
    // As `#writeAll` has written it.
    return deserialize(bytes) as Value;
  }
}

/** A set of texts under each key. */
export class SpilledSets {
  readonly #add: StatementSync;
  readonly #members: StatementSync;
  readonly #mostAdded: number;
  /** Added last: events of a stream that touch the same row come close together. */
  #added = new Set<string>();

  /** By {@link Spill.sets} only. */
  constructor(database: DatabaseSync, name: string, held: number) {
    this.#mostAdded = held;
    database.exec(
      `CREATE TABLE ${name} (key TEXT NOT NULL, member TEXT NOT NULL, PRIMARY KEY (key, member)) WITHOUT ROWID`,
    );
    this.#add = database.prepare(`INSERT OR IGNORE INTO ${name} VALUES (?, ?)`);
    this.#members = database.prepare(`SELECT member FROM ${name} WHERE key = ?`);
    this.#members.setReturnArrays(true);
  }

  add(key: string, member: string): void {
    const both = `${key.length}:${key}${member}`;
    if (this.#added.has(both)) return;
    if (this.#added.size >= this.#mostAdded) this.#added = new Set();
    this.#added.add(both);
    this.#add.run(key, member);
  }

  /** Of one key, in memory. */
  of(key: string): readonly string[] {
    return this.#members.all(key).map((row) => (row as unknown as readonly [string])[0]);
  }
}

/** A list of values under each key, in the order in which they came. */
export class SpilledLists<Value> {
  readonly #push: StatementSync;
  readonly #values: StatementSync;
  #pushed = 0;

  /** By {@link Spill.lists} only. */
  constructor(database: DatabaseSync, name: string) {
    database.exec(
      `CREATE TABLE ${name} (key TEXT NOT NULL, number INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY (key, number)) WITHOUT ROWID`,
    );
    this.#push = database.prepare(`INSERT INTO ${name} VALUES (?, ?, ?)`);
    this.#values = database.prepare(`SELECT value FROM ${name} WHERE key = ? ORDER BY number`);
    this.#values.setReturnArrays(true);
  }

  push(key: string, value: Value): void {
    this.#pushed += 1;
    this.#push.run(key, this.#pushed, serialize(value));
  }

  /** One after the other: a list may be long. Nothing may be pushed before the last was taken. */
  *of(key: string): Generator<Value, void> {
    // As `push` has written it.
    for (const row of this.#values.iterate(key))
      yield deserialize((row as unknown as readonly [Uint8Array])[0]) as Value;
  }
}
