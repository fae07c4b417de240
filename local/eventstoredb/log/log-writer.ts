/**
 * Writes to the log: appends, deletes, tombstones. Each call belongs to a transaction that the commit queue has opened;
 * what it changed in memory is taken back by `rollback` when that transaction fails.
 */
import { randomUUID } from "node:crypto";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { encodeRecord, recordId, tombstoneRevision, type ProposedEvent, type StoredEvent } from "./event.ts";
import { decideAppend, type AppendDecision, type ExpectedRevision } from "./expected-revision.ts";
import { RecentEventIds } from "./recent-event-ids.ts";
import type { ReplicatedRecord } from "./replication.ts";
import { RowStatement } from "./row-statement.ts";
import { checksumOf, recordColumns, recordRoom, type RecordRow, verifyRecord } from "./stored-record.ts";
import type { Stream, StreamDirectory } from "./stream-directory.ts";
import { isSoftDeleted, softDeleteMetadata } from "./stream-metadata.ts";
import { isMetadataStream, metadataStreamOf, originalStreamOf, systemTypes } from "./system-streams.ts";
import { undeleteMetadata } from "./undelete-metadata.ts";

export interface AppendRequest {
  readonly stream: string;
  readonly expectedRevision: ExpectedRevision;
  readonly events: readonly ProposedEvent[];
}

export interface DeleteRequest {
  readonly stream: string;
  readonly expectedRevision: ExpectedRevision;
}

export type WriteRefusal =
  | { readonly kind: "wrong-expected-revision"; /** -1 if there is no stream. */ readonly actual: bigint }
  | { readonly kind: "stream-deleted" }
  | { readonly kind: "ambiguous-repeat" };

export type AppendOutcome =
  /** `revision` is -1 after an append without events to a stream without events. */
  | { readonly kind: "appended"; readonly revision: bigint; readonly position: bigint }
  /** Position is absent where the first append's events are truncated or deleted by now. */
  | { readonly kind: "repeated"; readonly revision: bigint; readonly position: bigint | undefined }
  | WriteRefusal;

export type DeleteOutcome = { readonly kind: "deleted"; readonly position: bigint } | WriteRefusal;

/** What one transaction wrote. */
export interface Commit {
  /** In the order of the log. */
  readonly events: readonly StoredEvent[];
  readonly streams: ReadonlySet<string>;
}

const refusalOf = (decision: AppendDecision, stream: Stream): WriteRefusal | undefined => {
  switch (decision.kind) {
    case "append":
    case "repeat":
      return undefined;
    case "wrong-expected-revision":
      return { kind: decision.kind, actual: stream.lastRevision };
    case "stream-deleted":
    case "ambiguous-repeat":
      return decision;
  }
};

interface StoredRow {
  readonly position: bigint;
  readonly created: bigint;
  readonly record: Uint8Array;
}

const noBytes = new Uint8Array(0);

/** @throws DamagedRecordError */
const verified = (row: RecordRow | undefined): StoredRow | undefined => {
  if (row === undefined) return undefined;
  verifyRecord(...row);
  return { position: row[0], created: row[4], record: row[6] };
};

export class LogWriter {
  readonly #directory: StreamDirectory;
  readonly #recentIds = new RecentEventIds();
  readonly #now: () => number;
  readonly #insert: StatementSync;
  readonly #selectAt: RowStatement<RecordRow>;
  #nextPosition: bigint;
  #committedPosition: bigint;
  #pending: StoredEvent[] = [];
  #pendingStreams = new Set<string>();

  constructor(database: DatabaseSync, directory: StreamDirectory, now: () => number) {
    this.#directory = directory;
    this.#now = now;
    this.#insert = database.prepare(
      "INSERT INTO events (position, stream, revision, type, created, checksum, record) VALUES (?, ?, ?, ?, ?, ?, ?)",
    );
    const select = `SELECT ${recordColumns} FROM events`;
    this.#selectAt = new RowStatement(database, `${select} WHERE stream = ? AND revision = ?`);
    const last = verified(new RowStatement<RecordRow>(database, `${select} ORDER BY position DESC LIMIT 1`).get());
    this.#nextPosition = last === undefined ? 0n : last.position + BigInt(recordRoom(last.record));
    this.#committedPosition = this.#nextPosition;
  }

  append(request: AppendRequest): AppendOutcome {
    const stream = this.#directory.stream(request.stream);
    const ids = request.events.map((event) => event.id);
    const decision = this.#decide(stream, request.expectedRevision, ids);
    if (decision.kind === "repeat") {
      return {
        kind: "repeated",
        revision: decision.lastRevision,
        position: this.#visiblePosition(stream, decision.lastRevision),
      };
    }
    const refusal = refusalOf(decision, stream);
    if (refusal !== undefined) return refusal;
    const softDeleted = isSoftDeleted(this.#directory.metadata(stream.name));
    const revisionBefore = stream.lastRevision;
    const undeletesOriginal =
      isMetadataStream(stream.name) && isSoftDeleted(this.#directory.metadata(originalStreamOf(stream.name)));
    let position = this.#nextPosition;
    if (request.events.length === 0) position = this.#writeBlank();
    for (const event of request.events) position = this.#write(stream, stream.lastRevision + 1n, event);
    // Before what undeleting adds: it may be an event of this very stream.
    const revision = request.events.length === 0 ? revisionBefore : stream.lastRevision;
    if (softDeleted) this.#undelete(stream.name, revisionBefore + 1n);
    if (undeletesOriginal) {
      const original = originalStreamOf(stream.name);
      this.#undelete(original, this.#directory.stream(original).lastRevision + 1n);
    }
    return { kind: "appended", revision, position };
  }

  /** Soft delete: hides every event by `$tb`, replacing all other metadata; a later append goes on after the last. */
  delete(request: DeleteRequest): DeleteOutcome {
    const stream = this.#directory.stream(request.stream);
    const id = randomUUID();
    const decision = this.#decide(stream, request.expectedRevision, [id]);
    const refusal = refusalOf(decision, stream);
    if (refusal !== undefined) return refusal;
    const metadataStream = this.#directory.stream(metadataStreamOf(stream.name));
    if (stream.lastRevision < 0n && metadataStream.lastRevision < 0n)
      return { kind: "wrong-expected-revision", actual: -1n };
    return { kind: "deleted", position: this.#writeMetadata(metadataStream, softDeleteMetadata, id) };
  }

  /** Hard delete, for ever, also of a stream that never was. */
  tombstone(request: DeleteRequest): DeleteOutcome {
    const stream = this.#directory.stream(request.stream);
    const id = randomUUID();
    const decision = this.#decide(stream, request.expectedRevision, [id]);
    const refusal = refusalOf(decision, stream);
    if (refusal !== undefined) return refusal;
    const event: ProposedEvent = {
      id,
      type: systemTypes.streamDeleted,
      isJson: false,
      data: noBytes,
      metadata: noBytes,
    };
    return { kind: "deleted", position: this.#write(stream, tombstoneRevision, event) };
  }

  /** Writes a record as it stands in another log, at its position there. Nothing is decided here: that log has decided. */
  replicate({ position, event, created, record }: ReplicatedRecord): void {
    const stream = event === undefined ? undefined : this.#directory.stream(event.stream);
    const streamId = stream === undefined ? 0 : this.#directory.ensureId(stream);
    const typeId = event === undefined ? 0 : this.#directory.ensureTypeId(event.type);
    const revision = event?.revision ?? null;
    const checksum = checksumOf(position, streamId, revision, typeId, created, record);
    this.#insert.run(position, streamId, revision, typeId, created, checksum, record);
    this.#nextPosition = position + BigInt(recordRoom(record));
    if (event === undefined || stream === undefined) return;
    this.#directory.advance(stream, event.revision);
    this.#pendingStreams.add(stream.name);
    this.#pending.push({ position, revision: event.revision, streamId, typeId, record });
  }

  /** The transaction is on disk; returns what it wrote. */
  committed(): Commit {
    const commit = { events: this.#pending, streams: this.#pendingStreams };
    this.#pending = [];
    this.#pendingStreams = new Set();
    this.#committedPosition = this.#nextPosition;
    this.#recentIds.committed();
    this.#directory.committed();
    return commit;
  }

  rollback(): void {
    this.#recentIds.rollback();
    this.#pending = [];
    this.#pendingStreams = new Set();
    this.#nextPosition = this.#committedPosition;
    this.#directory.forget();
  }

  #decide(stream: Stream, expected: ExpectedRevision, ids: readonly string[]): AppendDecision {
    const directory = this.#directory;
    return decideAppend(
      {
        name: stream.name,
        lastRevision: directory.lastRevision(stream.name),
        get softDeleted() {
          return isSoftDeleted(directory.metadata(stream.name));
        },
        get hasMetadata() {
          return directory.lastRevision(metadataStreamOf(stream.name)) >= 0n;
        },
        recent: (id) => this.#recentIds.get(id),
        storedId: (revision) => {
          const stored = this.#storedAt(stream, revision);
          return stored === undefined ? undefined : recordId(stored.record);
        },
      },
      expected,
      ids,
    );
  }

  #visiblePosition(stream: Stream, revision: bigint): bigint | undefined {
    const { maxCount, maxAge, truncateBefore } = this.#directory.metadata(stream.name);
    if (truncateBefore !== undefined && revision < truncateBefore) return undefined;
    if (maxCount !== undefined && revision <= stream.lastRevision - maxCount) return undefined;
    const stored = this.#storedAt(stream, revision);
    if (maxAge !== undefined && stored !== undefined && Number(stored.created) < this.#now() - maxAge) return undefined;
    return stored?.position;
  }

  #storedAt(stream: Stream, revision: bigint): StoredRow | undefined {
    return verified(this.#selectAt.get(stream.id, revision));
  }

  #undelete(stream: string, from: bigint): void {
    // Also of an event that does not say that it is JSON: the real server only tries whether it is.
    const last = this.#directory.metadataEvent(stream);
    const data = last === undefined ? undefined : undeleteMetadata(last.data, from);
    if (data !== undefined) this.#writeMetadata(this.#directory.stream(metadataStreamOf(stream)), data, randomUUID());
  }

  #writeMetadata(metadataStream: Stream, data: Uint8Array, id: string): bigint {
    const event: ProposedEvent = { id, type: systemTypes.metadata, isJson: true, data, metadata: noBytes };
    return this.#write(metadataStream, metadataStream.lastRevision + 1n, event);
  }

  #write(stream: Stream, revision: bigint, event: ProposedEvent): bigint {
    const position = this.#nextPosition;
    const created = this.#now();
    const streamId = this.#directory.ensureId(stream);
    const typeId = this.#directory.ensureTypeId(event.type);
    const record = encodeRecord(event, Buffer.from(stream.name), revision, position, created);
    const checksum = checksumOf(position, streamId, revision, typeId, created, record);
    this.#insert.run(position, streamId, revision, typeId, created, checksum, record);
    this.#nextPosition = position + BigInt(recordRoom(record));
    this.#directory.advance(stream, revision);
    this.#recentIds.add(event.id, { stream: stream.name, revision });
    this.#pendingStreams.add(stream.name);
    this.#pending.push({ position, revision, streamId, typeId, record });
    return position;
  }

  /** An append without events leaves a record that nobody sees. */
  #writeBlank(): bigint {
    const position = this.#nextPosition;
    const created = this.#now();
    this.#insert.run(position, 0, null, 0, created, checksumOf(position, 0, null, 0, created, noBytes), noBytes);
    this.#nextPosition = position + BigInt(recordRoom(noBytes));
    return position;
  }
}
