/**
 * The list of all groups, kept in the stream `$persistentSubscriptionConfig` in the shape in which EventStoreDB keeps
 * it: the whole list is written at each change, so that the last event is enough to start from.
 */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { decodeRecord } from "../log/event.ts";
import type { EventFilterDefinition } from "../log/event-filter.ts";
import type { EventLog } from "../log/event-log.ts";
import { metadataStreamOf, systemTypes } from "../log/system-streams.ts";
import { formatPosition, parsePosition, type GroupKey } from "./group-key.ts";
import type { GroupSettings } from "./settings.ts";

export interface GroupDefinition extends GroupKey {
  readonly settings: GroupSettings;
  /** Only for `$all`. */
  readonly filter: EventFilterDefinition | undefined;
}

const configurationStream = "$persistentSubscriptionConfig";
const configurationType = "$PersistentConfig";
const formatVersion = "2";

const entrySchema = z.object({
  stream: z.string(),
  group: z.string(),
  filter: z
    .object({ on: z.enum(["stream", "event-type"]), regex: z.string(), prefixes: z.array(z.string()) })
    .nullable(),
  resolveLinkTos: z.boolean(),
  extraStatistics: z.boolean(),
  messageTimeout: z.number(),
  startPosition: z.string(),
  liveBufferSize: z.number(),
  historyBufferSize: z.number(),
  maxRetryCount: z.number(),
  readBatchSize: z.number(),
  checkPointAfter: z.number(),
  minCheckPointCount: z.number(),
  maxCheckPointCount: z.number(),
  maxSubscriberCount: z.number(),
  namedConsumerStrategy: z.enum(["RoundRobin", "DispatchToSingle", "Pinned"]),
});
const configurationSchema = z.object({ version: z.string(), entries: z.array(entrySchema) });
type Entry = z.infer<typeof entrySchema>;

export const startText = (source: string, startFrom: GroupSettings["startFrom"]): string =>
  formatPosition(source, startFrom === "end" ? -1n : startFrom);

const toEntry = ({ source, group, settings, filter }: GroupDefinition): Entry => ({
  stream: source,
  group,
  filter: filter === undefined ? null : { ...filter, prefixes: [...filter.prefixes] },
  resolveLinkTos: settings.resolveLinkTos,
  extraStatistics: settings.extraStatistics,
  messageTimeout: settings.messageTimeout,
  startPosition: startText(source, settings.startFrom),
  liveBufferSize: settings.liveBufferSize,
  historyBufferSize: settings.historyBufferSize,
  maxRetryCount: settings.maxRetryCount,
  readBatchSize: settings.readBatchSize,
  checkPointAfter: settings.checkPointAfter,
  minCheckPointCount: settings.minCheckPointCount,
  maxCheckPointCount: settings.maxCheckPointCount,
  maxSubscriberCount: settings.maxSubscriberCount,
  namedConsumerStrategy: settings.consumerStrategy,
});

const toDefinition = (entry: Entry): GroupDefinition => {
  const start = parsePosition(entry.stream, entry.startPosition);
  return {
    source: entry.stream,
    group: entry.group,
    filter: entry.filter ?? undefined,
    settings: {
      resolveLinkTos: entry.resolveLinkTos,
      startFrom: start === undefined || start < 0n ? "end" : start,
      extraStatistics: entry.extraStatistics,
      messageTimeout: entry.messageTimeout,
      maxRetryCount: entry.maxRetryCount,
      checkPointAfter: entry.checkPointAfter,
      minCheckPointCount: entry.minCheckPointCount,
      maxCheckPointCount: entry.maxCheckPointCount,
      maxSubscriberCount: entry.maxSubscriberCount,
      liveBufferSize: entry.liveBufferSize,
      readBatchSize: entry.readBatchSize,
      historyBufferSize: entry.historyBufferSize,
      consumerStrategy: entry.namedConsumerStrategy,
    },
  };
};

/** The groups that exist; none where the list was never written, or was overwritten with what is no list. */
export const loadConfiguration = (log: EventLog): readonly GroupDefinition[] => {
  const event = log.streams.event(configurationStream, -1n);
  if (event === undefined) return [];
  try {
    const data = Buffer.from(decodeRecord(event.record).data).toString("utf8");
    return configurationSchema.parse(JSON.parse(data)).entries.map(toDefinition);
  } catch {
    return [];
  }
};

const json = (type: string, value: unknown) => ({
  id: randomUUID(),
  type,
  isJson: true,
  data: Buffer.from(JSON.stringify(value)),
  metadata: new Uint8Array(0),
});

/** Resolves when the list is on disk. */
export const saveConfiguration = async (log: EventLog, definitions: readonly GroupDefinition[]): Promise<void> => {
  if (log.lastRevision(configurationStream) < 0n) {
    await log.append({
      stream: metadataStreamOf(configurationStream),
      expectedRevision: "any",
      events: [json(systemTypes.metadata, { $maxCount: 2 })],
    });
  }
  const configuration = {
    version: formatVersion,
    updated: new Date().toISOString(),
    updatedBy: "system",
    entries: definitions.map(toEntry),
  };
  await log.append({
    stream: configurationStream,
    expectedRevision: "any",
    events: [json(configurationType, configuration)],
  });
};
