/** Names that mean something to the server itself, and what `$all` leaves out. */
export const metadataStreamOf = (stream: string): string => `$$${stream}`;
export const isMetadataStream = (stream: string): boolean => stream.startsWith("$$");
export const originalStreamOf = (metadataStream: string): string => metadataStream.slice(2);

export const systemTypes = {
  link: "$>",
  metadata: "$metadata",
  streamDeleted: "$streamDeleted",
} as const;

/** `$$` alone would be the metadata of a stream without a name. */
export const isInvalidStreamName = (stream: string): boolean => stream === "" || stream === "$$";

/** The streams that `$all` never shows, to readers and subscriptions alike: reading them back would feed on itself. */
export const isHiddenFromAll = (stream: string): boolean =>
  stream === "$epoch-information" ||
  (stream.startsWith("$persistentsubscription-$all::") &&
    (stream.endsWith("-checkpoint") || stream.endsWith("-parked")));
