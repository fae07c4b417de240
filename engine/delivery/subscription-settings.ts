/**
 * A trigger as data: which streams go to which function, and how. The names are those of Lambda's event source mappings
 * where they have one.
 */
import { z } from "zod";

/** Lambda takes 6 MB (6,291,456 bytes) in a synchronous invocation. */
const lambdaPayloadBytes = 6 * 1024 * 1024;

const backoffSchema = z.strictObject({
  baseMs: z.int().min(1).max(60_000),
  maximumMs: z.int().min(1).max(600_000),
});

/** As in Lambda's filter criteria, a list names the values that match; all that is named must match. */
const filterCriteriaSchema = z.strictObject({
  type: z.array(z.string().min(1)).min(1).exactOptional(),
  metadata: z.record(z.string(), z.array(z.union([z.string(), z.number(), z.boolean()])).min(1)).exactOptional(),
});

export type FilterCriteria = Readonly<z.output<typeof filterCriteriaSchema>>;

const subscriptionSettingsSchema = z.strictObject({
  /** Name of the persistent subscription to `$all`. Another filter needs another group: a group's filter is fixed. */
  group: z.string().regex(/^[A-Za-z0-9_.-]{1,100}$/, "must be 1 to 100 letters, digits, '_', '.' or '-'"),
  /** Of the function, as deployed. */
  functionName: z.string().min(1).max(170),
  /** Streams named `<category>-<id>`. By stream and not by event type, so that successors arrive without gaps. */
  categories: z
    .array(z.string().regex(/^[^-$][^-]*$/, "must be what stands before the first '-' of the streams' names"))
    .min(1),
  /** Which events of those streams; all of them without it. What does not match is acknowledged and never invoked for. */
  filterCriteria: filterCriteriaSchema.optional(),
  /** Most events in one invocation. */
  batchSize: z.int().min(1).max(10_000).default(500),
  /** Longest wait for a batch to fill, in milliseconds. With 0 a batch is what arrived while the one before was away. */
  batchingWindowMs: z.int().min(0).max(300_000).default(0),
  /** Invocations at once. A stream always goes to the same lane. */
  lanes: z.int().min(1).max(64).default(4),
  /** Largest payload in bytes, measured as sent. */
  payloadBytes: z.int().min(1_000).max(lambdaPayloadBytes).default(5_900_000),
  /** Longest wait for an invocation; above the function's own time-out, so that Lambda's answer comes first. */
  invocationTimeoutMs: z.int().min(100).max(900_000).default(65_000),
  /** Between two tries of the same events. */
  retry: backoffSchema.default({ baseMs: 100, maximumMs: 10_000 }),
});

export type SubscriptionSettings = Readonly<z.output<typeof subscriptionSettingsSchema>>;

export class SubscriptionSettingsError extends Error {
  readonly code = "SUBSCRIPTION_SETTINGS";
  override readonly name = "SubscriptionSettingsError";
}

/** Checks settings and fills in defaults. Throws {@link SubscriptionSettingsError} that names what is wrong. */
export function subscriptionSettings(settings: z.input<typeof subscriptionSettingsSchema>): SubscriptionSettings {
  const result = subscriptionSettingsSchema.safeParse(settings);
  if (result.success) return result.data;
  const wrong = result.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  throw new SubscriptionSettingsError(`subscription "${settings.group}": ${wrong.join("; ")}`);
}

/** Events that the store gives out unacknowledged: a batch away and a batch waiting in each lane. */
export function bufferSize({ batchSize, lanes }: SubscriptionSettings): number {
  return 2 * batchSize * lanes;
}

/**
 * When the store takes an event for lost: later than the longest a healthy lane may take, which is when every event in the
 * buffer is of one lane and each of its invocations takes all its time.
 */
export function messageTimeoutMs(settings: SubscriptionSettings): number {
  const invocations = bufferSize(settings) / settings.batchSize;
  const longest = invocations * (settings.invocationTimeoutMs + settings.batchingWindowMs) + 10_000;
  return Math.min(longest, 2_147_483_647);
}
