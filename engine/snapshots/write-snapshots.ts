/** What the function does that takes snapshots: a batch of events that ask for them in, the failed ones back. */
import { type BatchResponse, itemIdentifier } from "../delivery/event-record.ts";
import { EventStoreUnavailableError, StreamDeletedError } from "../event-store/errors.ts";
import type { EventStore } from "../event-store/event-store.ts";
import type { StoredEvent } from "../event-store/stored-event.ts";
import type { Logger } from "../http/logger.ts";
import type { SnapshotOutcome, SnapshotWriter } from "./write-snapshot.ts";

export interface SnapshotContext {
  readonly eventStore: EventStore;
  readonly log: Logger;
}

/** Streams that are read at once. */
const lanes = 4;

/**
 * Takes a snapshot of each stream of the batch, once however many of its events there are. Only an event store that does not
 * answer makes events come again: what else goes wrong would go wrong then too, is logged, and costs no more than time,
 * since a stream without a snapshot is folded from its beginning.
 */
export async function writeSnapshots(
  context: SnapshotContext,
  writers: readonly SnapshotWriter[],
  events: readonly StoredEvent[],
): Promise<BatchResponse> {
  const streams = [...new Set(events.map(({ stream }) => stream))];
  const failed = new Set<string>();
  const waiting = streams.values();
  const lane = async (): Promise<void> => {
    for (const stream of waiting) if (!(await isDoneWith(context, writers, stream))) failed.add(stream);
  };
  await Promise.all(Array.from({ length: Math.min(lanes, streams.length) }, lane));
  const again = events.filter(({ stream }) => failed.has(stream));
  return { batchItemFailures: again.map((event) => ({ itemIdentifier: itemIdentifier(event) })) };
}

async function isDoneWith(
  { eventStore, log }: SnapshotContext,
  writers: readonly SnapshotWriter[],
  stream: string,
): Promise<boolean> {
  const writer = writers.find(({ category }) => stream.startsWith(`${category}-`));
  if (writer === undefined) {
    log.error({ stream }, "no aggregate of this category has snapshots here");
    return true;
  }
  try {
    const startedAt = performance.now();
    const outcome = await writer.write(eventStore, stream);
    const durationMs = Math.round(performance.now() - startedAt);
    log.info({ stream, ...described(outcome), durationMs }, "snapshot considered");
    return true;
  } catch (error) {
    const isTransient = error instanceof EventStoreUnavailableError;
    const isExpected = isTransient || error instanceof StreamDeletedError;
    log[isExpected ? "warn" : "error"]({ stream, err: error }, "no snapshot taken");
    return !isTransient;
  }
}

/** For the log, which is JSON. */
function described(outcome: SnapshotOutcome): object {
  if (outcome.outcome !== "written") return outcome;
  const { revision, before } = outcome;
  const why = before.snapshot === "ignored" ? { why: before.why } : {};
  return { outcome: outcome.outcome, revision: revision.toString(), before: before.snapshot, ...why };
}
