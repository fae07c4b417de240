/** The DynamoDB client with deadlines, and its failures told apart by what the caller can do about them. */
import { DynamoDBClient, TransactionCanceledException } from "@aws-sdk/client-dynamodb";

export interface DynamoDBSettings {
  readonly region: string;
  /** Only on one machine; absent on AWS. */
  readonly endpoint?: string;
}

/**
 * At most three attempts of two and a half seconds each, so that a request of the API that meets a silent DynamoDB is told so within
 * its function's time. `throwOnRequestTimeout` because the client by itself only warns of a request that takes too long.
 */
const deadlines = { connectionTimeout: 1_000, requestTimeout: 2_500, throwOnRequestTimeout: true };

export function connectDynamoDB({ region, endpoint }: DynamoDBSettings): DynamoDBClient {
  // A local server checks no credentials but the client insists on signing with some.
  const local =
    endpoint === undefined ? {} : { endpoint, credentials: { accessKeyId: "local", secretAccessKey: "local" } };
  return new DynamoDBClient({ region, ...local, maxAttempts: 3, requestHandler: deadlines });
}

/** DynamoDB does not answer or asks to slow down: nothing is known to be wrong, try again later. */
export class ViewsUnavailableError extends Error {
  readonly code = "VIEWS_UNAVAILABLE";
  override readonly name = "ViewsUnavailableError";
}

const transientNames: ReadonlySet<string> = new Set([
  "InternalServerError",
  "ItemCollectionSizeLimitExceededException",
  "LimitExceededException",
  "ProvisionedThroughputExceededException",
  "RequestLimitExceeded",
  "ServiceUnavailable",
  "ThrottlingException",
  "TimeoutError",
  "TransactionConflictException",
  "TransactionInProgressException",
]);

/** Of a cancelled transaction, which bears one name whatever cancelled it. */
const transientReasons: ReadonlySet<string> = new Set(["ProvisionedThroughputExceeded", "ThrottlingError"]);

/** Whether repeating the call later may succeed: throttled, timed out, or not reached at all. */
export function isTransient(error: unknown): boolean {
  if (error instanceof ViewsUnavailableError) return true;
  if (!(error instanceof Error)) return false;
  if (transientNames.has(error.name)) return true;
  if (error instanceof TransactionCanceledException) {
    return (error.CancellationReasons ?? []).some(({ Code = "" }) => transientReasons.has(Code));
  }
  const code: unknown = "code" in error ? error.code : undefined;
  return typeof code === "string" && /^(ECONN|ETIMEDOUT|EPIPE|EAI_AGAIN|ENOTFOUND|EHOSTUNREACH|ENETUNREACH)/.test(code);
}

/** The error to throw on: transient ones as {@link ViewsUnavailableError}, others as they are. */
export function fromDynamoDBError(error: unknown): unknown {
  if (error instanceof ViewsUnavailableError || !isTransient(error)) return error;
  return new ViewsUnavailableError("DynamoDB does not answer or is throttling: try again", { cause: error });
}

export async function translated<Value>(call: Promise<Value>): Promise<Value> {
  try {
    return await call;
  } catch (error) {
    throw fromDynamoDBError(error);
  }
}

export function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name;
}

/** Whether a transaction lost only to other writers of the same items. */
export function isTransactionConflict(error: unknown): boolean {
  if (isNamed(error, "TransactionConflictException") || isNamed(error, "TransactionInProgressException")) return true;
  if (!(error instanceof TransactionCanceledException)) return false;
  return (error.CancellationReasons ?? []).some(({ Code }) => Code === "TransactionConflict");
}
