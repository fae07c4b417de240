/** Where the row and the guard of a stream lie, and what is refused as a key: anybody may name a stream. */
import { guardItemKey, type ItemKey, rowItemKey } from "./item.ts";
import { idOfStream, type OnePerStreamProjection, type Projection, type RowKey } from "./projection.ts";
import { RowChangeError } from "./row-write.ts";

/** DynamoDB's limits on the bytes of a key's parts. */
const longestPartition = 2_048;
const longestSort = 1_024;

/**
 * The key, if DynamoDB can hold one like it. Throws {@link RowChangeError} otherwise: asking for it would fail the reads of
 * all the keys that are asked for with it.
 */
function possibleKey(key: ItemKey): ItemKey {
  const isPossible = (part: string, longest: number): boolean => part !== "" && Buffer.byteLength(part) <= longest;
  const { pk, sk } = key;
  if (isPossible(pk.S ?? "", longestPartition) && isPossible(sk.S ?? "", longestSort)) return key;
  const limits = `1 to ${longestPartition} and 1 to ${longestSort} bytes`;
  throw new RowChangeError(`key ${JSON.stringify([pk.S, sk.S]).slice(0, 200)}: its parts must be of ${limits}`);
}

/** A key that a projection gives. Throws {@link RowChangeError} where no row can have it. */
export function checkedRowKey(key: RowKey): RowKey {
  possibleKey(rowItemKey(key));
  if (!key.partition.startsWith("_")) return key;
  throw new RowChangeError(`row key ${JSON.stringify([key.partition, key.sort])}: none may start with "_"`);
}

/** The row that a stream owns. Throws {@link RowChangeError}. */
export function ownedRowKey(projection: OnePerStreamProjection, stream: string): RowKey {
  return checkedRowKey(projection.rowOf(idOfStream(projection, stream)));
}

/** The guard sits in the row that the stream owns, or is an item of its own. Throws {@link RowChangeError}. */
export function guardKeyOf(projection: Projection, stream: string): ItemKey {
  return projection.rows === "shared" ? possibleKey(guardItemKey(stream)) : rowItemKey(ownedRowKey(projection, stream));
}

/** The same, or undefined where the stream's name leads to a key that nothing can have: anybody may name a stream. */
export function possibleGuardKeyOf(projection: Projection, stream: string): ItemKey | undefined {
  try {
    return guardKeyOf(projection, stream);
  } catch (error) {
    if (error instanceof RowChangeError) return undefined;
    throw error;
  }
}
