import { expect } from "vitest";

/** The tag of a query's answer about one stream, read from the generation `g1`. */
export function tagOf(revision: number | string): unknown {
  return expect.stringMatching(new RegExp(`^"${revision}\\.g1\\.[\\w-]{16}"$`));
}
