/** The records of a log as a replica needs them: by name instead of by the row ids of one database, each with its position. */
import type { DatabaseSync } from "node:sqlite";
import { namingDamage } from "./log-database.ts";
import { RowStatement } from "./row-statement.ts";
import { verifyRecord } from "./stored-record.ts";

export interface ReplicatedRecord {
  readonly position: bigint;
  /** Undefined for a record that is no event: an append without events. */
  readonly event: { readonly stream: string; readonly revision: bigint; readonly type: string } | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly created: number;
  readonly record: Uint8Array;
}

/** Names are absent where the row has none. */
type Row = readonly [
  position: bigint,
  streamId: bigint,
  stream: string | null,
  revision: bigint | null,
  typeId: bigint,
  type: string | null,
  created: bigint,
  checksum: bigint,
  record: Uint8Array,
];

export class ReplicationSource {
  readonly #database: DatabaseSync;
  readonly #after: RowStatement<Row>;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#after = new RowStatement(
      database,
      `SELECT position, stream, streams.name, revision, type, event_types.name, created, checksum, record FROM events
       LEFT JOIN streams ON streams.id = stream LEFT JOIN event_types ON event_types.id = type
       WHERE position > ? ORDER BY position LIMIT ?`,
    );
  }

  /** At most `limit` records after `position`, in the order of the log. */
  after(position: bigint, limit: number): readonly ReplicatedRecord[] {
    return namingDamage(this.#database, () => {
      const records: ReplicatedRecord[] = [];
      for (const row of this.#after.iterate(position, limit)) {
        const [at, streamId, stream, revision, typeId, type, created, checksum, record] = row;
        verifyRecord(at, streamId, revision, typeId, created, checksum, record);
        const event = stream === null || revision === null ? undefined : { stream, revision, type: type ?? "" };
        records.push({ position: at, event, created: Number(created), record });
      }
      return records;
    });
  }
}
