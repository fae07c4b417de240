/** What a group reads and what it is called; and the streams in which the server keeps its state. */
export interface GroupKey {
  /** A stream's name, or "$all". */
  readonly source: string;
  readonly group: string;
}

export const allSource = "$all";

export const groupId = ({ source, group }: GroupKey): string => `${source}::${group}`;
export const checkpointStream = (key: GroupKey): string => `$persistentsubscription-${groupId(key)}-checkpoint`;
export const parkedStream = (key: GroupKey): string => `$persistentsubscription-${groupId(key)}-parked`;

/** Positions as checkpoints and information show them: "5" for a stream, "C:5/P:5" for `$all`. */
export const formatPosition = (source: string, position: bigint): string =>
  source === allSource ? `C:${position}/P:${position}` : position.toString();

export const parsePosition = (source: string, text: string): bigint | undefined => {
  const match = (source === allSource ? /^C:(-?\d+)\/P:-?\d+$/ : /^(-?\d+)$/).exec(text);
  return match?.[1] === undefined ? undefined : BigInt(match[1]);
};
