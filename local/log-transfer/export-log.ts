/**
 * Writes the events of a server's `$all` to a file, in their order. May be stopped or killed at any moment and repeated: it
 * goes on after the last whole line, and each event is in the file once.
 */
import { open, type FileHandle } from "node:fs/promises";
import { END, type EventStoreDBClient, UnknownError } from "@eventstore/db-client";
import { formatLine, headerLine, isTransferred, type LogRecord, parseLine } from "./log-line.ts";
import { readHeader } from "./log-file.ts";
import { readLog } from "./raw-calls.ts";
import { TransferError } from "./transfer-error.ts";

export interface ExportResult {
  /** Events written by this run. */
  readonly written: number;
  /** Commit position up to which the file has the log; undefined when it has no event. */
  readonly position: bigint | undefined;
}

export interface ExportOptions {
  readonly signal: AbortSignal;
  /** Called now and then with the position that has been reached, and that of the end. */
  readonly progress: (reached: bigint, end: bigint) => void;
}

const writeBytes = 256 * 1024;

export const exportLog = async (
  client: EventStoreDBClient,
  file: string,
  { signal, progress }: ExportOptions,
): Promise<ExportResult> => {
  // Before the file is touched: an export from nowhere leaves none.
  const end = await endOf(client);
  const target = await ExportFile.open(file);
  try {
    const { last } = target;
    let position = last?.position;
    let written = 0;
    if (last !== undefined && (end === undefined || last.position > end)) throw otherLog(file);
    if (end === undefined) return { written, position };
    try {
      for await (const record of eventsAfter(client, last, file)) {
        if (signal.aborted) break;
        if (record.position > end) break;
        if (isTransferred(record.stream)) {
          if (await target.add(formatLine(record))) progress(record.position, end);
          written += 1;
          position = record.position;
        }
        // What is written meanwhile belongs to the next run: a busy log has no end.
        if (record.position === end) break;
      }
    } finally {
      await target.finish();
    }
    signal.throwIfAborted();
    progress(end, end);
    return { written, position };
  } finally {
    await target.close();
  }
};

const otherLog = (file: string, cause?: unknown): TransferError =>
  new TransferError(
    "FILE_UNUSABLE",
    `${file} is the export of another log: its last event is not on this server. Name the server that it came from, or another file`,
    cause,
  );

/** What comes after the last event of the file, which must be that of this very log. */
async function* eventsAfter(
  client: EventStoreDBClient,
  last: LogRecord | undefined,
  file: string,
): AsyncGenerator<LogRecord> {
  const records = readLog(client, last?.position);
  if (last !== undefined) {
    const first = await records.next().catch((error: unknown) => {
      // No event begins at that position.
      throw error instanceof UnknownError ? otherLog(file, error) : error;
    });
    if (first.done === true || first.value.id !== last.id || first.value.position !== last.position) {
      await records.return(undefined);
      throw otherLog(file);
    }
  }
  yield* records;
}

/** The file that is written to, a piece at a time. */
class ExportFile {
  /** The last event that was in it. */
  readonly last: LogRecord | undefined;
  readonly #handle: FileHandle;
  readonly #file: string;
  #size: number;
  #lines: string[] = [];
  #bytes = 0;

  private constructor(handle: FileHandle, file: string, size: number, last: LogRecord | undefined) {
    this.#handle = handle;
    this.#file = file;
    this.#size = size;
    this.last = last;
  }

  /** @throws TransferError FILE_UNUSABLE; a file that is no export is left as it is */
  static async open(file: string): Promise<ExportFile> {
    const handle = await open(file, "a+").catch((error: unknown) => {
      throw new TransferError("FILE_UNUSABLE", `${file} cannot be written: ${String(error)}`, error);
    });
    try {
      const last = await prepare(handle, file);
      return new ExportFile(handle, file, (await handle.stat()).size, last);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** True when a piece has been written. */
  async add(line: string): Promise<boolean> {
    this.#lines.push(line);
    this.#bytes += line.length;
    if (this.#bytes < writeBytes) return false;
    await this.#write();
    return true;
  }

  async finish(): Promise<void> {
    await this.#write();
    await this.#handle.sync();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #write(): Promise<void> {
    if (this.#lines.length === 0) return;
    const bytes = Buffer.from(this.#lines.join(""));
    this.#lines = [];
    this.#bytes = 0;
    const { size } = await this.#handle.stat();
    if (size !== this.#size)
      throw new TransferError("FILE_UNUSABLE", `${this.#file} is being written by somebody else: name another file`);
    await this.#handle.appendFile(bytes);
    this.#size += bytes.length;
  }
}

/** The last event that is in the file already. What a crash left of a line is cut off, of the header too. */
const prepare = async (handle: FileHandle, file: string): Promise<LogRecord | undefined> => {
  const { size } = await handle.stat();
  if (await isBegunHeader(handle, size)) {
    await handle.truncate(0);
    await handle.appendFile(headerLine);
    return undefined;
  }
  await readHeader(handle, file);
  const whole = await endOfLastLine(handle, size);
  if (whole < size) await handle.truncate(whole);
  const line = await lastLine(handle, whole);
  if (`${line}\n` === headerLine) return undefined;
  try {
    return parseLine(line);
  } catch (error) {
    throw new TransferError("FILE_UNUSABLE", `the last line of ${file} is no event: name another file`, error);
  }
};

const isBegunHeader = async (handle: FileHandle, size: number): Promise<boolean> => {
  if (size >= headerLine.length) return false;
  const start = Buffer.alloc(size);
  await handle.read(start, 0, size, 0);
  return headerLine.startsWith(start.toString("utf8"));
};

const pieceBytes = 64 * 1024;
const newline = 0x0a;

const endOfLastLine = async (handle: FileHandle, size: number): Promise<number> => {
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - pieceBytes);
    const piece = Buffer.alloc(end - start);
    await handle.read(piece, 0, piece.length, start);
    const at = piece.lastIndexOf(newline);
    if (at >= 0) return start + at + 1;
    end = start;
  }
  return 0;
};

/** The line that ends at `end`, without its line feed. */
const lastLine = async (handle: FileHandle, end: number): Promise<string> => {
  const start = await endOfLastLine(handle, end - 1);
  const line = Buffer.alloc(end - 1 - start);
  await handle.read(line, 0, line.length, start);
  return line.toString("utf8");
};

/** Reads to the end of its single event: a read of the client's that is left early keeps its connection from closing. */
const endOf = async (client: EventStoreDBClient): Promise<bigint | undefined> => {
  let end: bigint | undefined;
  for await (const last of client.readAll({ direction: "backwards", fromPosition: END, maxCount: 1 })) {
    end = last.commitPosition;
  }
  return end;
};
