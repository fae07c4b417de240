/** Entity tags (RFC 9110, 8.8.3 and 13.1.1): the strong tag of a resource is its stream's revision. */
import type { ExpectedRevision } from "../event-store/event-store.ts";
import type { Precondition } from "../commands/precondition.ts";
import { invalidRequest } from "./validation.ts";

export function etagOf(revision: bigint): string {
  return `"${revision.toString()}"`;
}

/** `ETag` as a header; a stream that has no revision has no tag. */
export function etagHeader(revision: ExpectedRevision): { readonly etag?: string } {
  return revision === "no_stream" ? {} : { etag: etagOf(revision) };
}

const entityTag = /^(W\/)?"([\x21\x23-\x7E\x80-\xFF]*)"$/;
const canonicalRevision = /^(?:0|[1-9]\d{0,18})$/;

/**
 * Reads `If-Match`: `*`, or a list of tags. A weak tag, and one that is no revision, is well-formed and never matches: the
 * comparison is strong. Throws a 400 for anything else.
 */
export function parseIfMatch(header: string): Precondition {
  if (header.trim() === "*") return { requires: "existing" };
  const members = splitTags(header).filter((member) => member !== "");
  const tags = members.map((member) => entityTag.exec(member));
  if (tags.length === 0 || tags.includes(null)) {
    throw invalidRequest([{ field: "If-Match", message: 'must be * or a list of entity tags, for example "3"' }]);
  }
  const revisions = tags
    .filter((tag) => tag?.[1] === undefined)
    .map((tag) => tag?.[2] ?? "")
    .filter((text) => canonicalRevision.test(text));
  return { requires: "revision", anyOf: revisions.map(BigInt) };
}

/** Splits at commas outside quotes; a tag may hold a comma. */
function splitTags(header: string): string[] {
  return (header.match(/(?:"[^"]*"|[^,"])+|(?<=,|^)(?=,|$)|"/g) ?? []).map((member) => member.trim());
}
