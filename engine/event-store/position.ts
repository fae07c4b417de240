/**
 * A place in `$all`: commit and prepare, both needed to name it. Written as `COMMIT/PREPARE` wherever a person or a
 * JSON document meets it, because neither half fits a JSON number.
 */
export interface Position {
  readonly commit: bigint;
  readonly prepare: bigint;
}

/** Before the first event. */
export const startOfAll: Position = { commit: 0n, prepare: 0n };

export function comparePositions(left: Position, right: Position): -1 | 0 | 1 {
  if (left.commit !== right.commit) return left.commit < right.commit ? -1 : 1;
  if (left.prepare !== right.prepare) return left.prepare < right.prepare ? -1 : 1;
  return 0;
}

export function isAfter(left: Position, right: Position): boolean {
  return comparePositions(left, right) > 0;
}

export function formatPosition(position: Position): string {
  return `${position.commit.toString()}/${position.prepare.toString()}`;
}

export class PositionFormatError extends Error {
  readonly code = "POSITION_FORMAT";
  override readonly name = "PositionFormatError";
}

/** Reads `COMMIT/PREPARE`. Throws {@link PositionFormatError} for anything else. */
export function parsePosition(text: string): Position {
  const match = /^(\d{1,20})\/(\d{1,20})$/.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) {
    throw new PositionFormatError(`"${text}" is not a position: give COMMIT/PREPARE, for example 1024/1024`);
  }
  return { commit: BigInt(match[1]), prepare: BigInt(match[2]) };
}
