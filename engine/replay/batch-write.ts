/**
 * Puts of up to 25 items in one request. DynamoDB may take some of them and leave the others for later without calling that
 * a failure: those are sent again until none is left, more slowly the longer it goes on.
 */
import { BatchWriteItemCommand, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { setTimeout as sleep } from "node:timers/promises";
import { fromDynamoDBError, isTransient, ViewsUnavailableError } from "../views/dynamodb.ts";
import type { Item } from "../views/item.ts";
import type { Lease } from "./lease.ts";

/** DynamoDB's limit on one batch of writes. */
export const itemsPerBatch = 25;

const maximumFailures = 20;
const longestPauseMs = 2_000;

export type WriteLease = Pick<Lease, "signal" | "assertHeld" | "noteUncertainWrite">;

/**
 * Resolves when every item is written. Throws {@link ViewsUnavailableError} when throttling or an outage does not end, and
 * whatever the lease throws when it ends first: nothing is sent past its end.
 */
export async function writeBatch(
  dynamodb: DynamoDBClient,
  table: string,
  items: readonly Item[],
  lease: WriteLease,
): Promise<void> {
  let left = items.map((Item) => ({ PutRequest: { Item } }));
  for (let failures = 0; ;) {
    try {
      const command = new BatchWriteItemCommand({ RequestItems: { [table]: left } });
      // At every attempt: the client repeats a request by itself, maybe after the process was frozen past its lease.
      command.middlewareStack.add(
        (next) => (args) => {
          lease.assertHeld();
          return next(args);
        },
        { step: "finalizeRequest", priority: "low" },
      );
      const { UnprocessedItems, $metadata } = await dynamodb.send(command, { abortSignal: lease.signal });
      // The client repeats a request that timed out by itself; the first copy may still land.
      if (($metadata.attempts ?? 1) > 1) lease.noteUncertainWrite();
      const unprocessed = (UnprocessedItems?.[table] ?? []).flatMap(({ PutRequest }) =>
        PutRequest?.Item === undefined ? [] : [{ PutRequest: { Item: PutRequest.Item } }],
      );
      if (unprocessed.length === 0) return;
      failures = unprocessed.length < left.length ? 1 : failures + 1;
      left = unprocessed;
    } catch (error) {
      lease.noteUncertainWrite();
      lease.assertHeld();
      if (!isTransient(error)) throw fromDynamoDBError(error);
      failures += 1;
      if (failures > maximumFailures) throw fromDynamoDBError(error);
    }
    if (failures > maximumFailures) throw new ViewsUnavailableError(`writes to ${table} are throttled: try again`);
    await pause(failures, lease.signal);
  }
}

/** Between half and all of the wait, at random: batches that were throttled together must not come back together. */
async function pause(failures: number, signal: AbortSignal): Promise<void> {
  const longest = Math.min(longestPauseMs, 20 * 2 ** failures);
  try {
    await sleep(longest / 2 + (Math.random() * longest) / 2, undefined, { signal });
  } catch {
    // The lease ended; the next look at it says so.
  }
}
