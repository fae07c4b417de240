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

const least: readonly (readonly [keyof GroupSettings, string])[] = [
  ["historyBufferSize", "Buffer Size"],
  ["readBatchSize", "Read Batch Size"],
  ["liveBufferSize", "Live Buffer Size"],
  ["maxSubscriberCount", "Max Subscriber Count"],
  ["maxRetryCount", "Max Retry Count"],
  ["messageTimeout", "Message Timeout"],
  ["checkPointAfter", "Check Point After"],
  ["minCheckPointCount", "Min Check Point Count"],
  ["maxCheckPointCount", "Max Check Point Count"],
];

/**
 * Why the settings cannot be used; undefined where they can. Of a batch that is no smaller than the buffer the real server
 * says so in these words; numbers below zero it takes, and what becomes of the group then nobody knows.
 */
export const settingsFault = (settings: GroupSettings): string | undefined => {
  if (settings.readBatchSize >= settings.historyBufferSize) {
    return "Specified argument was out of the range of valid values. (Parameter 'ReadBatchSize may not be greater than or equal to BufferSize')";
  }
  const negative = least.find(([name]) => Number(settings[name]) < 0);
  return negative === undefined ? undefined : `${negative[1]} must not be negative`;
};
