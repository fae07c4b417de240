/**
 * What the log knows of each stream without reading it: row id, last revision, effective metadata. Loaded on first use
 * and kept for the streams used last, so neither memory nor start-up time grows with the number of streams.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { BoundedMap } from "./bounded-map.ts";
import { decodeRecord, tombstoneRevision, type RecordContents } from "./event.ts";
import { RowStatement } from "./row-statement.ts";
import { recordColumns, type RecordRow, verifyRecord } from "./stored-record.ts";
import { noMetadata, parseStreamMetadata, type StreamMetadata } from "./stream-metadata.ts";
import { isHiddenFromAll, isMetadataStream, metadataStreamOf, originalStreamOf } from "./system-streams.ts";

const cachedNames = 20_000;

export interface Stream {
  readonly name: string;
  /** 0 while the stream has never been written. */
  id: number;
  /** -1 while it has no event; `tombstoneRevision` after a tombstone. */
  lastRevision: bigint;
}

/** `$$s` holds one event at a time, whatever its own metadata would say. */
const metadataOfMetadata: StreamMetadata = { ...noMetadata, maxCount: 1n };

export class StreamDirectory {
  readonly #streams = new BoundedMap<string, Stream>(cachedNames);
  readonly #metadata = new BoundedMap<string, StreamMetadata>(cachedNames);
  readonly #names = new BoundedMap<number, string>(cachedNames);
  readonly #types = new BoundedMap<string, number>(cachedNames);
  readonly #typeNames = new BoundedMap<number, string>(cachedNames);
  /** Row ids of the streams that `$all` leaves out: few, and needed for every row of a scan. */
  readonly hiddenFromAll = new Set<number>([0]);
  /** Those of them that the transaction under way has added. */
  #newlyHidden: number[] = [];

  readonly #selectStream: StatementSync;
  readonly #selectName: StatementSync;
  readonly #insertStream: StatementSync;
  readonly #selectLast: StatementSync;
  readonly #selectLastRecord: RowStatement<RecordRow>;
  readonly #selectType: StatementSync;
  readonly #selectTypeName: StatementSync;
  readonly #insertType: StatementSync;

  constructor(database: DatabaseSync) {
    this.#selectStream = database.prepare("SELECT id FROM streams WHERE name = ?");
    this.#selectName = database.prepare("SELECT name FROM streams WHERE id = ?");
    this.#insertStream = database.prepare("INSERT INTO streams (name) VALUES (?)");
    this.#selectLast = database.prepare("SELECT revision FROM events WHERE stream = ? ORDER BY revision DESC LIMIT 1");
    this.#selectLast.setReadBigInts(true);
    this.#selectLastRecord = new RowStatement(
      database,
      `SELECT ${recordColumns} FROM events WHERE stream = ? ORDER BY revision DESC LIMIT 1`,
    );
    this.#selectType = database.prepare("SELECT id FROM event_types WHERE name = ?");
    this.#selectTypeName = database.prepare("SELECT name FROM event_types WHERE id = ?");
    this.#insertType = database.prepare("INSERT INTO event_types (name) VALUES (?)");
    const selectHidden = database.prepare(
      "SELECT id, name FROM streams WHERE name = '$epoch-information' OR name GLOB '$persistentsubscription-$all::*'",
    );
    for (const { id, name } of selectHidden.iterate()) {
      if (isHiddenFromAll(String(name))) this.hiddenFromAll.add(Number(id));
    }
  }

  stream(name: string): Stream {
    const known = this.#streams.get(name);
    if (known !== undefined) return known;
    const row = this.#selectStream.get(name);
    const id = row === undefined ? 0 : Number(row["id"]);
    const last = id === 0 ? undefined : this.#selectLast.get(id)?.["revision"];
    const stream: Stream = { name, id, lastRevision: typeof last === "bigint" ? last : -1n };
    this.#streams.set(name, stream);
    return stream;
  }

  /** The last revision, where a tombstone on `s` counts for `$$s` too. */
  lastRevision(name: string): bigint {
    if (isMetadataStream(name) && this.stream(originalStreamOf(name)).lastRevision === tombstoneRevision) {
      return tombstoneRevision;
    }
    return this.stream(name).lastRevision;
  }

  metadata(name: string): StreamMetadata {
    if (isMetadataStream(name)) return metadataOfMetadata;
    const known = this.#metadata.get(name);
    if (known !== undefined) return known;
    const data = this.rawMetadata(name);
    const metadata = data === undefined ? noMetadata : parseStreamMetadata(data);
    this.#metadata.set(name, metadata);
    return metadata;
  }

  /** The data of the last metadata event, if that is JSON. */
  rawMetadata(name: string): Uint8Array | undefined {
    const last = this.metadataEvent(name);
    return last?.isJson === true ? last.data : undefined;
  }

  metadataEvent(name: string): RecordContents | undefined {
    const { id } = this.stream(metadataStreamOf(name));
    if (id === 0) return undefined;
    // The columns of the statement, with integers as bigint.
    const row = this.#selectLastRecord.get(id);
    if (row === undefined) return undefined;
    verifyRecord(...row);
    return decodeRecord(row[6]);
  }

  /** Gives a stream that is about to be written its row. Call inside a transaction. */
  ensureId(stream: Stream): number {
    if (stream.id !== 0) return stream.id;
    stream.id = Number(this.#insertStream.run(stream.name).lastInsertRowid);
    if (isHiddenFromAll(stream.name)) {
      this.hiddenFromAll.add(stream.id);
      this.#newlyHidden.push(stream.id);
    }
    return stream.id;
  }

  advance(stream: Stream, revision: bigint): void {
    stream.lastRevision = revision;
    if (isMetadataStream(stream.name)) this.#metadata.delete(originalStreamOf(stream.name));
  }

  name(id: number): string {
    const known = this.#names.get(id);
    if (known !== undefined) return known;
    const name = String(this.#selectName.get(id)?.["name"] ?? "");
    this.#names.set(id, name);
    return name;
  }

  typeName(id: number): string {
    const known = this.#typeNames.get(id);
    if (known !== undefined) return known;
    const name = String(this.#selectTypeName.get(id)?.["name"] ?? "");
    this.#typeNames.set(id, name);
    return name;
  }

  /** Row id of a type; undefined if no event has it. */
  typeId(name: string): number | undefined {
    const known = this.#types.get(name);
    if (known !== undefined) return known;
    const row = this.#selectType.get(name);
    if (row === undefined) return undefined;
    const id = Number(row["id"]);
    this.#types.set(name, id);
    return id;
  }

  ensureTypeId(name: string): number {
    const known = this.typeId(name);
    if (known !== undefined) return known;
    const id = Number(this.#insertType.run(name).lastInsertRowid);
    this.#types.set(name, id);
    return id;
  }

  committed(): void {
    if (this.#newlyHidden.length > 0) this.#newlyHidden = [];
  }

  /** After a rollback nothing that was learned in the transaction may stay. Reads nothing: the disk may be at fault. */
  forget(): void {
    this.#streams.clear();
    this.#metadata.clear();
    this.#names.clear();
    this.#types.clear();
    this.#typeNames.clear();
    for (const id of this.#newlyHidden) this.hiddenFromAll.delete(id);
    this.#newlyHidden = [];
  }
}
