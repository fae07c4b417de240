/**
 * Writes the events of a server's `$all` to a file, in their order. May be stopped or killed at any moment and repeated: it
 * goes on after the last whole line, and each event is in the file once.
 */
import { open, type FileHandle } from "node:fs/promises";
import { END, type EventStoreDBClient } from "@eventstore/db-client";
import { formatLine, headerLine, isTransferred, parseLine } from "./log-line.ts";
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
  const handle = await open(file, "a+");
  try {
    const last = await prepare(handle, file);
    const end = await endOf(client);
    let position = last;
    let written = 0;
    let lines: string[] = [];
    let bytes = 0;
    const write = async (): Promise<void> => {
      if (lines.length > 0) await handle.appendFile(lines.join(""));
      lines = [];
      bytes = 0;
    };
    try {
      if (end === undefined || (last !== undefined && last >= end)) return { written, position };
      for await (const record of readLog(client, last)) {
        if (signal.aborted) break;
        if (record.position === last) continue;
        if (isTransferred(record.stream)) {
          const line = formatLine(record);
          lines.push(line);
          bytes += line.length;
          written += 1;
          position = record.position;
        }
        if (bytes >= writeBytes) {
          await write();
          progress(record.position, end);
        }
        // What is written meanwhile belongs to the next run: a busy log has no end.
        if (record.position >= end) break;
      }
    } finally {
      await write();
      await handle.sync();
    }
    signal.throwIfAborted();
    progress(end, end);
    return { written, position };
  } finally {
    await handle.close();
  }
};

/** Position of the last event that is in the file already. What a crash left of a line is cut off. */
const prepare = async (handle: FileHandle, file: string): Promise<bigint | undefined> => {
  const { size } = await handle.stat();
  const whole = await endOfLastLine(handle, size);
  if (whole < size) await handle.truncate(whole);
  if (whole === 0) {
    await handle.appendFile(headerLine);
    return undefined;
  }
  await readHeader(handle, file);
  const line = await lastLine(handle, whole);
  if (`${line}\n` === headerLine) return undefined;
  try {
    return parseLine(line).position;
  } catch (error) {
    throw new TransferError("FILE_UNUSABLE", `the last line of ${file} is no event: name another file`, error);
  }
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
