/** Which views a check is asked for: by schedule every one, by hand also one, `{"view": "..."}`. */
import * as z from "zod";
import { viewNames } from "../projections/registry.ts";

const eventSchema = z.union([
  z.object({ source: z.literal("aws.events") }).transform(() => ({ view: undefined })),
  z.strictObject({ view: z.string().exactOptional() }),
]);

export class CheckEventError extends Error {
  readonly code = "CHECK_EVENT_INVALID";
  override readonly name = "CheckEventError";
}

/** Throws {@link CheckEventError}. */
export function viewsToCheck(event: unknown): readonly string[] {
  const parsed = eventSchema.safeParse(event ?? {});
  if (!parsed.success) throw new CheckEventError('the event is not understood: send {} or {"view": "<name>"}');
  return parsed.data.view === undefined ? viewNames : [parsed.data.view];
}
