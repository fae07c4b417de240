/** Arithmetic of instants: ISO 8601 text in UTC with milliseconds, as events keep them. */

const millisecondsADay = 86_400_000;

/**
 * The instant `days` times 24 hours later; UTC has no other days. Both ends must lie in the years 0000 to 9999, so that the
 * result reads as an instant again: the schema of whatever is added to sees to it.
 */
export function addDays(instant: string, days: number): string {
  return new Date(Date.parse(instant) + days * millisecondsADay).toISOString();
}
