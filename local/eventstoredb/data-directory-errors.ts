/**
 * What can be wrong with a data directory, when the server starts and while it runs. Each error names the file, keeps the
 * cause and says what to do.
 */
export type DataDirectoryErrorCode = "DATA_DIRECTORY_DAMAGED" | "DATA_DIRECTORY_LOCKED" | "DATA_DIRECTORY_UNUSABLE";

/** Damage, or what keeps a server from starting; the files were left as they are. */
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

export type StorageErrorCode = "STORAGE_FULL" | "STORAGE_READ_ONLY" | "STORAGE_FAILED";

const storageFaults: Readonly<Record<StorageErrorCode, string>> = {
  STORAGE_FULL:
    "could not be written: the disk is full. Nothing of the write was kept; make room and repeat it, no restart is needed.",
  STORAGE_READ_ONLY:
    "could not be written: it is read-only. Nothing of the write was kept; make it writable and repeat it.",
  STORAGE_FAILED:
    "could not be read or written: the disk reports an error. Nothing of a write was acknowledged; look at the disk.",
};

/** The disk does not do what it is asked to, at this moment; what is stored is not known to be damaged. */
export class StorageError extends Error {
  override readonly name = "StorageError";
  readonly code: StorageErrorCode;
  readonly file: string;

  constructor(code: StorageErrorCode, file: string, cause?: unknown) {
    super(`${file} ${storageFaults[code]}`, { cause });
    this.code = code;
    this.file = file;
  }
}
