/** Where snapshots lie: the last event of a stream beside that of the aggregate, which keeps no other. */
import { randomUUID } from "node:crypto";
import { EventStoreUnavailableError } from "../event-store/errors.ts";
import type { AppendOutcome, EventStore, ExpectedRevision } from "../event-store/event-store.ts";
import type { SnapshotPolicy } from "./snapshot-policy.ts";
import { type FoundSnapshot, readSnapshotData, type Snapshot, snapshotData, snapshotEventType } from "./snapshot.ts";

export function snapshotStreamOf(stream: string): string {
  return `snapshot-${stream}`;
}

/** Throws only when the event store does not answer: then the aggregate's stream is not to be had either. */
export async function readSnapshot<State>(
  eventStore: EventStore,
  policy: SnapshotPolicy<State>,
  stream: string,
): Promise<FoundSnapshot<State>> {
  try {
    const last = await eventStore.lastEvent(snapshotStreamOf(stream));
    if (last === undefined) return { snapshot: "none" };
    if (last.type !== snapshotEventType) return { snapshot: "ignored", why: "damaged" };
    return readSnapshotData(stream, policy, last.data);
  } catch (error) {
    if (error instanceof EventStoreUnavailableError) throw error;
    return { snapshot: "ignored", why: "unreadable" };
  }
}

/** Revision of the last snapshot, as an append must expect it. */
export async function lastSnapshotRevision(eventStore: EventStore, stream: string): Promise<ExpectedRevision> {
  return (await eventStore.lastEvent(snapshotStreamOf(stream)))?.revision ?? "no_stream";
}

/** Puts a snapshot in the place of the one at `expected`. A conflict says that somebody else has put one there since. */
export async function appendSnapshot<State>(
  eventStore: EventStore,
  policy: SnapshotPolicy<State>,
  stream: string,
  expected: ExpectedRevision,
  snapshot: Snapshot<State>,
): Promise<AppendOutcome> {
  const name = snapshotStreamOf(stream);
  const data = snapshotData(stream, policy, snapshot);
  const events = [{ id: randomUUID(), type: snapshotEventType, data, metadata: {} }];
  // First, so that a writer who is stopped between the two leaves no stream that grows.
  await eventStore.keepLast(name, 1);
  const appended = await eventStore.append(name, expected, events);
  if (appended.outcome === "appended" || expected !== "no_stream" || appended.actual === "no_stream") return appended;
  // A stream that was deleted holds nothing, and its revisions still go on where they were.
  if ((await lastSnapshotRevision(eventStore, stream)) !== "no_stream") return appended;
  return eventStore.append(name, appended.actual, events);
}
