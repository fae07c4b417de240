/** When an event that keeps failing is given up. The names are those of Lambda's event source mappings. */
import { z } from "zod";
import type { QuarantineRecord } from "./quarantine-record.ts";

export const retryLimitsSchema = z.strictObject({
  /** Tries after the first; what failed for want of infrastructure is no try. -1 is without end. */
  maximumRetryAttempts: z.int().min(-1).max(10_000).default(5),
  /** Since its first failure; an event that is older is given up at its next failure. -1 is for ever. */
  maximumRecordAgeInSeconds: z.int().min(-1).max(604_800).default(3_600),
});

export type RetryLimits = Readonly<z.output<typeof retryLimitsSchema>>;

const unlimited = -1;

/** Why the event is to be given up; undefined as long as it is to be tried again. */
export function reasonToGiveUp(
  { attempts, firstFailedAt, lastFailedAt }: QuarantineRecord,
  { maximumRetryAttempts, maximumRecordAgeInSeconds }: RetryLimits,
): string | undefined {
  if (maximumRetryAttempts !== unlimited && attempts > maximumRetryAttempts) return `failed ${attempts} times`;
  const ageSeconds = (Date.parse(lastFailedAt) - Date.parse(firstFailedAt)) / 1_000;
  if (maximumRecordAgeInSeconds === unlimited || ageSeconds < maximumRecordAgeInSeconds) return undefined;
  return `failed for ${Math.floor(ageSeconds)} s, ${attempts} times`;
}
