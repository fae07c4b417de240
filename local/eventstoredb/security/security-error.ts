/** What keeps a server from starting in secure mode. The message names the file where there is one, and says what to do. */
export type SecurityErrorCode = "PASSWORD_MISSING" | "PASSWORD_FILE_UNUSABLE" | "CERTIFICATE_UNUSABLE";

export class SecurityError extends Error {
  override readonly name = "SecurityError";
  readonly code: SecurityErrorCode;
  /** The file that was refused. */
  readonly file: string | undefined;

  constructor(code: SecurityErrorCode, message: string, file?: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
    this.file = file;
  }
}
