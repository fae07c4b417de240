/** Events as appends propose them: checked here, in one place for both forms of append. */
import type streams from "@eventstore/db-client/generated/streams_pb.js";
import type { ProposedEvent } from "../log/event.ts";
import { isNilUuid, parseUuid } from "./uuid.ts";

export type ProposedMessage = streams.AppendReq.ProposedMessage | streams.BatchAppendReq.ProposedMessage;

export type ProposedEventResult =
  | { readonly kind: "event"; readonly event: ProposedEvent }
  | { readonly kind: "property-missing"; readonly property: "type" | "content-type" }
  | { readonly kind: "invalid"; readonly reason: string };

export const proposedEvent = (message: ProposedMessage): ProposedEventResult => {
  const id = parseUuid(message.getId());
  const properties = message.getMetadataMap();
  const type = properties.get("type");
  const contentType = properties.get("content-type");
  if (type === undefined) return { kind: "property-missing", property: "type" };
  if (contentType === undefined) return { kind: "property-missing", property: "content-type" };
  if (id === undefined) return { kind: "invalid", reason: "The event id is not a UUID." };
  if (isNilUuid(id)) return { kind: "invalid", reason: "The event id is empty." };
  if (type === "") return { kind: "invalid", reason: "The event type is empty." };
  return {
    kind: "event",
    event: {
      id,
      type,
      isJson: contentType === "application/json",
      data: message.getData_asU8(),
      metadata: message.getCustomMetadata_asU8(),
    },
  };
};

/**
 * What counts against the maximum append size: the data alone. The real server means to count metadata and type too,
 * and does not.
 */
export const appendSize = (event: ProposedEvent): number => event.data.length;
