/**
 * Errors as the client expects them: a status, a message and trailers. The client picks its error class by the
 * `exception` trailer and throws a TypeError of its own when a trailer that it reads is missing.
 */
import { Metadata, status, type ServiceError } from "@grpc/grpc-js";
import { DataDirectoryError, StorageError, type StorageErrorCode } from "../data-directory-errors.ts";
import type { ExpectedRevision } from "../log/expected-revision.ts";
import type { GroupKey } from "../persistent-subscriptions/group-key.ts";
import type { GroupRefusal } from "../persistent-subscriptions/subsystem.ts";

/** A status travels in headers: the client's connection ends, with all its calls, at a header of 64 KiB. */
const bounded = (text: string, length: number): string =>
  (text.length > length ? `${text.slice(0, length)}...` : text).toWellFormed();
const longestDetails = 4000;
const longestTrailer = 8000;

/** Trailers are ASCII and grpc-js refuses anything else; names may hold any character. */
const ascii = (value: string): string => bounded(value, longestTrailer).replace(/[^\x20-\x7e]/g, "?");

/** The client sees `details`; `message` is for logs. */
export class StatusError extends Error implements ServiceError {
  override readonly name = "StatusError";
  readonly code: status;
  readonly details: string;
  readonly metadata: Metadata;

  constructor(code: status, details: string, trailers: Readonly<Record<string, string>> = {}, cause?: unknown) {
    super(bounded(details, longestDetails), { cause });
    this.code = code;
    this.details = this.message;
    this.metadata = new Metadata();
    for (const [name, value] of Object.entries(trailers)) this.metadata.set(name, ascii(value));
  }
}

/** How a .NET server numbers what is expected instead of a revision. */
export const expectedRevisionNumber = (expected: ExpectedRevision): bigint => {
  switch (expected) {
    case "any":
      return -2n;
    case "no-stream":
      return -1n;
    case "stream-exists":
      return -4n;
    default:
      return expected;
  }
};

export const streamDeleted = (stream: string): StatusError =>
  new StatusError(status.FAILED_PRECONDITION, `Event stream '${stream}' is deleted.`, {
    exception: "stream-deleted",
    "stream-name": stream,
  });

export const wrongExpectedRevision = (stream: string, expected: ExpectedRevision, actual: bigint): StatusError => {
  const expectedVersion = expectedRevisionNumber(expected).toString();
  return new StatusError(
    status.FAILED_PRECONDITION,
    `Delete failed due to WrongExpectedVersion. Stream: ${stream}, Expected version: ${expectedVersion}, Actual version: ${actual}`,
    {
      exception: "wrong-expected-version",
      "stream-name": stream,
      "expected-version": expectedVersion,
      "actual-version": actual.toString(),
    },
  );
};

export const maximumAppendSizeExceeded = (limit: number): StatusError =>
  new StatusError(status.INVALID_ARGUMENT, `Maximum Append Size of ${limit} Exceeded.`, {
    exception: "maximum-append-size-exceeded",
    "maximum-append-size": limit.toString(),
  });

export const requiredMetadataPropertyMissing = (property: string): StatusError =>
  new StatusError(status.INVALID_ARGUMENT, `Required Metadata Property '${property}' is missing.`, {
    exception: "missing-required-metadata-property",
    "required-metadata-properties": "type,content-type",
  });

export const invalidPosition = (): StatusError =>
  new StatusError(status.INVALID_ARGUMENT, "Trying to read from an invalid position.");

export const unexpectedReadResult = (result: "ReadStreamResult" | "ReadAllResult"): StatusError =>
  new StatusError(status.UNKNOWN, `Unexpected ${result}: Error`);

/** What a .NET server answers when a handler throws. */
export const handlerFailed = (cause?: unknown): StatusError =>
  new StatusError(status.UNKNOWN, "Exception was thrown by handler.", {}, cause);

export const invalidArgument = (details: string, cause?: unknown): StatusError =>
  new StatusError(status.INVALID_ARGUMENT, details, {}, cause);

const storageStatus: Readonly<Record<StorageErrorCode, status>> = {
  STORAGE_FULL: status.RESOURCE_EXHAUSTED,
  STORAGE_READ_ONLY: status.FAILED_PRECONDITION,
  STORAGE_FAILED: status.INTERNAL,
};

/**
 * What is wrong with the disk is told to whoever meets it, with the name of the file: nobody may look at the server's own
 * output.
 */
export const toStatusError = (error: unknown): StatusError => {
  if (error instanceof StatusError) return error;
  if (error instanceof DataDirectoryError) return new StatusError(status.DATA_LOSS, error.message, {}, error);
  if (error instanceof StorageError) return new StatusError(storageStatus[error.code], error.message, {}, error);
  return handlerFailed(error);
};

const aboutGroup = (
  code: status,
  exception: string,
  { source, group }: GroupKey,
  details: string,
  more: Readonly<Record<string, string>> = {},
): StatusError => new StatusError(code, details, { exception, "stream-name": source, "group-name": group, ...more });

export const persistentSubscriptionExists = (key: GroupKey): StatusError =>
  aboutGroup(
    status.ALREADY_EXISTS,
    "persistent-subscription-exists",
    key,
    `Subscription group ${key.group} on stream ${key.source} exists.`,
  );

export const persistentSubscriptionDoesNotExist = (key: GroupKey): StatusError =>
  aboutGroup(
    status.NOT_FOUND,
    "persistent-subscription-does-not-exist",
    key,
    `Subscription group ${key.group} on stream ${key.source} does not exist.`,
  );

export const maximumSubscribersReached = (key: GroupKey): StatusError =>
  aboutGroup(
    status.FAILED_PRECONDITION,
    "maximum-subscribers-reached",
    key,
    `Maximum subscriptions reached for subscription group ${key.group} on stream ${key.source}.`,
  );

export const persistentSubscriptionDropped = (key: GroupKey): StatusError =>
  aboutGroup(
    status.CANCELLED,
    "persistent-subscription-dropped",
    key,
    `Subscription group ${key.group} on stream ${key.source} was dropped.`,
  );

export const persistentSubscriptionFailed = (key: GroupKey, reason: string): StatusError =>
  aboutGroup(
    status.INTERNAL,
    "persistent-subscription-failed",
    key,
    `Subscription group ${key.group} on stream ${key.source} failed: '${reason}'`,
    { reason },
  );

export const groupRefused = (key: GroupKey, refusal: GroupRefusal): StatusError => {
  switch (refusal.kind) {
    case "exists":
      return persistentSubscriptionExists(key);
    case "does-not-exist":
      return persistentSubscriptionDoesNotExist(key);
    case "maximum-subscribers-reached":
      return maximumSubscribersReached(key);
    case "failed":
      return persistentSubscriptionFailed(key, refusal.reason);
  }
};

export const accessDenied = (): StatusError =>
  new StatusError(status.PERMISSION_DENIED, "Access Denied", { exception: "access-denied" });

export const unauthenticated = (): StatusError => new StatusError(status.UNAUTHENTICATED, "Unauthenticated");

export const notLeader = ({ host, port }: { readonly host: string; readonly port: number }): StatusError =>
  new StatusError(status.NOT_FOUND, "Leader info available", {
    exception: "not-leader",
    "leader-endpoint-host": host,
    "leader-endpoint-port": port.toString(),
  });

export const userNotFound = (loginName: string): StatusError =>
  new StatusError(status.NOT_FOUND, `User '${loginName}' is not found.`, {
    exception: "user-not-found",
    "login-name": loginName,
  });

export const userConflict = (loginName: string): StatusError =>
  new StatusError(status.FAILED_PRECONDITION, "Conflict.", { exception: "user-conflict", "login-name": loginName });
