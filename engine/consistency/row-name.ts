/** How people name a row: by its partition, its sort key, or both as `partition / sort`, which is how checks print it. */
import type { RowKey } from "../views/projection.ts";
import { rowText } from "./difference.ts";

/** What was asked for is no row, or several. */
export class RowNotFoundError extends Error {
  readonly code: "ROW_NOT_FOUND" | "ROW_AMBIGUOUS";
  override readonly name = "RowNotFoundError";

  constructor(code: RowNotFoundError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

const candidatesListed = 10;

export function isNamedBy(key: RowKey, asked: string): boolean {
  return key.partition === asked || key.sort === asked || rowText(key) === asked;
}

/** The keys that a text in full can stand for: where a part holds the separator itself, there are several. */
export function keysNamedBy(asked: string): readonly RowKey[] {
  const keys: RowKey[] = [];
  const separator = " / ";
  for (let at = asked.indexOf(separator); at >= 0; at = asked.indexOf(separator, at + 1)) {
    const key = { partition: asked.slice(0, at), sort: asked.slice(at + separator.length) };
    if (key.partition !== "" && key.sort !== "") keys.push(key);
  }
  return keys;
}

/** The one that was asked for. Throws {@link RowNotFoundError} where there is none, `none` saying so, or more than one. */
export function onlyRow<Found extends { readonly key: RowKey }>(
  all: readonly Found[],
  asked: string,
  none: string,
): Found {
  const [found, ...others] = all;
  if (found === undefined) {
    const hint = "give its partition, its sort key, or both as partition / sort";
    throw new RowNotFoundError("ROW_NOT_FOUND", `${none}: ${hint}`);
  }
  if (others.length === 0) return found;
  const names = all.slice(0, candidatesListed).map(({ key }) => `"${rowText(key)}"`);
  const more = all.length > candidatesListed ? ` and ${all.length - candidatesListed} more` : "";
  const listed = `${names.join(", ")}${more}`;
  throw new RowNotFoundError("ROW_AMBIGUOUS", `"${asked}" names ${all.length} rows, give one: ${listed}`);
}
