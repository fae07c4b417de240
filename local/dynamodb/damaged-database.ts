/**
 * Whether dynoxide can work on its file, told before it starts: by itself it takes a damaged head for an encrypted file,
 * and damage further on for an outage, so that every request is told to come again.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { isWriteAheadLogDamaged } from "../eventstoredb/log/write-ahead-log.ts";
import { DynamoDBServerError } from "./dynamodb-server-error.ts";

/** Up to here the whole file is checked (about 2 ms a megabyte); beyond, only that its head and its schema can be read. */
const checkedBytes = 256 * 1024 * 1024;

const corrupt = 11;
const notADatabase = 26;

/**
 * Reads only. dynoxide keeps a write-ahead log (`-wal`), which after a kill -9 holds what the file does not have yet: it is
 * read with it, and neither is changed. No server may be at work on the file. One that is not there is right.
 *
 * @throws DynamoDBServerError DYNAMODB_DATA_DAMAGED
 */
export function refuseDamagedDatabase(file: string): void {
  if (!existsSync(file)) return;
  const log = `${file}-wal`;
  // SQLite would drop, without a word, what follows the damage.
  if (existsSync(log) && isWriteAheadLogDamaged(readFileSync(log))) throw damaged(file, log);
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { readOnly: true });
    const check = statSync(file).size > checkedBytes ? "schema_version" : "quick_check(1)";
    const verdict = database.prepare(`PRAGMA ${check}`).get()?.["quick_check"] ?? "ok";
    if (verdict !== "ok") throw damaged(file, file, new Error(String(verdict)));
  } catch (error) {
    if (error instanceof DynamoDBServerError) throw error;
    if (isDamage(error)) throw damaged(file, file, error);
    // It is locked, or may not be read: the server that is to work on it says so itself, and says it well.
  } finally {
    database?.close();
  }
}

function isDamage(error: unknown): boolean {
  const code = error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : 0;
  return code === corrupt || code === notADatabase;
}

function damaged(file: string, where: string, cause?: unknown): DynamoDBServerError {
  const message =
    `${where} is damaged. Restore it from a backup; or remove ${file}, and with it its -wal and -shm, and start again: ` +
    "npm start prepares the views again, from the log. The file was left as it is.";
  return new DynamoDBServerError("DYNAMODB_DATA_DAMAGED", message, cause);
}
