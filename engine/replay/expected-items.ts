/** What the log says that the items of a table hold, kept in a temporary file so that memory does not grow with the view. */
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import { deserialize, serialize } from "node:v8";
import type { PlainRow } from "../consistency/plain-row.ts";
import { itemText } from "../consistency/table-items.ts";
import { openTemporaryDatabase } from "../consistency/temporary-database.ts";
import type { Guard } from "../views/guard.ts";
import type { ItemKey } from "../views/item.ts";
import type { RowValue } from "../views/projection.ts";

/** What the log says an item holds. */
export interface ExpectedItem {
  readonly key: ItemKey;
  readonly row: PlainRow;
  /** The stream whose guard sits in it, and that guard. */
  stream?: string;
  guard?: Guard;
  /** Whether the log has not given every event of that stream. */
  isScavenged: boolean;
}

export interface ExpectedCounts {
  /** Of items that show attributes. */
  readonly rows: number;
  readonly guards: number;
  readonly scavengedStreams: number;
}

/** What SQLite keeps of the files in memory, of all that are used at once. */
const cacheKibibytes = 32_768;
const keysPerPage = 1_000;

/** The partial index costs the first fold nothing, in which everything moves. */
const schema = `
  CREATE TABLE items (
    pk TEXT NOT NULL,
    sk TEXT NOT NULL,
    attributes BLOB,
    stream TEXT,
    revision INTEGER,
    commit_position INTEGER,
    prepare_position INTEGER,
    scavenged INTEGER NOT NULL,
    fold INTEGER NOT NULL,
    walk INTEGER NOT NULL,
    PRIMARY KEY (pk, sk)
  ) WITHOUT ROWID;
  CREATE INDEX moved ON items (fold) WHERE fold > 1;
`;

const columns = "pk, sk, attributes, stream, revision, commit_position, prepare_position, scavenged";

/** As {@link columns} names them; integers are `bigint`. */
type Columns = readonly [
  pk: string,
  sk: string,
  attributes: Uint8Array | null,
  stream: string | null,
  revision: bigint | null,
  commit: bigint | null,
  prepare: bigint | null,
  scavenged: bigint,
];

export class ExpectedItems {
  readonly #database: DatabaseSync;
  readonly #find: StatementSync;
  readonly #meet: StatementSync;
  readonly #put: StatementSync;
  #fold = 0;
  #walk = 0;

  /** `together`: so many are used at once, and share the memory. */
  constructor(together = 1) {
    this.#database = openTemporaryDatabase(Math.floor(cacheKibibytes / together));
    this.#database.exec(schema);
    this.#find = this.#prepare(`SELECT ${columns} FROM items WHERE pk = ? AND sk = ?`);
    this.#meet = this.#prepare(`UPDATE items SET walk = ? WHERE pk = ? AND sk = ? RETURNING ${columns}`);
    this.#put = this.#prepare(`INSERT OR REPLACE INTO items (${columns}, fold, walk) VALUES (?,?,?,?,?,?,?,?,?,0)`);
  }

  /** Items that are changed from here on are those that {@link moved} gives. */
  beginFold(): void {
    this.#fold += 1;
  }

  /** Runs `work`, which changes the items that it is given, new ones among them, and then writes them all. */
  change(work: (item: (key: ItemKey) => ExpectedItem) => void): void {
    const touched = new Map<string, ExpectedItem>();
    work((key) => {
      const text = itemText(key);
      let item = touched.get(text);
      if (item === undefined) touched.set(text, (item = this.find(key) ?? { key, row: new Map(), isScavenged: false }));
      return item;
    });
    this.#inTransaction(() => {
      for (const item of touched.values()) this.#put.run(...columnsOf(item), this.#fold);
    });
  }

  find({ pk, sk }: ItemKey): ExpectedItem | undefined {
    return firstOf(this.#find.get(pk.S ?? "", sk.S ?? ""));
  }

  /** After this every item counts as not {@link met} yet. */
  beginWalk(): void {
    this.#walk += 1;
  }

  /** The items under these keys, in their order, each of which counts as met from now on; undefined where there is none. */
  meet(keys: readonly ItemKey[]): (ExpectedItem | undefined)[] {
    return this.#inTransaction(() =>
      keys.map(({ pk, sk }) => firstOf(this.#meet.get(this.#walk, pk.S ?? "", sk.S ?? ""))),
    );
  }

  /** Items that the walk has not met, page by page. */
  unmet(): Generator<readonly ExpectedItem[], void> {
    return this.#pages("walk < ?", this.#walk);
  }

  /** Keys of the items that the last fold has changed, page by page. */
  *moved(): Generator<readonly ItemKey[], void> {
    const pages =
      this.#fold > 1 ? this.#pages("fold > 1 AND fold = ?", this.#fold) : this.#pages("fold = ?", this.#fold);
    for (const page of pages) yield page.map(({ key }) => key);
  }

  counts(): ExpectedCounts {
    const counted = this.#database.prepare("SELECT count(attributes), count(stream), total(scavenged) FROM items");
    counted.setReturnArrays(true);
    const [rows, guards, scavengedStreams] = counted.get() as unknown as readonly [number, number, number];
    return { rows, guards, scavengedStreams };
  }

  /** Removes the file. */
  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  /** A statement of its own for each page: items may be changed between two of them. */
  *#pages(condition: string, parameter: SQLInputValue): Generator<readonly ExpectedItem[], void> {
    const sql = `SELECT ${columns} FROM items WHERE ${condition} AND (pk, sk) > (?, ?) ORDER BY pk, sk LIMIT ${keysPerPage}`;
    const statement = this.#prepare(sql);
    let after: ItemKey | undefined;
    do {
      const found = statement.all(parameter, after?.pk.S ?? "", after?.sk.S ?? "");
      const items = found.map((row) => itemOf(row as unknown as Columns));
      if (items.length > 0) yield items;
      after = items.at(-1)?.key;
    } while (after !== undefined);
  }

  #prepare(sql: string): StatementSync {
    const statement = this.#database.prepare(sql);
    statement.setReadBigInts(true);
    statement.setReturnArrays(true);
    return statement;
  }

  #inTransaction<Result>(work: () => Result): Result {
    this.#database.exec("BEGIN");
    const result = work();
    this.#database.exec("COMMIT");
    return result;
  }
}

function columnsOf({ key, row, stream, guard, isScavenged }: ExpectedItem): SQLInputValue[] {
  const attributes = row.size === 0 ? null : serialize(row);
  const { commit = null, prepare = null } = guard?.position ?? {};
  const place = [stream ?? null, guard?.revision ?? null, commit, prepare];
  return [key.pk.S ?? "", key.sk.S ?? "", attributes, ...place, isScavenged ? 1 : 0];
}

// The types of node:sqlite know rows as objects only; they are arrays of the columns that were asked for.
const firstOf = (found: unknown): ExpectedItem | undefined =>
  found === undefined ? undefined : itemOf(found as Columns);

function itemOf([pk, sk, attributes, stream, revision, commit, prepare, scavenged]: Columns): ExpectedItem {
  // As `columnsOf` has written it.
  const row: PlainRow = attributes === null ? new Map<string, RowValue>() : (deserialize(attributes) as PlainRow);
  const item: ExpectedItem = { key: { pk: { S: pk }, sk: { S: sk } }, row, isScavenged: scavenged === 1n };
  if (stream !== null) item.stream = stream;
  if (revision !== null && commit !== null && prepare !== null) {
    item.guard = { revision, position: { commit, prepare } };
  }
  return item;
}
