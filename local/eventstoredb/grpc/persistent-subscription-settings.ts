/** Settings and filters of groups as requests carry them, deprecated fields included: the client still fills those. */
import persistent from "@eventstore/db-client/generated/persistent_pb.js";
import type { EventFilterDefinition } from "../log/event-filter.ts";
import { tombstoneRevision } from "../log/event.ts";
import { allSource, type GroupKey } from "../persistent-subscriptions/group-key.ts";
import type { ConsumerStrategyName, GroupSettings } from "../persistent-subscriptions/settings.ts";
import { handlerFailed, invalidArgument, persistentSubscriptionFailed } from "./status-errors.ts";
import { requireStreamName } from "./stream-name.ts";

type Options = persistent.CreateReq.Options | persistent.UpdateReq.Options;
type Settings = persistent.CreateReq.Settings | persistent.UpdateReq.Settings;
type AllOptions = persistent.CreateReq.AllOptions | persistent.UpdateReq.AllOptions;
type StreamOptions = persistent.CreateReq.StreamOptions | persistent.UpdateReq.StreamOptions;

const ticksPerMillisecond = 10_000;

export const groupKeyOf = (options: Options): GroupKey => ({
  source: options.hasAll()
    ? allSource
    : requireStreamName(options.getStream()?.getStreamIdentifier() ?? options.getStreamIdentifier()),
  group: options.getGroupName(),
});

const milliseconds = (settings: Settings, name: "MessageTimeout" | "CheckpointAfter"): number => {
  const [hasMs, ms, ticks] =
    name === "MessageTimeout"
      ? [settings.hasMessageTimeoutMs(), settings.getMessageTimeoutMs(), settings.getMessageTimeoutTicks()]
      : [settings.hasCheckpointAfterMs(), settings.getCheckpointAfterMs(), settings.getCheckpointAfterTicks()];
  return hasMs ? ms : Number(ticks) / ticksPerMillisecond;
};

const strategyName = (settings: Settings): ConsumerStrategyName => {
  const { ROUNDROBIN, PINNED } = persistent.CreateReq.ConsumerStrategy;
  const named = "getConsumerStrategy" in settings ? settings.getConsumerStrategy() : "";
  if (named === "RoundRobin" || named === "DispatchToSingle" || named === "Pinned") return named;
  // Create and Update have an enum each, with the same numbers.
  const strategy: number = settings.getNamedConsumerStrategy();
  const [roundRobin, pinned]: readonly number[] = [ROUNDROBIN, PINNED];
  if (strategy === roundRobin) return "RoundRobin";
  return strategy === pinned ? "Pinned" : "DispatchToSingle";
};

const streamStart = (stream: StreamOptions | undefined, settings: Settings): GroupSettings["startFrom"] => {
  if (stream?.hasStart() === true) return 0n;
  if (stream?.hasEnd() === true) return "end";
  const revision = BigInt(stream?.hasRevision() === true ? stream.getRevision() : settings.getRevision());
  return revision > tombstoneRevision ? "end" : revision;
};

const allStart = (key: GroupKey, all: AllOptions): GroupSettings["startFrom"] => {
  if (all.hasStart()) return 0n;
  const position = all.getPosition();
  if (position === undefined) return "end";
  const commit = BigInt(position.getCommitPosition());
  const prepare = BigInt(position.getPreparePosition());
  if (commit > tombstoneRevision) return "end";
  if (prepare > commit) {
    throw persistentSubscriptionFailed(
      key,
      "Invalid Start From position: prepare position must be less than or equal to the commit position.",
    );
  }
  return commit;
};

/** @throws StatusError for a position that cannot be */
export const groupSettingsOf = (key: GroupKey, options: Options): GroupSettings => {
  const settings = options.getSettings();
  if (settings === undefined) throw handlerFailed(new Error("The request has no settings."));
  const all = options.getAll();
  return {
    resolveLinkTos: settings.getResolveLinks(),
    startFrom: all === undefined ? streamStart(options.getStream(), settings) : allStart(key, all),
    extraStatistics: settings.getExtraStatistics(),
    messageTimeout: milliseconds(settings, "MessageTimeout"),
    maxRetryCount: settings.getMaxRetryCount(),
    checkPointAfter: milliseconds(settings, "CheckpointAfter"),
    minCheckPointCount: settings.getMinCheckpointCount(),
    maxCheckPointCount: settings.getMaxCheckpointCount(),
    maxSubscriberCount: settings.getMaxSubscriberCount(),
    liveBufferSize: settings.getLiveBufferSize(),
    readBatchSize: settings.getReadBatchSize(),
    historyBufferSize: settings.getHistoryBufferSize(),
    consumerStrategy: strategyName(settings),
  };
};

export const groupFilterOf = (options: persistent.CreateReq.Options): EventFilterDefinition | undefined => {
  const filter = options.getAll()?.getFilter();
  if (filter === undefined) return undefined;
  const expression = filter.getStreamIdentifier() ?? filter.getEventType();
  if (expression === undefined) throw invalidArgument("The filter has neither a stream nor an event type expression.");
  return {
    on: filter.hasStreamIdentifier() ? "stream" : "event-type",
    regex: expression.getRegex(),
    prefixes: expression.getPrefixList(),
  };
};
