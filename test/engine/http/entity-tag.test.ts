import { describe, expect, it } from "vitest";
import { etagHeader, etagOf, parseIfMatch } from "../../../engine/http/entity-tag.ts";

describe("an entity tag", () => {
  it("is the revision in quotes, exact beyond what a number holds", () => {
    expect(etagOf(9_007_199_254_740_993n)).toBe('"9007199254740993"');
    expect([etagHeader(0n), etagHeader("no_stream")]).toStrictEqual([{ etag: '"0"' }, {}]);
  });
});

describe("If-Match", () => {
  it.each([
    ['"3"', [3n]],
    [' "3" , "4","5"', [3n, 4n, 5n]],
    ['"3",, "4"', [3n, 4n]],
    ['"9223372036854775807"', [9_223_372_036_854_775_807n]],
  ])("%s names revisions", (header, anyOf) => {
    expect(parseIfMatch(header)).toStrictEqual({ requires: "revision", anyOf });
  });

  it.each([['W/"3"'], ['"03"'], ['"abc"'], ['""'], ['"a,b"'], ['"99999999999999999999"']])(
    "%s is well-formed and matches nothing",
    (header) => {
      expect(parseIfMatch(header)).toStrictEqual({ requires: "revision", anyOf: [] });
    },
  );

  it("* asks for any existing revision", () => {
    expect(parseIfMatch(" * ")).toStrictEqual({ requires: "existing" });
  });

  it.each([["3"], [""], [","], ['"3'], ['3"'], ['"3" "4"'], ['*, "3"'], ['w/"3"'], ['"3"x'], ['"3", 4'], ['"a b"']])(
    "%j is malformed",
    (header) => {
      expect(() => parseIfMatch(header)).toThrow(
        expect.objectContaining({
          status: 400,
          errors: [{ field: "If-Match", message: 'must be * or a list of entity tags, for example "3"' }],
        }),
      );
    },
  );
});
