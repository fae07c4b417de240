/**
 * The database file behind the log: its tables, its lock and its refusals. Everything is on disk (fsync) when a
 * transaction has committed. The lock is SQLite's own file lock, so it ends with the process that holds it.
 */
import { existsSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { makeDataDirectory } from "../../data-directory.ts";
import { damaged, DataDirectoryError, locked, unusable } from "../data-directory-errors.ts";
import { isWriteAheadLogDamaged } from "./write-ahead-log.ts";

export const databaseFileName = "event-store.db";

/** "TdES": tells our file from any other SQLite database. */
const applicationId = 0x54644553;
const schemaVersion = 1;

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
  size INTEGER NOT NULL,
  record BLOB NOT NULL
);
CREATE UNIQUE INDEX events_by_stream ON events (stream, revision);
PRAGMA application_id = ${applicationId};
PRAGMA user_version = ${schemaVersion};
`;

const sqliteCode = (error: unknown): number =>
  error instanceof Error && "errcode" in error && typeof error.errcode === "number" ? error.errcode & 0xff : 0;
const busy = 5;
const corrupt = 11;
const notADatabase = 26;

const isDamage = (error: unknown): boolean => [corrupt, notADatabase].includes(sqliteCode(error));

/** Does database work; damage that it meets is reported with the name of the file, which SQLite does not tell. */
export const namingDamage = <Result>(database: DatabaseSync, work: () => Result): Result => {
  try {
    return work();
  } catch (error) {
    throw isDamage(error) ? damaged(database.location() ?? databaseFileName, "is damaged", error) : error;
  }
};

const numberOf = (database: DatabaseSync, pragma: string): number =>
  Number(Object.values(database.prepare(`PRAGMA ${pragma}`).get() ?? {})[0] ?? 0);

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

/** Up to here a start checks the whole file (about 5 ms a megabyte); beyond, damage is found where it is read. */
const checkedBytes = 64 * 1024 * 1024;

const refuseDamagedTables = (database: DatabaseSync, file: string): void => {
  // A crash in the middle of a checkpoint leaves a file that is shorter than it says: the log has the rest.
  database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  const size = statSync(file).size;
  if (size < numberOf(database, "page_count") * numberOf(database, "page_size"))
    throw damaged(file, "is damaged: it has been cut short");
  if (size > checkedBytes) return;
  const verdict = database.prepare("PRAGMA quick_check(1)").get()?.["quick_check"];
  if (verdict !== "ok") throw damaged(file, "is damaged", new Error(String(verdict)));
};

const prepare = (database: DatabaseSync, file: string): void => {
  database.exec("PRAGMA page_size = 8192; PRAGMA locking_mode = EXCLUSIVE; PRAGMA busy_timeout = 0;");
  database.exec("BEGIN EXCLUSIVE; COMMIT;");
  const tables = numberOf(database, "schema_version");
  if (tables !== 0) {
    if (numberOf(database, "application_id") !== applicationId) throw damaged(file, "belongs to another program");
    const version = numberOf(database, "user_version");
    if (version !== schemaVersion) throw damaged(file, `has format ${version}, this server reads ${schemaVersion}`);
  }
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA cache_size = -16384;
    PRAGMA wal_autocheckpoint = 2000;
    PRAGMA temp_store = MEMORY;
  `);
  if (tables === 0) database.exec(`BEGIN; ${schema} COMMIT;`);
  else refuseDamagedTables(database, file);
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
    database = new DatabaseSync(file);
    prepare(database, file);
    return database;
  } catch (error) {
    database?.close();
    if (error instanceof DataDirectoryError) throw error;
    if (sqliteCode(error) === busy) throw locked(file, error);
    if (isDamage(error)) throw damaged(file, "is damaged", error);
    throw unusable(file, error);
  }
};
