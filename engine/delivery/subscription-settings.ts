/**
 * A trigger as data: which streams go to which function, and how. The names are those of Lambda's event source mappings
 * where they have one.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { retryLimitsSchema } from "../quarantine/retry-limits.ts";

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
  /** What the name of its persistent subscription to `$all` begins with. */
  name: z.string().regex(/^[A-Za-z0-9_-]{1,100}$/, "must be 1 to 100 letters, digits, '_' or '-'"),
  /** Of the function, as deployed. */
  functionName: z.string().min(1).max(170),
  /** Streams named `<category>-<id>`. By stream and not by event type, so that successors arrive without gaps. */
  categories: z
    .array(
      z.string().regex(/^[^-$.][^-.]*$/, "must be what stands before the first '-' of the streams' names, without '.'"),
    )
    .min(1)
    .readonly(),
  /** Which events of those streams; all of them without it. What does not match is acknowledged and never invoked for. */
  filterCriteria: filterCriteriaSchema.optional(),
  /** Where a group begins that has no predecessor: at the first event of the log, or behind the last. */
  startingPosition: z.enum(["TRIM_HORIZON", "LATEST"]).default("TRIM_HORIZON"),
  /** Most events in one invocation. */
  batchSize: z.int().min(1).max(10_000).default(500),
  /** Longest wait for a batch to fill. With 0 a batch is what arrived while the one before was away. */
  maximumBatchingWindowInSeconds: z.number().min(0).max(300).default(0),
  /** Lanes, which are invocations at once. A stream always goes to the same lane. */
  parallelizationFactor: z.int().min(1).max(64).default(4),
  /** Largest payload in bytes, measured as sent. */
  maximumPayloadBytes: z.int().min(1_000).max(lambdaPayloadBytes).default(5_900_000),
  /** Longest wait for an invocation; above the function's own time-out, so that Lambda's answer comes first. */
  invocationTimeoutMs: z.int().min(100).max(900_000).default(65_000),
  ...retryLimitsSchema.shape,
  /** What becomes of an event that is given up. */
  onFailure: z.literal("quarantine").default("quarantine"),
  /** Between two tries of the same events. */
  retry: backoffSchema.default({ baseMs: 100, maximumMs: 10_000 }),
});

/** Settings with all defaults; `group` names the persistent subscription. */
export type SubscriptionSettings = Readonly<z.output<typeof subscriptionSettingsSchema>> & { readonly group: string };

export class SubscriptionSettingsError extends Error {
  readonly code = "SUBSCRIPTION_SETTINGS";
  override readonly name = "SubscriptionSettingsError";
}

/** Checks settings and fills in defaults. Throws {@link SubscriptionSettingsError} that names what is wrong. */
export function subscriptionSettings(settings: z.input<typeof subscriptionSettingsSchema>): SubscriptionSettings {
  const result = subscriptionSettingsSchema.safeParse(settings);
  if (result.success) return { ...result.data, group: groupOf(result.data) };
  const wrong = result.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  throw new SubscriptionSettingsError(`subscription "${settings.name}": ${wrong.join("; ")}`);
}

const separator = ".";
/** In the name of a group that began behind the last event; no category can be called so. */
export const latestMark = "$latest";
/** In front of a digest of filter criteria. */
const criteriaMark = "$filter-";

export function isCriteria(part: string): boolean {
  return part.startsWith(criteriaMark);
}

/** The store never changes what a group reads, so its name says it: another filter, or another start, is another group. */
function groupOf(settings: z.output<typeof subscriptionSettingsSchema>): string {
  const start = settings.startingPosition === "LATEST" ? [latestMark] : [];
  return [settings.name, ...filterOf(settings), ...start].join(separator);
}

/** What a trigger reads, as its group's name says it: the categories, and a digest of the criteria where there are any. */
export function filterOf({
  categories,
  filterCriteria,
}: Pick<SubscriptionSettings, "categories" | "filterCriteria">): readonly string[] {
  const distinct = [...new Set(categories)].toSorted();
  if (filterCriteria === undefined) return distinct;
  const digest = createHash("sha256").update(JSON.stringify(filterCriteria)).digest("hex").slice(0, 8);
  return [...distinct, criteriaMark + digest];
}

/** What a group of the trigger `name` reads, as {@link filterOf} has it; undefined for a group of something else. */
export function filterOfGroup(name: string, group: string): readonly string[] | undefined {
  if (!group.startsWith(name + separator)) return undefined;
  return group.slice(name.length + 1).split(separator);
}

/** Events that the store gives out unacknowledged: a batch away and a batch waiting in each lane. */
export function bufferSize({ batchSize, parallelizationFactor }: SubscriptionSettings): number {
  return 2 * batchSize * parallelizationFactor;
}

/**
 * When the store takes an event for lost: later than the longest a healthy lane may take, which is when every event in the
 * buffer is of one lane and each of its invocations takes all its time.
 */
export function messageTimeoutMs(settings: SubscriptionSettings): number {
  const invocations = bufferSize(settings) / settings.batchSize;
  const eachMs = settings.invocationTimeoutMs + 1_000 * settings.maximumBatchingWindowInSeconds;
  return Math.min(Math.ceil(invocations * eachMs) + 10_000, 2_147_483_647);
}
