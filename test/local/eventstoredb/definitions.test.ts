/** What is compared with the tables as they were defined is ours alone. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it, onTestFinished } from "vitest";
import { databaseFileName, openLogDatabase } from "../../../local/eventstoredb/log/log-database.ts";

it("statistics that somebody has had SQLite gather are no damage", () => {
  const directory = mkdtempSync(join(tmpdir(), "tidemark-review-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  openLogDatabase(directory).close();
  const looked = new DatabaseSync(join(directory, databaseFileName));
  looked.exec("INSERT INTO streams (name) VALUES ('a'); ANALYZE");
  looked.close();
  expect(() => openLogDatabase(directory).close()).not.toThrow();
});
