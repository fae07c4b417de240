/**
 * Appends the events of a file to a server, in their order, with their ids and at their revisions. May be stopped or killed
 * at any moment and repeated, and finds out by itself what is there already: ids and expected revisions make a repeat
 * harmless. The server stamps its own time and positions.
 */
import { open, type FileHandle } from "node:fs/promises";
import { ANY, type EventStoreDBClient, StreamDeletedError } from "@eventstore/db-client";
import { tombstoneRevision } from "../eventstoredb/log/event.ts";
import { isMetadataStream, originalStreamOf, systemTypes } from "../eventstoredb/log/system-streams.ts";
import { Appender, type AppendOutcome, readEvent, readLogBackwards } from "./raw-calls.ts";
import { type FileRecord, readHeader, readRecords } from "./log-file.ts";
import { isTransferred, type LogRecord } from "./log-line.ts";
import { TransferError } from "./transfer-error.ts";

export interface ImportResult {
  /** Events of the file, which the server holds now. */
  readonly events: number;
}

export interface ImportOptions {
  readonly signal: AbortSignal;
  /** Called now and then with the bytes of the file that are done, and all of them. */
  readonly progress: (done: number, total: number) => void;
}

const largestBatch = 500;
/** Below the largest append of a server with its defaults, 1 MiB of data. */
const largestBatchBytes = 900 * 1024;
const appendsInFlight = 64;

export const importLog = async (
  client: EventStoreDBClient,
  file: string,
  { signal, progress }: ImportOptions,
): Promise<ImportResult> => {
  const handle = await openForReading(file);
  try {
    const { size } = await handle.stat();
    const firstLine = await readHeader(handle, file);
    const anchor = await lastWritten(client);
    const { start, before } =
      anchor === undefined ? { start: firstLine, before: 0 } : await resumeFrom(handle, file, firstLine, anchor);
    const target = new Target(client, await Appender.open(client));
    let events = before;
    try {
      for await (const { records, end } of batches(readRecords(handle, file, start), anchor)) {
        signal.throwIfAborted();
        await target.write(records);
        events += records.length;
        progress(end, size);
      }
      await target.finished();
    } finally {
      target.close();
    }
    progress(size, size);
    return { events };
  } finally {
    await handle.close();
  }
};

/** Where metadata that says nothing else truncates the stream; at the revision of a tombstone it is a deletion. */
const truncationOf = (metadata: Uint8Array): bigint | undefined => {
  const [, revision] = /^\{\s*"\$tb"\s*:\s*(\d{1,19})\s*\}$/.exec(Buffer.from(metadata).toString("utf8")) ?? [];
  return revision === undefined ? undefined : BigInt(revision);
};

const openForReading = async (file: string): Promise<FileHandle> => {
  try {
    return await open(file, "r");
  } catch (error) {
    throw new TransferError("FILE_UNUSABLE", `${file} cannot be read: ${String(error)}`, error);
  }
};

/** The last event on the server that bears an id from a file: what the server writes by itself has one of its own. */
const lastWritten = async (client: EventStoreDBClient): Promise<LogRecord | undefined> => {
  for await (const record of readLogBackwards(client)) {
    if (isTransferred(record.stream) && !isAlone(record)) return record;
  }
  return undefined;
};

const isSame = (one: LogRecord, other: LogRecord | undefined): boolean =>
  one.id === other?.id && one.stream === other.stream && one.revision === other.revision;

/**
 * Where an import goes on that an earlier run began: as many appends before the last event on the server as may have been
 * in flight beside one that failed. If that event is not in the file, at the start.
 */
const resumeFrom = async (
  handle: FileHandle,
  file: string,
  firstLine: number,
  anchor: LogRecord,
): Promise<ResumePoint> => {
  const first: ResumePoint = { start: firstLine, before: 0 };
  const points: ResumePoint[] = [];
  let next = first;
  for await (const { records, end } of batches(readRecords(handle, file, firstLine), anchor)) {
    points.push(next);
    if (points.length > appendsInFlight + 1) points.shift();
    const last = records.at(-1);
    if (last !== undefined && isSame(last, anchor)) return points[0] ?? first;
    next = { start: end, before: next.before + records.length };
  }
  return first;
};

interface ResumePoint {
  /** Byte offset of a line. */
  readonly start: number;
  /** How many events are before it. */
  readonly before: number;
}

interface Batch {
  readonly records: readonly LogRecord[];
  readonly end: number;
}

/**
 * What stands together in the log and belongs to one stream goes in one append; metadata and tombstones go alone. An append
 * ends with the anchor: of what was written before and what was not, a server could not make one append.
 */
async function* batches(lines: AsyncIterable<FileRecord>, anchor: LogRecord | undefined): AsyncGenerator<Batch> {
  let records: LogRecord[] = [];
  let bytes = 0;
  let end = 0;
  for await (const line of lines) {
    const { record } = line;
    const last = records.at(-1);
    const size = record.data.length + record.metadata.length;
    const fits =
      last !== undefined &&
      !isAlone(last) &&
      !isAlone(record) &&
      !isSame(last, anchor) &&
      last.stream === record.stream &&
      last.revision + 1n === record.revision &&
      records.length < largestBatch &&
      bytes + size <= largestBatchBytes;
    if (!fits && records.length > 0) {
      yield { records, end };
      records = [];
      bytes = 0;
    }
    records.push(record);
    bytes += size;
    ({ end } = line);
  }
  if (records.length > 0) yield { records, end };
}

const isAlone = ({ stream, type }: LogRecord): boolean =>
  isMetadataStream(stream) || type === systemTypes.streamDeleted;

/** The server that is written to: many appends in flight, of which the answers must come in the order of the log. */
class Target {
  readonly #client: EventStoreDBClient;
  readonly #appender: Appender;
  /** Streams that turned out to be tombstoned; their tombstone has to come in the file. */
  readonly #deleted = new Set<string>();
  readonly #inFlight: Promise<void>[] = [];
  #lastPosition = -1n;

  constructor(client: EventStoreDBClient, appender: Appender) {
    this.#client = client;
    this.#appender = appender;
  }

  async write(records: readonly LogRecord[]): Promise<void> {
    const [first] = records;
    if (first === undefined) return;
    if (first.type === systemTypes.streamDeleted) {
      await this.#settle(0);
      await this.#tombstone(first);
      return;
    }
    if (await this.#repeatsDeletion(first)) return;
    const answer = this.#appender.append(first.stream, first.revision - 1n, records);
    const checked = answer.then((outcome) => this.#check(records, outcome));
    // Whoever waits for it hears of it; until then it must not end the process.
    checked.catch(() => undefined);
    this.#inFlight.push(checked);
    await this.#settle(appendsInFlight);
  }

  /**
   * Two things show in the log only by the `$tb` that the server writes for them: that a deleted stream is deleted again, and
   * that an append without events brings it back. Appended as metadata either would bring the stream back and one more such
   * event with it; so what was done then is done again.
   */
  async #repeatsDeletion({ stream, revision, data }: LogRecord): Promise<boolean> {
    if (!isMetadataStream(stream) || revision === 0n) return false;
    const truncation = truncationOf(data);
    if (truncation === undefined) return false;
    await this.#settle(0);
    const before = await readEvent(this.#client, stream, revision - 1n);
    if (before === undefined || truncationOf(before.data) !== tombstoneRevision) return false;
    const original = originalStreamOf(stream);
    if (truncation === tombstoneRevision) {
      await this.#client.deleteStream(original, { expectedRevision: ANY });
      return true;
    }
    const outcome = await this.#appender.append(original, truncation - 1n, []);
    return outcome.kind === "appended";
  }

  async finished(): Promise<void> {
    await this.#settle(0);
    const [stream] = this.#deleted;
    if (stream !== undefined) throw deletedInTarget(stream);
  }

  close(): void {
    this.#appender.close();
  }

  async #settle(remaining: number): Promise<void> {
    while (this.#inFlight.length > remaining) await this.#inFlight.shift();
  }

  async #tombstone({ stream }: LogRecord): Promise<void> {
    try {
      await this.#client.tombstoneStream(stream, { expectedRevision: ANY });
    } catch (error) {
      // An earlier run has got this far.
      if (!(error instanceof StreamDeletedError)) throw error;
    }
    this.#deleted.delete(stream);
  }

  async #check(records: readonly LogRecord[], outcome: AppendOutcome): Promise<void> {
    const [first] = records;
    if (first === undefined) return;
    switch (outcome.kind) {
      case "appended":
        this.#checkOrder(first, outcome.position);
        return;
      case "stream-deleted":
        this.#deleted.add(isMetadataStream(first.stream) ? originalStreamOf(first.stream) : first.stream);
        return;
      case "wrong-expected-revision": {
        if (outcome.actual < first.revision - 1n) throw revisionsMissing(first, outcome.actual);
        if (isMetadataStream(first.stream) && (await this.#wroteByItself(first))) return;
        throw streamDiffers(first, outcome.actual);
      }
    }
  }

  #checkOrder({ stream, revision }: LogRecord, position: bigint | undefined): void {
    if (position === undefined) return;
    if (position <= this.#lastPosition) {
      throw new TransferError(
        "ORDER_CHANGED",
        `the server has ${stream} at revision ${revision} before what the file has before it: import into an empty server`,
      );
    }
    this.#lastPosition = position;
  }

  /** What a write to a soft-deleted stream brings with it, the server has written when that write came. */
  async #wroteByItself(record: LogRecord): Promise<boolean> {
    const there = await readEvent(this.#client, record.stream, record.revision);
    // Of metadata only the last event can be read; an earlier one has been replaced by what came after it.
    return there === undefined || (there.type === record.type && Buffer.from(there.data).equals(record.data));
  }
}

const deletedInTarget = (stream: string): TransferError =>
  new TransferError(
    "STREAM_DIFFERS",
    `${stream} is deleted on the server and not in the file: import into an empty server`,
  );

const revisionsMissing = ({ stream, revision }: LogRecord, actual: bigint): TransferError =>
  new TransferError(
    "REVISIONS_MISSING",
    `${stream} goes on at revision ${revision} in the file and ends at ${actual} on the server: what lies between was removed ` +
      `before the export (scavenged), and a server cannot be made to number its events as if it were there`,
  );

const streamDiffers = ({ stream, revision }: LogRecord, actual: bigint): TransferError =>
  new TransferError(
    "STREAM_DIFFERS",
    `${stream} has other events on the server than in the file, at revision ${revision} or later (it ends at ${actual}): ` +
      `import into an empty server`,
  );
