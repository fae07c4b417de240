/** Why an export or import ended before its end; the message says what to do. What was done until then stays and counts. */
export type TransferErrorCode =
  "FILE_UNUSABLE" | "LINE_INVALID" | "STREAM_DIFFERS" | "REVISIONS_MISSING" | "ORDER_CHANGED";

export class TransferError extends Error {
  override readonly name = "TransferError";
  readonly code: TransferErrorCode;

  constructor(code: TransferErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}
