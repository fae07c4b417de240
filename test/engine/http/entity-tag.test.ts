import { describe, expect, it } from "vitest";
import { etagHeader, etagOf, etagOfAnswer, parseEntityTags, parseIfMatch } from "../../../engine/http/entity-tag.ts";

describe("an entity tag", () => {
  it("is the revision in quotes, exact beyond what a number holds", () => {
    expect(etagOf(9_007_199_254_740_993n)).toBe('"9007199254740993"');
    expect([etagHeader(0n), etagHeader("no_stream")]).toStrictEqual([{ etag: '"0"' }, {}]);
  });

  it("of a query names the generation and what was made of it, and the revision where one stream has it", () => {
    const generation = "19960704T000000-1a2b3c4d";
    const digest = "RBNvo1WzZ4oRRq0W";
    expect(etagOfAnswer({ generation, revision: 9_007_199_254_740_993n }, "{}")).toBe(
      `"9007199254740993.${generation}.${digest}"`,
    );
    expect(etagOfAnswer({ generation }, "{}")).toBe(`"${generation}.${digest}"`);
    expect(etagOfAnswer({ generation }, '{"items":[]}')).not.toContain(digest);
  });
});

describe("If-Match", () => {
  it.each([
    ['"3"', [3n]],
    [' "3" , "4","5"', [3n, 4n, 5n]],
    ['"3",, "4"', [3n, 4n]],
    ['"9223372036854775807"', [9_223_372_036_854_775_807n]],
    ['"3.19960704T000000-1a2b3c4d.RBNvo1WzZ4oRRq0W"', [3n]],
    ['"3.g1.a-_b", "7"', [3n, 7n]],
  ])("%s names revisions", (header, anyOf) => {
    expect(parseIfMatch(header)).toStrictEqual({ requires: "revision", anyOf });
  });

  it.each([
    ['W/"3"'],
    ['"03"'],
    ['"abc"'],
    ['""'],
    ['"a,b"'],
    ['"99999999999999999999"'],
    ['W/"3.g1.a"'],
    ['"19960704.a"'],
    ['"03.g1.a"'],
    ['"3.g1"'],
    ['"3.g1."'],
    ['"3.g1.a.b"'],
  ])("%s is well-formed and matches nothing", (header) => {
    expect(parseIfMatch(header)).toStrictEqual({ requires: "revision", anyOf: [] });
  });

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

describe("a list of entity tags", () => {
  it("is read with what is weak in it, and may hold commas within a tag", () => {
    expect(parseEntityTags("If-None-Match", 'W/"3", "a,b"')).toStrictEqual([
      { isWeak: true, opaque: "3" },
      { isWeak: false, opaque: "a,b" },
    ]);
    expect(parseEntityTags("If-None-Match", "*")).toBe("*");
  });

  it("that is malformed names its header", () => {
    expect(() => parseEntityTags("If-None-Match", "3")).toThrow(
      expect.objectContaining({
        status: 400,
        errors: [{ field: "If-None-Match", message: 'must be * or a list of entity tags, for example "3"' }],
      }),
    );
  });
});
