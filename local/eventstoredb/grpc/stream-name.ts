/** Stream identifiers carry the name as UTF-8 bytes. */
import shared from "@eventstore/db-client/generated/shared_pb.js";
import { handlerFailed } from "./status-errors.ts";

export const streamNameOf = (identifier: shared.StreamIdentifier | undefined): string =>
  identifier === undefined ? "" : Buffer.from(identifier.getStreamName_asU8()).toString("utf8");

/** @throws StatusError where there is no name: the real server's handler throws there too */
export const requireStreamName = (identifier: shared.StreamIdentifier | undefined): string => {
  const name = streamNameOf(identifier);
  if (name === "") throw handlerFailed(new Error("The request names no stream."));
  return name;
};

export const streamIdentifier = (name: string): shared.StreamIdentifier => {
  const identifier = new shared.StreamIdentifier();
  identifier.setStreamName(Buffer.from(name));
  return identifier;
};
