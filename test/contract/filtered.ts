import type { EventStoreDBClient } from "@eventstore/db-client";

/** Types of one stream's events that a filtered subscription to `$all` brings until it has caught up. */
export const typesIn = async (
  client: EventStoreDBClient,
  options: Parameters<EventStoreDBClient["subscribeToAll"]>[0],
  stream: string,
): Promise<string[]> => {
  const subscription = client.subscribeToAll(options);
  const types: string[] = [];
  await new Promise<void>((resolve, reject) => {
    subscription
      .on("data", ({ event: read }) => {
        if (read?.streamId === stream) types.push(read.type);
      })
      .on("caughtUp", () => resolve())
      .on("error", reject);
  });
  await subscription.unsubscribe();
  return types;
};
