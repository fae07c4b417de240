/**
 * What can be wrong with a data directory when the server starts. Each error names the file, keeps the cause and says
 * what to do; nothing has been changed on disk when one is thrown.
 */
export type DataDirectoryErrorCode = "DATA_DIRECTORY_DAMAGED" | "DATA_DIRECTORY_LOCKED" | "DATA_DIRECTORY_UNUSABLE";

export class DataDirectoryError extends Error {
  override readonly name = "DataDirectoryError";
  readonly code: DataDirectoryErrorCode;
  /** The file that was refused. */
  readonly file: string;

  constructor(code: DataDirectoryErrorCode, file: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
    this.file = file;
  }
}

export const damaged = (file: string, what: string, cause?: unknown): DataDirectoryError =>
  new DataDirectoryError(
    "DATA_DIRECTORY_DAMAGED",
    file,
    `${file} ${what}. Restore it from a backup, or name another directory; the file was left as it is.`,
    cause,
  );

export const locked = (file: string, cause?: unknown): DataDirectoryError =>
  new DataDirectoryError(
    "DATA_DIRECTORY_LOCKED",
    file,
    `${file} is in use by another event store. Stop that one, or name another directory.`,
    cause,
  );

export const unusable = (file: string, cause?: unknown): DataDirectoryError =>
  new DataDirectoryError(
    "DATA_DIRECTORY_UNUSABLE",
    file,
    `${file} cannot be opened or created. Check that the directory exists, is writable and has room.`,
    cause,
  );
