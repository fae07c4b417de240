/**
 * Reads streams, forwards and backwards, as retention lets them be seen: $maxCount, $maxAge, $tb, soft delete and
 * tombstone hide events here and nowhere else. Pages are bounded in events and in bytes.
 */
import type { DatabaseSync } from "node:sqlite";
import { tombstoneRevision, type StoredEvent } from "./event.ts";
import { namingDamage } from "./log-database.ts";
import { RowStatement } from "./row-statement.ts";
import { DamagedRecordError, recordColumns, verifyRecord } from "./stored-record.ts";
import type { StreamDirectory } from "./stream-directory.ts";
import { isSoftDeleted } from "./stream-metadata.ts";

/** What one page may hold, so that a slow consumer of large events costs little memory. */
export const pageBytes = 512 * 1024;

export type StreamPage =
  | {
      readonly kind: "page";
      readonly events: readonly StoredEvent[];
      /** Where the next page starts; undefined at the end of the stream. */
      readonly next: bigint | undefined;
    }
  | { readonly kind: "not-found" }
  | { readonly kind: "stream-deleted" };

interface Bounds {
  readonly streamId: number;
  readonly lowest: bigint;
  readonly last: bigint;
  readonly oldest: number;
}

/** Rows of the statements below: as `RecordRow`, of events only. */
type Row = readonly [
  position: bigint,
  stream: bigint,
  revision: bigint,
  type: bigint,
  created: bigint,
  checksum: bigint,
  record: Uint8Array,
];

export class StreamReader {
  readonly #database: DatabaseSync;
  readonly #directory: StreamDirectory;
  readonly #now: () => number;
  readonly #forwards: RowStatement<Row>;
  readonly #backwards: RowStatement<Row>;

  constructor(database: DatabaseSync, directory: StreamDirectory, now: () => number) {
    this.#database = database;
    this.#directory = directory;
    this.#now = now;
    this.#forwards = new RowStatement(
      database,
      `SELECT ${recordColumns} FROM events WHERE stream = ? AND revision >= ? AND revision <= ? ORDER BY revision LIMIT ?`,
    );
    this.#backwards = new RowStatement(
      database,
      `SELECT ${recordColumns} FROM events WHERE stream = ? AND revision <= ? AND revision >= ? ORDER BY revision DESC LIMIT ?`,
    );
  }

  /** At most `limit` events from `from` on, in order. Past the end: an empty page. */
  forwards(stream: string, from: bigint, limit: number): StreamPage {
    return namingDamage(this.#database, () => this.#readForwards(stream, from, limit));
  }

  #readForwards(stream: string, from: bigint, limit: number): StreamPage {
    const bounds = this.#bounds(stream);
    if ("kind" in bounds) return bounds;
    const start = from > bounds.lowest ? from : bounds.lowest;
    // Also keeps what is no 64-bit integer, such as the revision in a malformed link, away from the database.
    if (start > bounds.last) return { kind: "page", events: [], next: undefined };
    const rows = this.#forwards.iterate(bounds.streamId, start, bounds.last, limit);
    return this.#page(rows, bounds, start, 1n, (last) => (last < bounds.last ? last + 1n : undefined));
  }

  /** At most `limit` events from `from` (or the last event, if that is earlier) back. */
  backwards(stream: string, from: bigint, limit: number): StreamPage {
    return namingDamage(this.#database, () => this.#readBackwards(stream, from, limit));
  }

  #readBackwards(stream: string, from: bigint, limit: number): StreamPage {
    const bounds = this.#bounds(stream);
    if ("kind" in bounds) return bounds;
    const start = from < bounds.last ? from : bounds.last;
    const rows = this.#backwards.iterate(bounds.streamId, start, bounds.lowest, limit);
    return this.#page(rows, bounds, start, -1n, (last) => (last > bounds.lowest ? last - 1n : undefined));
  }

  /** One event if a reader may see it; -1 asks for the last one. */
  event(stream: string, revision: bigint): StoredEvent | undefined {
    if (revision < -1n) return undefined;
    const page = revision < 0n ? this.backwards(stream, tombstoneRevision, 1) : this.forwards(stream, revision, 1);
    const event = page.kind === "page" ? page.events[0] : undefined;
    return event !== undefined && (revision < 0n || event.revision === revision) ? event : undefined;
  }

  /**
   * At most `limit` events from `from` on as they were written, a tombstone too, whatever retention hides: subscribers
   * that are live are sent what is appended, and only those that catch up read what is left.
   */
  written(stream: string, from: bigint, limit: number): readonly StoredEvent[] {
    const { id } = this.#directory.stream(stream);
    if (from > tombstoneRevision) return [];
    return namingDamage(this.#database, () => {
      const rows = this.#forwards.iterate(id, from, tombstoneRevision, limit);
      const events: StoredEvent[] = [];
      let bytes = 0;
      for (const row of rows) {
        verifyRecord(...row);
        const [position, , revision, type, , , record] = row;
        events.push({ position, revision, streamId: id, typeId: Number(type), record });
        bytes += record.length;
        if (bytes >= pageBytes) break;
      }
      return events;
    });
  }

  #bounds(name: string): Bounds | Extract<StreamPage, { kind: "not-found" | "stream-deleted" }> {
    const last = this.#directory.lastRevision(name);
    if (last === tombstoneRevision) return { kind: "stream-deleted" };
    const metadata = this.#directory.metadata(name);
    if (last < 0n || isSoftDeleted(metadata)) return { kind: "not-found" };
    const byCount = metadata.maxCount === undefined ? 0n : last - metadata.maxCount + 1n;
    const byTruncation = metadata.truncateBefore ?? 0n;
    const lowest = byCount > byTruncation ? byCount : byTruncation;
    return {
      streamId: this.#directory.stream(name).id,
      lowest: lowest < 0n ? 0n : lowest,
      last,
      oldest: metadata.maxAge === undefined ? -Infinity : this.#now() - metadata.maxAge,
    };
  }

  /** @throws DamagedRecordError also where a revision is missing: a stream has them all, from `start` on in `step`s */
  #page(
    rows: Iterable<Row>,
    bounds: Bounds,
    start: bigint,
    step: bigint,
    after: (last: bigint) => bigint | undefined,
  ): StreamPage {
    const events: StoredEvent[] = [];
    let bytes = 0;
    let last: bigint | undefined;
    let expected = start;
    for (const row of rows) {
      verifyRecord(...row);
      const [position, , revision, type, created, , record] = row;
      if (revision !== expected) throw new DamagedRecordError(`Revision ${expected} is missing.`);
      expected += step;
      last = revision;
      if (Number(created) < bounds.oldest) continue;
      events.push({ position, revision, streamId: bounds.streamId, typeId: Number(type), record });
      bytes += record.length;
      if (bytes >= pageBytes) break;
    }
    if (last === undefined && start >= bounds.lowest) throw new DamagedRecordError(`Revision ${start} is missing.`);
    return { kind: "page", events, next: last === undefined ? undefined : after(last) };
  }
}
