/** Which of some events a view's live generation has not applied, as its guards say. */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { LiveTableMissingError } from "../consistency/check.ts";
import { getItems, itemText } from "../consistency/table-items.ts";
import { type Catalog, type Generation, liveGeneration } from "../views/catalog.ts";
import { deployedVersion } from "../views/deployed-version.ts";
import { isNamed } from "../views/dynamodb.ts";
import { guardOfItem, type ItemKey } from "../views/item.ts";
import { type Projection, readsStream } from "../views/projection.ts";
import { RowChangeError } from "../views/row-write.ts";
import { guardKeyOf } from "../views/stream-keys.ts";
import type { NotedEvent } from "./log-stretch.ts";

export interface NotApplied {
  readonly events: readonly NotedEvent[];
  /** Undefined for a view that has none yet: then nothing is applied. */
  readonly generation: Generation | undefined;
}

/** Throws VersionNotDeployedError, {@link LiveTableMissingError} and ViewsUnavailableError. */
export async function notApplied(
  { dynamodb, catalog }: { readonly dynamodb: DynamoDBClient; readonly catalog: Pick<Catalog, "read"> },
  { name, versions }: { readonly name: string; readonly versions: readonly [Projection, ...Projection[]] },
  events: readonly NotedEvent[],
): Promise<NotApplied> {
  for (let isAskedAgain = false; ; isAskedAgain = true) {
    const entry = await catalog.read(name);
    const generation = liveGeneration(entry);
    if (generation === undefined) {
      return { events: events.filter(({ stream }) => readsStream(versions[0], stream)), generation };
    }
    const projection = deployedVersion(entry, generation, versions);
    const read = events.filter(({ stream }) => readsStream(projection, stream));
    try {
      const seen = await seenThrough(dynamodb, generation.table, projection, read);
      return { events: read.filter(({ stream, revision }) => revision > (seen.get(stream) ?? -1n)), generation };
    } catch (error) {
      if (!isNamed(error, "ResourceNotFoundException")) throw error;
      // Swapped out and retired between the two reads.
      if (!isAskedAgain) continue;
      const what = `table ${generation.table}, the live generation of ${name}, is not there`;
      throw new LiveTableMissingError(`${what}: restore it, or replay the view`, { cause: error });
    }
  }
}

/** The revision up to which each stream is applied; streams without a guard are not in it. */
async function seenThrough(
  dynamodb: DynamoDBClient,
  table: string,
  projection: Projection,
  events: readonly NotedEvent[],
): Promise<ReadonlyMap<string, bigint>> {
  const keys = new Map<string, ItemKey>();
  for (const stream of new Set(events.map((event) => event.stream))) {
    const key = possibleGuardKey(projection, stream);
    if (key !== undefined) keys.set(stream, key);
  }
  const items = await getItems(dynamodb, table, [...keys.values()]);
  const seen = new Map<string, bigint>();
  for (const [stream, key] of keys) {
    const guard = guardOfItem(items.get(itemText(key)));
    if (guard !== undefined) seen.set(stream, guard.revision);
  }
  return seen;
}

/** Undefined for a stream whose guard can lie nowhere: none of its events is ever applied. */
function possibleGuardKey(projection: Projection, stream: string): ItemKey | undefined {
  try {
    return guardKeyOf(projection, stream);
  } catch (error) {
    if (error instanceof RowChangeError) return undefined;
    throw error;
  }
}
