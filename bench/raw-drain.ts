/**
 * What ours is measured against: a persistent subscription drained with the plain client, each batch written to DynamoDB
 * from the same process. The group's settings, the lanes, the conditions of the writes and what goes into one transaction
 * are those of ours; there is no function, no catalog, no schema, no retry.
 */
import type { AllStreamRecordedEvent, AllStreamResolvedEvent, EventStoreDBClient } from "@eventstore/db-client";

/** An event that the store has delivered, and what is acknowledged for it. */
interface Delivered {
  readonly event: AllStreamRecordedEvent;
  readonly resolved: AllStreamResolvedEvent;
}

export interface RawDrainOptions {
  readonly client: EventStoreDBClient;
  readonly group: string;
  readonly bufferSize: number;
  readonly batchSize: number;
  readonly lanes: number;
  /** Resolves when the events of a batch are in the table. */
  readonly write: (events: readonly AllStreamRecordedEvent[]) => Promise<void>;
}

/** Drains the group until `count` events are acknowledged. */
export async function drainRaw(options: RawDrainOptions, count: number): Promise<void> {
  const { client, group, bufferSize, batchSize, lanes, write } = options;
  const subscription = client.subscribeToPersistentSubscriptionToAll(group, { bufferSize });
  const queues = Array.from({ length: lanes }, (): Delivered[] => []);
  const isBusy = queues.map(() => false);
  let acknowledged = 0;
  const { promise: drained, resolve, reject } = Promise.withResolvers<undefined>();

  const empty = async (lane: number, queue: Delivered[]): Promise<void> => {
    if (isBusy[lane] === true) return;
    isBusy[lane] = true;
    while (queue.length > 0) {
      const batch = queue.splice(0, batchSize);
      await write(batch.map(({ event }) => event));
      void subscription.ack(...batch.map(({ resolved }) => resolved));
      acknowledged += batch.length;
    }
    isBusy[lane] = false;
    if (acknowledged >= count) resolve(undefined);
  };
  subscription.on("error", reject);
  subscription.on("data", (resolved) => {
    const { event } = resolved;
    if (event === undefined) return;
    const lane = laneOf(event.streamId, lanes);
    const queue = queues[lane] ?? [];
    queue.push({ event, resolved });
    // What arrives in the same turn goes into the same batch.
    if (queue.length === 1) setImmediate(() => void empty(lane, queue).catch(reject));
  });
  try {
    await drained;
  } finally {
    await subscription.unsubscribe();
  }
}

/** A stream's events must not overtake each other. */
function laneOf(stream: string, lanes: number): number {
  let hash = 0;
  for (let index = 0; index < stream.length; index += 1) hash = (Math.imul(hash, 31) + stream.charCodeAt(index)) >>> 0;
  return hash % lanes;
}
