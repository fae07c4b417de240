/** Events of the embedded event store's log as the client of EventStoreDB gives them. */
import type { AllStreamResolvedEvent, RecordedEvent } from "@eventstore/db-client";
import { decodeRecord, type ResolvedEvent, type StoredEvent } from "../../local/eventstoredb/log/event.ts";

export function clientEvent({ event, link }: ResolvedEvent): AllStreamResolvedEvent {
  return {
    ...(event === undefined ? {} : { event: recorded(event) }),
    ...(link === undefined ? {} : { link: recorded(link) }),
    commitPosition: (link ?? event)?.position ?? 0n,
    // The client's types tell data that is JSON from data that is not by a parameter which nobody here gives.
  } as AllStreamResolvedEvent;
}

function recorded({ record }: StoredEvent): RecordedEvent {
  const { id, stream, revision, position, type, isJson, created, data, metadata } = decodeRecord(record);
  return {
    id,
    streamId: stream,
    revision,
    type,
    isJson,
    created: new Date(created),
    position: { commit: position, prepare: position },
    data: isJson ? jsonOf(data) : new Uint8Array(data),
    metadata: metadata.length === 0 ? undefined : jsonOf(metadata),
  } as RecordedEvent;
}

const jsonOf = (bytes: Uint8Array): unknown =>
  JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8"));
