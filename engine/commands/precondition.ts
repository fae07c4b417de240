import type { ExpectedRevision } from "../event-store/event-store.ts";

/** What the sender of a command requires of the stream (HTTP `If-Match`). */
export type Precondition =
  | { readonly requires: "existing" }
  /** One of these; an empty list is never met. */
  | { readonly requires: "revision"; readonly anyOf: readonly bigint[] };

export function isMet(precondition: Precondition, revision: ExpectedRevision): boolean {
  if (revision === "no_stream") return false;
  return precondition.requires === "existing" || precondition.anyOf.includes(revision);
}
