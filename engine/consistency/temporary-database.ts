import { DatabaseSync } from "node:sqlite";

/**
 * A database on disk for one piece of work, of which so many kibibytes are held in memory. SQLite makes the file in the system's
 * directory for temporary files and unlinks it at once, so that nothing of it is left however the process ends; there is
 * neither a journal nor a wait for the disk, since nobody reads it after that.
 */
export function openTemporaryDatabase(cacheKibibytes: number): DatabaseSync {
  // An empty name makes a temporary file.
  const database = new DatabaseSync("");
  database.exec(`
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -${cacheKibibytes};
  `);
  return database;
}
