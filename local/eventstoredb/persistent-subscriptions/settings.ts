/** What a persistent subscription group is told when it is created or updated. Times are in milliseconds. */
export type ConsumerStrategyName = "RoundRobin" | "DispatchToSingle" | "Pinned";

export interface GroupSettings {
  readonly resolveLinkTos: boolean;
  /** Counts only until the first checkpoint; inclusive. A revision, or a position of `$all`. "end": what comes later. */
  readonly startFrom: bigint | "end";
  readonly extraStatistics: boolean;
  readonly messageTimeout: number;
  readonly maxRetryCount: number;
  /** 0: checkpoints are never written for their age. */
  readonly checkPointAfter: number;
  readonly minCheckPointCount: number;
  readonly maxCheckPointCount: number;
  /** 0: any number. */
  readonly maxSubscriberCount: number;
  readonly liveBufferSize: number;
  readonly readBatchSize: number;
  readonly historyBufferSize: number;
  readonly consumerStrategy: ConsumerStrategyName;
}

/** Why the settings cannot be used, in the real server's words; undefined where they can. */
export const settingsFault = (settings: GroupSettings): string | undefined => {
  if (settings.historyBufferSize <= 0) return "Buffer Size must be positive";
  if (settings.readBatchSize <= 0) return "Read Batch Size must be positive";
  if (settings.liveBufferSize < 0) return "Live Buffer Size must not be negative";
  if (settings.maxSubscriberCount < 0) return "Max Subscriber Count must not be negative";
  if (settings.maxRetryCount < 0) return "Max Retry Count must not be negative";
  if (settings.messageTimeout < 0) return "Message Timeout must not be negative";
  if (settings.checkPointAfter < 0) return "Check Point After must not be negative";
  if (settings.minCheckPointCount < 0 || settings.maxCheckPointCount < 0)
    return "Check Point Count must not be negative";
  if (settings.historyBufferSize <= settings.readBatchSize) return "BufferSize must be larger than ReadBatchSize";
  return undefined;
};
