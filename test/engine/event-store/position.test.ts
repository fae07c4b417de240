import { describe, expect, it } from "vitest";
import {
  comparePositions,
  formatPosition,
  parsePosition,
  PositionFormatError,
} from "../../../engine/event-store/position.ts";

describe("a position", () => {
  it("survives being written and read, past what a number can hold", () => {
    const position = { commit: 2n ** 63n - 1n, prepare: 2n ** 53n + 1n };
    expect(parsePosition(formatPosition(position))).toStrictEqual(position);
  });

  it("orders by commit, then by prepare", () => {
    expect(comparePositions({ commit: 1n, prepare: 9n }, { commit: 2n, prepare: 0n })).toBe(-1);
    expect(comparePositions({ commit: 2n, prepare: 1n }, { commit: 2n, prepare: 0n })).toBe(1);
    expect(comparePositions({ commit: 2n, prepare: 1n }, { commit: 2n, prepare: 1n })).toBe(0);
  });

  it.each(["", "1", "1/", "/1", "1/2/3", "-1/2", "0x1/2", "1 / 2", "1".repeat(21) + "/1"])("refuses %j", (text) => {
    expect(() => parsePosition(text)).toThrow(PositionFormatError);
  });
});
