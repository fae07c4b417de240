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
import { allSource, formatPosition, parsePosition, type GroupKey } from "./group-key.ts";
import type { GroupSettings } from "./settings.ts";

export interface GroupDefinition extends GroupKey {
  readonly settings: GroupSettings;
  /** Only for `$all`. */
  readonly filter: EventFilterDefinition | undefined;
}

const configurationStream = "$persistentSubscriptionConfig";
const configurationType = "$PersistentConfig";
const formatVersion = "2";

/** The real server writes no zeros, no `false` and nothing that is absent; what is missing stands for those. */
const number = z.number().default(0);
const flag = z.boolean().default(false);

const filterSchema = z.object({
  context: z.enum(["streamid", "eventtype"]),
  type: z.enum(["prefix", "regex"]),
  /** An expression, or prefixes with commas between them. */
  data: z.string().default(""),
  /** Only ours, where a prefix has a comma itself: the real server takes such a one for two. */
  prefixes: z.array(z.string()).optional(),
});
const entrySchema = z.object({
  stream: z.string(),
  group: z.string(),
  filter: filterSchema.optional(),
  resolveLinkTos: flag,
  extraStatistics: flag,
  messageTimeout: number,
  startPosition: z.string(),
  liveBufferSize: number,
  historyBufferSize: number,
  maxRetryCount: number,
  readBatchSize: number,
  checkPointAfter: number,
  minCheckPointCount: number,
  maxCheckPointCount: number,
  maxSubscriberCount: number,
  namedConsumerStrategy: z.enum(["RoundRobin", "DispatchToSingle", "Pinned"]),
});
const configurationSchema = z.object({ version: z.string(), entries: z.array(entrySchema).default([]) });
type Entry = z.infer<typeof entrySchema>;

const toFilterEntry = ({ on, regex, prefixes }: EventFilterDefinition): object => ({
  context: on === "stream" ? "streamid" : "eventtype",
  type: regex === "" ? "prefix" : "regex",
  data: regex === "" ? prefixes.join(",") : regex,
  prefixes: prefixes.some((prefix) => prefix.includes(",")) ? prefixes : undefined,
  isAllStream: true,
});

const toFilter = ({ context, type, data, prefixes }: z.infer<typeof filterSchema>): EventFilterDefinition => ({
  on: context === "streamid" ? "stream" : "event-type",
  regex: type === "regex" ? data : "",
  prefixes: type === "regex" ? [] : (prefixes ?? data.split(",").filter((prefix) => prefix !== "")),
});

export const startText = (source: string, startFrom: GroupSettings["startFrom"]): string =>
  formatPosition(source, startFrom === "end" ? -1n : startFrom);

const toEntry = ({ source, group, settings, filter }: GroupDefinition): object =>
  withoutDefaults({
    stream: source,
    group,
    filter: filter === undefined ? undefined : toFilterEntry(filter),
    resolveLinkTos: settings.resolveLinkTos,
    extraStatistics: settings.extraStatistics,
    messageTimeout: settings.messageTimeout,
    // For servers that knew nothing of `$all` yet: there it is .NET's least number.
    startFrom: source === allSource ? -(2 ** 63) : Number(settings.startFrom === "end" ? -1n : settings.startFrom),
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

const withoutDefaults = (entry: Readonly<Record<string, unknown>>): object =>
  Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== 0 && value !== false));

const toDefinition = (entry: Entry): GroupDefinition => {
  const start = parsePosition(entry.stream, entry.startPosition);
  return {
    source: entry.stream,
    group: entry.group,
    filter: entry.filter === undefined ? undefined : toFilter(entry.filter),
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
