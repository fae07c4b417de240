import type { StoredEvent } from "../event-store/stored-event.ts";
import type { FilterCriteria } from "./subscription-settings.ts";

/** Whether a function is to be invoked for the event: each of the criteria names a list of which one value must be there. */
export function matches(criteria: FilterCriteria | undefined, event: Pick<StoredEvent, "type" | "metadata">): boolean {
  if (criteria === undefined) return true;
  const { type: types, metadata: wanted = {} } = criteria;
  if (types !== undefined && !types.includes(event.type)) return false;
  const metadata = new Map<string, unknown>(Object.entries(event.metadata));
  return Object.entries(wanted).every(([name, values]) => values.some((value) => value === metadata.get(name)));
}
