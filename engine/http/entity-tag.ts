/**
 * Entity tags (RFC 9110, 8.8.3): the strong tag of what a command answers is its stream's revision, `"3"`. A query's tag says in
 * addition which generation of the view was read and what was made of it, because both can change while the stream stands
 * still: `"3.<generation>.<digest>"`, or `"<generation>.<digest>"` where no single stream has a revision to tell.
 */
import { createHash } from "node:crypto";
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

/** What a query has read: a generation of a view, and in it the row of one stream or rows of many. */
export interface Source {
  readonly generation: string;
  readonly revision?: bigint;
}

/** 96 bits: enough to tell the answers apart that one resource ever gives. */
const digestLength = 16;

/** The tag of a query's answer. `body`: exactly as it is sent. */
export function etagOfAnswer({ generation, revision }: Source, body: string): string {
  const digest = createHash("sha256").update(body).digest("base64url").slice(0, digestLength);
  return `"${[...(revision === undefined ? [] : [revision.toString()]), generation, digest].join(".")}"`;
}

export interface EntityTag {
  readonly isWeak: boolean;
  /** What stands between the quotes. */
  readonly opaque: string;
}

const entityTag = /^(W\/)?"([\x21\x23-\x7E\x80-\xFF]*)"$/;

/** Reads the value of the header `field`: `*`, or a list of tags. Throws a 400 that names it for anything else. */
export function parseEntityTags(field: "If-Match" | "If-None-Match", header: string): "*" | readonly EntityTag[] {
  if (header.trim() === "*") return "*";
  const members = splitTags(header).filter((member) => member !== "");
  const tags = members.flatMap((member) => {
    const [tag, weakness, opaque = ""] = entityTag.exec(member) ?? [];
    return tag === undefined ? [] : [{ isWeak: weakness !== undefined, opaque }];
  });
  if (tags.length > 0 && tags.length === members.length) return tags;
  throw invalidRequest([{ field, message: 'must be * or a list of entity tags, for example "3"' }]);
}

/** A command's tag or that of a query of one stream: the stream's revision comes first in both. */
const tagWithRevision = /^(0|[1-9]\d{0,18})(?:\.[^.]+\.[^.]+)?$/;

/**
 * Reads the `If-Match` of a command. A weak tag, and one that names no revision, is well-formed and never matches: the
 * comparison is strong. Throws a 400 as {@link parseEntityTags} does.
 */
export function parseIfMatch(header: string): Precondition {
  const tags = parseEntityTags("If-Match", header);
  if (tags === "*") return { requires: "existing" };
  const revisions = tags
    .filter(({ isWeak }) => !isWeak)
    .flatMap(({ opaque }) => tagWithRevision.exec(opaque)?.[1] ?? []);
  return { requires: "revision", anyOf: revisions.map(BigInt) };
}

/** Splits at commas outside quotes; a tag may hold a comma. */
function splitTags(header: string): string[] {
  return (header.match(/(?:"[^"]*"|[^,"])+|(?<=,|^)(?=,|$)|"/g) ?? []).map((member) => member.trim());
}
