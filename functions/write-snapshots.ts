/** Takes snapshots of streams that have grown long; invoked by the subscriber with the events that ask for one. */
import { type BatchResponse, decodeBatch } from "../engine/delivery/event-record.ts";
import { writeSnapshots } from "../engine/snapshots/write-snapshots.ts";
import { eventStore } from "./event-store-connection.ts";
import { functionLogger } from "./function-logger.ts";
import { snapshottedAggregates } from "./snapshotted-aggregates.ts";

const log = functionLogger("write-snapshots");

export const handler = async (payload: unknown): Promise<BatchResponse> => {
  const events = decodeBatch(payload);
  return writeSnapshots({ eventStore: await eventStore(), log }, snapshottedAggregates, events);
};
