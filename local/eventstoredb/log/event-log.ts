/**
 * The log: what every other part of the server reads and writes through. Single writer, durable before it answers;
 * reads see committed events only. Knows nothing of gRPC.
 */
import type { DatabaseSync } from "node:sqlite";
import { AllReader } from "./all-reader.ts";
import { CommitQueue } from "./commit-queue.ts";
import { CommitSignals } from "./commit-signals.ts";
import { decodeRecord, type ResolvedEvent, type StoredEvent } from "./event.ts";
import { createEventFilter, type EventFilter, type EventFilterDefinition } from "./event-filter.ts";
import { namingDamage, openLogDatabase } from "./log-database.ts";
import {
  LogWriter,
  type AppendOutcome,
  type AppendRequest,
  type Commit,
  type DeleteOutcome,
  type DeleteRequest,
} from "./log-writer.ts";
import { firstEvents } from "./first-events.ts";
import { ReplicationSource, type ReplicatedRecord } from "./replication.ts";
import { StreamDirectory } from "./stream-directory.ts";
import type { StreamMetadata } from "./stream-metadata.ts";
import { StreamReader } from "./stream-reader.ts";
import { systemTypes } from "./system-streams.ts";

export interface EventLog {
  readonly streams: StreamReader;
  readonly all: AllReader;
  append(request: AppendRequest): Promise<AppendOutcome>;
  delete(request: DeleteRequest): Promise<DeleteOutcome>;
  tombstone(request: DeleteRequest): Promise<DeleteOutcome>;
  /** The event as it is, or a link with its target where `resolveLinks` asks for that. */
  resolve(event: StoredEvent, resolveLinks: boolean): ResolvedEvent;
  /** @throws UnsupportedRegexError */
  filter(definition: EventFilterDefinition): EventFilter;
  /** Row id of a stream; 0 if it was never written. */
  streamId(name: string): number;
  metadata(name: string): StreamMetadata;
  /** -1 without events; `tombstoneRevision` after a tombstone, for the stream and for its metadata. */
  lastRevision(name: string): bigint;
  /** Calls back after each commit. Returns how to stop. */
  onCommit(listener: (commit: Commit) => void): () => void;
  readonly commits: CommitSignals;
  /** What a replica of this log copies. */
  readonly source: ReplicationSource;
  /** Writes records of another log; a log that is written so is written in no other way. */
  replicate(records: readonly ReplicatedRecord[]): Promise<void>;
  /** Commits what waits, then closes the files. */
  close(): void;
}

/**
 * Opens the log of a data directory, making it if there is none; without a directory, a log in memory.
 * @param now milliseconds since the Unix epoch: stamps events and measures $maxAge
 * @throws DataDirectoryError
 */
export const openEventLog = async (directory: string | undefined, now: () => number = Date.now): Promise<EventLog> => {
  const database = openLogDatabase(directory);
  try {
    const log = namingDamage(database, () => createLog(database, now));
    if (log.all.lastPosition() < 0n) await Promise.all(firstEvents().map((request) => log.append(request)));
    return log;
  } catch (error) {
    // Its lock would outlive the failure.
    database.close();
    throw error;
  }
};

/** A log in memory that holds nothing, to be filled with the records of another one. */
export const openReplica = (): EventLog => createLog(openLogDatabase(undefined), Date.now);

const createLog = (database: DatabaseSync, now: () => number): EventLog => {
  const streamDirectory = new StreamDirectory(database);
  const writer = new LogWriter(database, streamDirectory, now);
  const listeners = new Set<(commit: Commit) => void>();
  const commits = new CommitSignals();
  const queue = new CommitQueue(database, writer, (commit) => {
    for (const listener of listeners) listener(commit);
    commits.notify(commit.streams);
  });
  const streams = new StreamReader(database, streamDirectory, now);
  const all = new AllReader(database, streamDirectory);
  let linkType = streamDirectory.typeId(systemTypes.link);

  const isLink = (event: StoredEvent): boolean => {
    linkType ??= streamDirectory.typeId(systemTypes.link);
    return event.typeId === linkType;
  };
  const resolve = (event: StoredEvent, resolveLinks: boolean): ResolvedEvent => {
    if (!resolveLinks || !isLink(event)) return { event, link: undefined };
    const target = linkTarget(decodeRecord(event.record).data);
    if (target === undefined) return { event, link: undefined };
    return {
      event: target.stream === undefined ? undefined : streams.event(target.stream, target.revision),
      link: event,
    };
  };

  return {
    streams,
    all,
    append: (request) => queue.submit(() => writer.append(request)),
    delete: (request) => queue.submit(() => writer.delete(request)),
    tombstone: (request) => queue.submit(() => writer.tombstone(request)),
    resolve,
    filter: (definition) => createEventFilter(definition, streamDirectory),
    streamId: (name) => namingDamage(database, () => streamDirectory.stream(name).id),
    metadata: (name) => namingDamage(database, () => streamDirectory.metadata(name)),
    lastRevision: (name) => namingDamage(database, () => streamDirectory.lastRevision(name)),
    commits,
    source: new ReplicationSource(database),
    replicate: (records) =>
      queue.submit(() => {
        for (const record of records) writer.replicate(record);
      }),
    onCommit: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () => {
      queue.close();
      listeners.clear();
      database.close();
    },
  };
};

interface LinkTarget {
  /** Undefined in a link that is a revision and nothing else. */
  readonly stream: string | undefined;
  readonly revision: bigint;
}

/** A link's data is `revision@stream`; what does not start with a revision is no link. */
const linkTarget = (data: Uint8Array): LinkTarget | undefined => {
  const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("utf8");
  const separator = text.indexOf("@");
  const revision = separator < 0 ? text : text.slice(0, separator);
  if (!/^[\t-\r ]*[+-]?0*\d{1,19}[\t-\r ]*$/.test(revision)) return undefined;
  const parsed = BigInt(revision.trim().replace(/^\+/, ""));
  if (BigInt.asIntN(64, parsed) !== parsed) return undefined;
  return { stream: separator < 0 ? undefined : text.slice(separator + 1), revision: parsed };
};
