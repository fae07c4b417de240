/** Reads a file of exported events, from its start or from a line that an earlier run got to. */
import type { FileHandle } from "node:fs/promises";
import { messageOf } from "../../engine/errors/message-of.ts";
import { header, headerSchema, parseLine, type LogRecord } from "./log-line.ts";
import { TransferError } from "./transfer-error.ts";

/** A line with where the next one starts. */
export interface FileRecord {
  readonly record: LogRecord;
  /** Byte offset after the line. */
  readonly end: number;
}

const longestHeader = 1024;
const pieceBytes = 256 * 1024;

/** Where the first event starts. @throws TransferError FILE_UNUSABLE */
export const readHeader = async (handle: FileHandle, file: string): Promise<number> => {
  const start = Buffer.alloc(longestHeader);
  const { bytesRead } = await handle.read(start, 0, start.length, 0);
  const length = start.subarray(0, bytesRead).indexOf("\n");
  try {
    headerSchema.parse(JSON.parse(start.toString("utf8", 0, Math.max(0, length))));
  } catch (error) {
    throw new TransferError(
      "FILE_UNUSABLE",
      `${file} does not begin as an exported log does (${JSON.stringify(header)}): name a file that an export has written`,
      error,
    );
  }
  return length + 1;
};

/**
 * The events from a byte offset on. A last line without its line feed is what an export that was cut off has left, and is
 * refused: the export has to be finished first.
 * @throws TransferError LINE_INVALID with the offset of the line
 */
export async function* readRecords(handle: FileHandle, file: string, offset: number): AsyncGenerator<FileRecord> {
  const { size } = await handle.stat();
  /** Of a line that has begun: an event may be larger than a piece by far. */
  let begun: Buffer[] = [];
  let start = offset;
  for (let at = offset; at < size;) {
    const piece = Buffer.allocUnsafe(Math.min(pieceBytes, size - at));
    const { bytesRead } = await handle.read(piece, 0, piece.length, at);
    if (bytesRead === 0) break;
    let from = 0;
    for (let feed = indexOfFeed(piece, from, bytesRead); feed >= 0; feed = indexOfFeed(piece, from, bytesRead)) {
      const line = Buffer.concat([...begun, piece.subarray(from, feed)]).toString("utf8");
      const end = at + feed + 1;
      yield { record: parsed(line, file, start), end };
      begun = [];
      start = end;
      from = feed + 1;
    }
    begun.push(piece.subarray(from, bytesRead));
    at += bytesRead;
  }
  if (start < size) {
    throw new TransferError(
      "LINE_INVALID",
      `${file} ends in the middle of a line, at byte ${size}: repeat the export, which finishes it`,
    );
  }
}

const indexOfFeed = (piece: Buffer, from: number, end: number): number => {
  const feed = piece.indexOf(0x0a, from);
  return feed < end ? feed : -1;
};

const parsed = (line: string, file: string, offset: number): LogRecord => {
  try {
    return parseLine(line);
  } catch (error) {
    const reason = messageOf(error);
    throw new TransferError("LINE_INVALID", `the line of ${file} at byte ${offset} is no event: ${reason}`, error);
  }
};
