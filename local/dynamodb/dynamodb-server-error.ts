export type DynamoDBServerErrorCode = "DYNAMODB_NOT_INSTALLED" | "DYNAMODB_DID_NOT_START" | "DYNAMODB_DATA_DAMAGED";

export class DynamoDBServerError extends Error {
  override readonly name = "DynamoDBServerError";
  readonly code: DynamoDBServerErrorCode;

  constructor(code: DynamoDBServerErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}
