import { describe, expect, it } from "vitest";
import { addDays } from "../../../domain/kernel/instants.ts";
import { instantSchema } from "../../../domain/kernel/schemas.ts";

describe("adding days to an instant", () => {
  it.each([
    ["1996-07-04T00:00:00.000Z", 30, "1996-08-03T00:00:00.000Z"],
    ["1996-02-28T23:59:59.999Z", 1, "1996-02-29T23:59:59.999Z"],
    ["1997-02-28T00:00:00.000Z", 1, "1997-03-01T00:00:00.000Z"],
    ["1996-12-31T12:30:00.000Z", 1, "1997-01-01T12:30:00.000Z"],
    // Clocks of many places go forward in between; UTC does not.
    ["2026-03-28T12:00:00.000Z", 2, "2026-03-30T12:00:00.000Z"],
    ["1996-07-04T00:00:00.000Z", 0, "1996-07-04T00:00:00.000Z"],
  ])("%s and %i days are %s", (instant, days, later) => {
    expect(addDays(instant, days)).toBe(later);
  });
});

describe("an instant", () => {
  it.each([
    ["1996-07-04T00:00:00Z", "1996-07-04T00:00:00.000Z"],
    ["1996-07-04T01:30:00+02:00", "1996-07-03T23:30:00.000Z"],
    ["1996-07-04T00:00:00.123456Z", "1996-07-04T00:00:00.123Z"],
    ["9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"],
    ["0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000Z"],
  ])("%s is kept as %s, and read back as that", (text, instant) => {
    expect(instantSchema.parse(text)).toBe(instant);
    expect(instantSchema.parse(instant)).toBe(instant);
  });

  it.each([
    "1996-07-04",
    "1996-07-04T00:00:00",
    "1996-02-30T00:00:00Z",
    // Written in a year of four digits, but not one in UTC: it could not be read back.
    "9999-12-31T23:59:59-01:00",
    "0000-01-01T00:00:00+01:00",
  ])("is not %s", (text) => {
    expect(instantSchema.safeParse(text).success).toBe(false);
  });
});
