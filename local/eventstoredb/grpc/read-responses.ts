/**
 * The messages of `Streams/Read` as bytes. Events are wrapped, not encoded again: their record was encoded when it was
 * written.
 */
import shared from "@eventstore/db-client/generated/shared_pb.js";
import streams from "@eventstore/db-client/generated/streams_pb.js";
import { recordId, type ResolvedEvent } from "../log/event.ts";
import { varintLength, varintLength64, writeVarint, writeVarint64 } from "../protobuf/encoding.ts";
import { streamIdentifier } from "./stream-name.ts";
import { structuredUuid } from "./uuid.ts";

export type UuidFormat = "text" | "structured";

const encoded = (fill: (response: streams.ReadResp) => void): Buffer => {
  const response = new streams.ReadResp();
  fill(response);
  return Buffer.from(response.serializeBinary());
};

/** How many bytes `record` starts with that hold the id as text: tag, length, and the UUID message. */
const textIdLength = 40;

const withStructuredId = (record: Uint8Array): Uint8Array => {
  const id = Buffer.from(structuredUuid(recordId(record)).serializeBinary());
  return Buffer.concat([Buffer.from([0x0a, id.length]), id, record.subarray(textIdLength)]);
};

const lengthDelimited = (length: number): number => 1 + varintLength(length) + length;

/**
 * A ReadResp with an event: field 1 of the response is a ReadEvent with event (1), link (2) and the position of the
 * original event (3). Persistent subscriptions use the same shape and add the retry count (5).
 */
export const eventResponse = (
  { event, link }: ResolvedEvent,
  uuids: UuidFormat = "text",
  retryCount?: number,
): Buffer => {
  const format = (record: Uint8Array | undefined): Uint8Array | undefined =>
    record === undefined || uuids === "text" ? record : withStructuredId(record);
  const eventBytes = format(event?.record);
  const linkBytes = format(link?.record);
  const position = (link ?? event)?.position ?? 0n;
  const length =
    (eventBytes === undefined ? 0 : lengthDelimited(eventBytes.length)) +
    (linkBytes === undefined ? 0 : lengthDelimited(linkBytes.length)) +
    1 +
    varintLength64(position) +
    (retryCount === undefined ? 0 : 1 + varintLength(retryCount));
  const target = Buffer.allocUnsafe(lengthDelimited(length));
  let at = 0;
  target[at++] = 0x0a;
  at = writeVarint(target, at, length);
  if (eventBytes !== undefined) {
    target[at++] = 0x0a;
    at = writeVarint(target, at, eventBytes.length);
    target.set(eventBytes, at);
    at += eventBytes.length;
  }
  if (linkBytes !== undefined) {
    target[at++] = 0x12;
    at = writeVarint(target, at, linkBytes.length);
    target.set(linkBytes, at);
    at += linkBytes.length;
  }
  target[at++] = 0x18;
  at = writeVarint64(target, at, position);
  if (retryCount !== undefined) {
    target[at++] = 0x28;
    writeVarint(target, at, retryCount);
  }
  return target;
};

export const confirmationResponse = (subscriptionId: string): Buffer =>
  encoded((response) => {
    const confirmation = new streams.ReadResp.SubscriptionConfirmation();
    confirmation.setSubscriptionId(subscriptionId);
    response.setConfirmation(confirmation);
  });

export const checkpointResponse = (position: bigint): Buffer =>
  encoded((response) => {
    const checkpoint = new streams.ReadResp.Checkpoint();
    checkpoint.setCommitPosition(position.toString());
    checkpoint.setPreparePosition(position.toString());
    response.setCheckpoint(checkpoint);
  });

export const caughtUpResponse = encoded((response) => response.setCaughtUp(new streams.ReadResp.CaughtUp()));

export const streamNotFoundResponse = (stream: string): Buffer =>
  encoded((response) => {
    const notFound = new streams.ReadResp.StreamNotFound();
    notFound.setStreamIdentifier(streamIdentifier(stream));
    response.setStreamNotFound(notFound);
  });

export const empty = (): shared.Empty => new shared.Empty();
