/**
 * The database file behind the log: its tables, its lock and its refusals. Everything is on disk (fsync) when a
 * transaction has committed. The lock is SQLite's own file lock, so it ends with the process that holds it.
 */
import { existsSync, linkSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { makeDataDirectory } from "../../data-directory.ts";
import { damaged, DataDirectoryError, locked, StorageError, unusable } from "../data-directory-errors.ts";
import { checksumOf, DamagedRecordError } from "./stored-record.ts";
import { isWriteAheadLogDamaged } from "./write-ahead-log.ts";

export const databaseFileName = "event-store.db";

/** "TdES": tells our file from any other SQLite database. */
const applicationId = 0x54644553;
const formatVersion = 2;

/**
 * `stream` 0 marks a record that is no event: an append without events still takes a position. Names are interned, so
 * that a filter judges each stream and type once and not each event.
 */
const schema = `
CREATE TABLE streams (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE event_types (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE events (
  position INTEGER PRIMARY KEY,
  stream INTEGER NOT NULL,
  revision INTEGER,
  type INTEGER NOT NULL,
  created INTEGER NOT NULL,
  checksum INTEGER NOT NULL,
  record BLOB NOT NULL
);
CREATE UNIQUE INDEX events_by_stream ON events (stream, revision);
PRAGMA application_id = ${applicationId};
PRAGMA user_version = ${formatVersion};
`;

const sqliteCode = (error: unknown): number =>
  error instanceof Error && "errcode" in error && typeof error.errcode === "number" ? error.errcode & 0xff : 0;
const generalError = 1;
const busy = 5;
const readOnly = 8;
const inputOrOutput = 10;
const corrupt = 11;
const full = 13;
const cannotOpen = 14;
const notADatabase = 26;

const isDamage = (error: unknown): boolean =>
  error instanceof DamagedRecordError || [corrupt, notADatabase].includes(sqliteCode(error));

/** Does database work; what the disk is to blame for is reported with the name of the file, which SQLite does not tell. */
export const namingDamage = <Result>(database: Pick<DatabaseSync, "location">, work: () => Result): Result => {
  try {
    return work();
  } catch (error) {
    throw named(database, error);
  }
};

const named = (database: Pick<DatabaseSync, "location">, error: unknown): unknown => {
  const file = database.location() ?? "The event store in memory";
  if (isDamage(error)) return damaged(file, "is damaged", error);
  switch (sqliteCode(error)) {
    case full:
      return new StorageError("STORAGE_FULL", file, error);
    case readOnly:
      return new StorageError("STORAGE_READ_ONLY", file, error);
    case inputOrOutput:
    case cannotOpen:
      return new StorageError("STORAGE_FAILED", file, error);
    default:
      return error;
  }
};

const numberOf = (database: DatabaseSync, pragma: string): number =>
  Number(Object.values(database.prepare(`PRAGMA ${pragma}`).get() ?? {})[0] ?? 0);

/**
 * Makes the file beside its place and links it there when it is whole: so a file without tables is one that lost them,
 * and is not taken for a new one. A server that starts at the same moment may be first; its file is then used.
 */
const create = (file: string): void => {
  const fresh = `${file}.new-${process.pid}`;
  rmSync(fresh, { force: true });
  try {
    const database = new DatabaseSync(fresh);
    try {
      database.exec(`PRAGMA page_size = 8192; BEGIN; ${schema} COMMIT;`);
    } finally {
      database.close();
    }
    linkSync(fresh, file);
  } catch (error) {
    if (!existsSync(file)) throw error;
  } finally {
    rmSync(fresh, { force: true });
    rmSync(`${fresh}-journal`, { force: true });
  }
};

/** What was killed in the middle of making a file has left its part. One that is at it still finds the file there. */
const removeUnfinished = (directory: string): void => {
  for (const name of readdirSync(directory)) {
    if (name.startsWith(`${databaseFileName}.new-`)) rmSync(join(directory, name), { force: true });
  }
};

/**
 * Before the database is opened, for its recovery would drop what it cannot read. A server that is at work on the file
 * changes it while it is read here: that is told by its lock.
 */
const refuseDamagedWriteAheadLog = (file: string): void => {
  const logFile = `${file}-wal`;
  if (!existsSync(logFile) || !isWriteAheadLogDamaged(readFileSync(logFile))) return;
  const indexFile = `${file}-shm`;
  const hadIndex = existsSync(indexFile);
  const reader = new DatabaseSync(file, { readOnly: true });
  try {
    numberOf(reader, "schema_version");
  } finally {
    reader.close();
    if (!hadIndex) rmSync(indexFile, { force: true });
  }
  throw damaged(logFile, "is damaged: it holds writes that were acknowledged and can no longer be read");
};

/** Up to here a start checks the whole file (about 4 ms a megabyte); beyond, damage is found where it is read. */
const checkedBytes = 64 * 1024 * 1024;
/** In a larger file the names of streams and types, which have no checksums, are checked up to so many (about 0.2 s). */
const checkedNames = 100_000;

/**
 * A crash in the middle of a checkpoint leaves a file that is shorter than it says: the log of writes has the rest. Where
 * the disk is full it stays there, and the server can be read.
 */
const bringFileUpToDate = (database: DatabaseSync): boolean => {
  try {
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    return true;
  } catch (error) {
    if (sqliteCode(error) !== full) throw error;
    return false;
  }
};

const refuseDamagedTables = (database: DatabaseSync, file: string): void => {
  const isComplete = bringFileUpToDate(database);
  const size = statSync(file).size;
  if (isComplete && size < numberOf(database, "page_count") * numberOf(database, "page_size"))
    throw damaged(file, "is damaged: it has been cut short");
  const check = (pragma: string): void => {
    const verdict = database.prepare(`PRAGMA ${pragma}`).get()?.["integrity_check"];
    if (verdict !== "ok") throw damaged(file, "is damaged", new Error(String(verdict)));
  };
  if (size <= checkedBytes) check("integrity_check(1)");
  else {
    for (const names of ["streams", "event_types"]) {
      const count = Number(database.prepare(`SELECT max(id) AS count FROM ${names}`).get()?.["count"] ?? 0);
      if (count <= checkedNames) check(`integrity_check('${names}')`);
    }
  }
};

/** Columns of the tables and of the index by name, as SQLite understands the definitions: their order is not always the same. */
const definitionsIn = (database: DatabaseSync): string => {
  const columns = database
    .prepare(
      `SELECT t.name AS of, c.name, c.type, c."notnull", c.pk FROM sqlite_schema t, pragma_table_info(t.name) c
       WHERE t.type = 'table' AND t.name NOT GLOB 'sqlite_stat*' ORDER BY t.name, c.name`,
    )
    .all();
  const indexed = database
    .prepare(
      `SELECT t.name AS of, i.name, i."unique", i.partial, c.seqno, c.name AS "column", c."desc", c.coll
       FROM sqlite_schema t, pragma_index_list(t.name) i, pragma_index_xinfo(i.name) c
       WHERE t.type = 'table' AND t.name NOT GLOB 'sqlite_stat*' ORDER BY t.name, i.name, c.seqno`,
    )
    .all();
  return JSON.stringify([columns, indexed]);
};

let ownDefinitions: string | undefined;

/** The text of the tables' definitions has no checksum either: another name, even in another case, and rows are not found. */
const refuseDamagedDefinitions = (database: DatabaseSync, file: string): void => {
  if (ownDefinitions === undefined) {
    const fresh = openInMemory();
    ownDefinitions = definitionsIn(fresh);
    fresh.close();
  }
  let found: string;
  try {
    found = definitionsIn(database);
  } catch (error) {
    throw sqliteCode(error) === generalError ? damaged(file, "is damaged", error) : error;
  }
  if (found !== ownDefinitions) throw damaged(file, "is damaged: its tables are not as they were defined");
};

/** Records of format 1 have no checksums and their length stands beside them. */
const upgradeFromFormat1 = (database: DatabaseSync): void => {
  database.function(
    "record_checksum",
    { useBigIntArguments: true, deterministic: true },
    (position, stream, revision, type, created, record) => {
      const sum = checksumOf(
        BigInt(String(position)),
        BigInt(String(stream)),
        typeof revision === "bigint" ? revision : null,
        BigInt(String(type)),
        BigInt(String(created)),
        record instanceof Uint8Array ? record : new Uint8Array(0),
      );
      return sum;
    },
  );
  database.exec(`
    BEGIN;
    ALTER TABLE events ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
    UPDATE events SET checksum = record_checksum(position, stream, revision, type, created, record);
    ALTER TABLE events DROP COLUMN size;
    PRAGMA user_version = ${formatVersion};
    COMMIT;
  `);
};

const prepare = (database: DatabaseSync, file: string): void => {
  database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA busy_timeout = 0;");
  database.exec("BEGIN EXCLUSIVE; COMMIT;");
  if (numberOf(database, "schema_version") === 0) throw damaged(file, "is empty");
  if (numberOf(database, "application_id") !== applicationId) throw damaged(file, "belongs to another program");
  const version = numberOf(database, "user_version");
  if (version < 1 || version > formatVersion)
    throw damaged(file, `has format ${version}, this server reads formats up to ${formatVersion}`);
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA cache_size = -16384;
    PRAGMA wal_autocheckpoint = 2000;
    PRAGMA temp_store = MEMORY;
  `);
  refuseDamagedTables(database, file);
  if (version === 1) upgradeFromFormat1(database);
  refuseDamagedDefinitions(database, file);
};

/** A database that ends with its process. */
const openInMemory = (): DatabaseSync => {
  const database = new DatabaseSync(":memory:");
  database.exec(`BEGIN; ${schema} COMMIT;`);
  return database;
};

/**
 * Opens, or creates, the database of a data directory; without a directory, one in memory.
 * @throws DataDirectoryError DATA_DIRECTORY_LOCKED, DATA_DIRECTORY_DAMAGED or DATA_DIRECTORY_UNUSABLE
 */
export const openLogDatabase = (directory: string | undefined): DatabaseSync => {
  if (directory === undefined) return openInMemory();
  const file = join(directory, databaseFileName);
  let database: DatabaseSync | undefined;
  try {
    makeDataDirectory(directory);
    if (existsSync(file)) refuseDamagedWriteAheadLog(file);
    else if (existsSync(`${file}-wal`)) throw damaged(file, "is missing, though its log of writes is there");
    else create(file);
    database = new DatabaseSync(file);
    prepare(database, file);
    removeUnfinished(directory);
    return database;
  } catch (error) {
    database?.close();
    if (error instanceof DataDirectoryError) throw error;
    if (sqliteCode(error) === busy) throw locked(file, error);
    if (isDamage(error)) throw damaged(file, "is damaged", error);
    throw unusable(file, error);
  }
};
