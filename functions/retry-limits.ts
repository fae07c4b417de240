/** When the functions of this deployment give an event up; each is asked for a few tries within seconds, then it is quarantined. */
import { retryLimitsSchema } from "../engine/quarantine/retry-limits.ts";

export const retryLimits = retryLimitsSchema.parse({ maximumRetryAttempts: 5, maximumRecordAgeInSeconds: 3_600 });
