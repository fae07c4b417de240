/**
 * The database file behind the log: its tables, its lock and its refusals. Everything is on disk (fsync) when a
 * transaction has committed. The lock is SQLite's own file lock, so it ends with the process that holds it.
 */
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { damaged, DataDirectoryError, locked, unusable } from "../data-directory-errors.ts";

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

const numberOf = (database: DatabaseSync, pragma: string): number =>
  Number(Object.values(database.prepare(`PRAGMA ${pragma}`).get() ?? {})[0] ?? 0);

/** SQLite itself notices a file that was cut short only when it reads the missing page. */
const refuseTruncated = (file: string): void => {
  const descriptor = openSync(file, "r");
  try {
    const size = fstatSync(descriptor).size;
    if (size === 0) return;
    const header = Buffer.alloc(100);
    readSync(descriptor, header, 0, 100, 0);
    if (header.toString("latin1", 0, 15) !== "SQLite format 3") throw damaged(file, "is not an event store database");
    const pageField = header.readUInt16BE(16);
    const pageSize = pageField === 1 ? 65536 : pageField;
    if (size < header.readUInt32BE(28) * pageSize) throw damaged(file, "is damaged: it has been cut short");
  } finally {
    closeSync(descriptor);
  }
};

const prepare = (database: DatabaseSync, file: string): void => {
  database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA busy_timeout = 0;");
  database.exec("BEGIN EXCLUSIVE; COMMIT;");
  const tables = numberOf(database, "schema_version");
  if (tables !== 0) {
    if (numberOf(database, "application_id") !== applicationId) throw damaged(file, "belongs to another program");
    const version = numberOf(database, "user_version");
    if (version !== schemaVersion) throw damaged(file, `has format ${version}, this server reads ${schemaVersion}`);
  }
  database.exec(`
    PRAGMA page_size = 8192;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA cache_size = -16384;
    PRAGMA wal_autocheckpoint = 2000;
    PRAGMA temp_store = MEMORY;
  `);
  if (tables === 0) database.exec(`BEGIN; ${schema} COMMIT;`);
};

/**
 * Opens, or creates, the database of a data directory.
 * @throws DataDirectoryError DATA_DIRECTORY_LOCKED, DATA_DIRECTORY_DAMAGED or DATA_DIRECTORY_UNUSABLE
 */
export const openLogDatabase = (directory: string): DatabaseSync => {
  const file = join(directory, databaseFileName);
  let database: DatabaseSync | undefined;
  try {
    mkdirSync(directory, { recursive: true });
    if (existsSync(file)) refuseTruncated(file);
    database = new DatabaseSync(file);
    prepare(database, file);
    return database;
  } catch (error) {
    database?.close();
    if (error instanceof DataDirectoryError) throw error;
    const code = sqliteCode(error);
    if (code === busy) throw locked(file, error);
    if (code === corrupt || code === notADatabase) throw damaged(file, "is damaged", error);
    throw unusable(file, error);
  }
};
