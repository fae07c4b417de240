/**
 * Reads `$all`: every event in the order of the log, whatever retention, deletion or tombstones hide from the streams,
 * without the few streams that `isHiddenFromAll` names. Positions are record starts and have gaps.
 */
import type { DatabaseSync } from "node:sqlite";
import { BoundedMap } from "./bounded-map.ts";
import type { StoredEvent } from "./event.ts";
import type { EventFilter } from "./event-filter.ts";
import { namingDamage } from "./log-database.ts";
import { RowStatement } from "./row-statement.ts";
import { DamagedRecordError, recordColumns, recordRoom, type RecordRow, verifyRecord } from "./stored-record.ts";
import type { StreamDirectory } from "./stream-directory.ts";
import { pageBytes } from "./stream-reader.ts";

export interface AllPage {
  readonly events: readonly StoredEvent[];
  /** Position of the last record looked at, shown or not; undefined when there was none. */
  readonly last: bigint | undefined;
}

/** One considered record of a filtered scan; events are fetched only where the filter matches. */
export interface ScannedRecord {
  readonly position: bigint;
  readonly matches: boolean;
}

export interface Scan {
  readonly records: readonly ScannedRecord[];
  /** As of a page: records that are no events are passed over, and only this tells the end of the log. */
  readonly last: bigint | undefined;
}

type ScanRow = readonly [position: number, stream: number, type: number];

export class AllReader {
  readonly #database: DatabaseSync;
  readonly #hidden: ReadonlySet<number>;
  /** Where the next page of a read has to begin, by the last record of the one before, for the reads under way. */
  readonly #ends = new BoundedMap<bigint, bigint>(1000);
  readonly #forwards: RowStatement<RecordRow>;
  readonly #backwards: RowStatement<RecordRow>;
  readonly #scanForwards: RowStatement<ScanRow>;
  readonly #scanBackwards: RowStatement<ScanRow>;
  readonly #at: RowStatement<RecordRow>;
  readonly #last: RowStatement<readonly [position: bigint]>;

  constructor(database: DatabaseSync, directory: StreamDirectory) {
    this.#database = database;
    this.#hidden = directory.hiddenFromAll;
    const select = `SELECT ${recordColumns} FROM events WHERE`;
    this.#forwards = new RowStatement(database, `${select} position > ? ORDER BY position LIMIT ?`);
    this.#backwards = new RowStatement(database, `${select} position < ? ORDER BY position DESC LIMIT ?`);
    this.#at = new RowStatement(database, `${select} position = ?`);
    // Positions are below 2^53, and a scan is what has to be quickest.
    const scan = "SELECT position, stream, type FROM events WHERE";
    this.#scanForwards = new RowStatement(database, `${scan} position > ? ORDER BY position LIMIT ?`, "number");
    this.#scanBackwards = new RowStatement(database, `${scan} position < ? ORDER BY position DESC LIMIT ?`, "number");
    this.#last = new RowStatement(database, "SELECT position FROM events ORDER BY position DESC LIMIT 1");
  }

  /** At most `limit` records after `position`; -1 reads from the start. */
  forwards(position: bigint, limit: number): AllPage {
    return namingDamage(this.#database, () => {
      const start = position < 0n ? 0n : this.#ends.get(position);
      const { events, last, end } = this.#page(this.#forwards.iterate(position, limit), start);
      if (last !== undefined && end !== undefined) this.#ends.set(last, end);
      return { events, last };
    });
  }

  /** At most `limit` records before `position`, last first. */
  backwards(position: bigint, limit: number): AllPage {
    return namingDamage(this.#database, () => {
      const { events, last } = this.#page(this.#backwards.iterate(position, limit));
      return { events, last };
    });
  }

  /**
   * At most `limit` records after `position`, each judged by the filter, and none after the `wanted`th match. Hidden
   * records are considered, never matched.
   */
  scanForwards(position: bigint, limit: number, filter: EventFilter, wanted = limit): Scan {
    return namingDamage(this.#database, () => this.#scan(this.#scanForwards.iterate(position, limit), filter, wanted));
  }

  scanBackwards(position: bigint, limit: number, filter: EventFilter, wanted = limit): Scan {
    return namingDamage(this.#database, () => this.#scan(this.#scanBackwards.iterate(position, limit), filter, wanted));
  }

  event(position: bigint): StoredEvent | undefined {
    return namingDamage(this.#database, () => {
      const row = this.#at.get(position);
      if (row === undefined) return undefined;
      verifyRecord(...row);
      return toEvent(row);
    });
  }

  isRecordStart(position: bigint): boolean {
    return namingDamage(this.#database, () => this.#at.get(position) !== undefined);
  }

  /** Position of the last record; -1 in an empty log. */
  lastPosition(): bigint {
    const row = namingDamage(this.#database, () => this.#last.get());
    return row?.[0] ?? -1n;
  }

  /** Where the next record will be; 0 in an empty log. */
  end(): bigint {
    const position = this.lastPosition();
    const row = namingDamage(this.#database, () => this.#at.get(position));
    return row === undefined ? 0n : position + BigInt(recordRoom(row[6]));
  }

  /** Position of the record that ends where the one at `position` starts; -1 if that is the first. */
  before(position: bigint): bigint {
    return namingDamage(this.#database, () => this.#page(this.#backwards.iterate(position, 1))).last ?? -1n;
  }

  isHidden(event: StoredEvent): boolean {
    return this.#hidden.has(event.streamId);
  }

  #page(rows: Iterable<RecordRow>, start?: bigint): AllPage & { readonly end: bigint | undefined } {
    const events: StoredEvent[] = [];
    let bytes = 0;
    let last: bigint | undefined;
    let before: RecordRow | undefined;
    for (const row of rows) {
      verifyRecord(...row);
      last = row[0];
      if (before !== undefined) expectNeighbours(before, row);
      else if (start !== undefined && start !== last) throw missingAt(start);
      before = row;
      if (this.#hidden.has(Number(row[1]))) continue;
      events.push(toEvent(row));
      bytes += row[6].length;
      if (bytes >= pageBytes) break;
    }
    return { events, last, end: before === undefined ? undefined : endOf(before) };
  }

  #scan(rows: Iterable<ScanRow>, filter: EventFilter, wanted: number): Scan {
    const records: ScannedRecord[] = [];
    let last: number | undefined;
    let matched = 0;
    for (const [position, stream, type] of rows) {
      last = position;
      if (stream === 0) continue;
      const matches = !this.#hidden.has(stream) && filter.matches(stream, type);
      records.push({ position: BigInt(position), matches });
      if (matches) matched += 1;
      if (matched === wanted) break;
    }
    return { records, last: last === undefined ? undefined : BigInt(last) };
  }
}

/** Where the record after this one begins. */
const endOf = (row: RecordRow): bigint => row[0] + BigInt(recordRoom(row[6]));

const missingAt = (position: bigint): DamagedRecordError =>
  new DamagedRecordError(`The record at position ${position} is missing.`);

/** @throws DamagedRecordError where something is missing between two records of a page */
const expectNeighbours = (one: RecordRow, other: RecordRow): void => {
  const [lower, upper] = one[0] < other[0] ? [one, other] : [other, one];
  if (upper[0] !== endOf(lower)) throw missingAt(endOf(lower));
};

const toEvent = ([position, stream, revision, type, , , record]: RecordRow): StoredEvent => ({
  position,
  revision: revision ?? -1n,
  streamId: Number(stream),
  typeId: Number(type),
  record,
});
