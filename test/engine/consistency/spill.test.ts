/** Collections on disk behave as those in memory do, however few of their entries are held. */
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { Spill } from "../../../engine/consistency/spill.ts";

function opened(held?: number): Spill {
  const spill = new Spill(held);
  onTestFinished(() => spill.close());
  return spill;
}

const keys = fc.constantFrom("a", "b", "c", "d", "ä", "f\u0000", "g");
const steps = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant("set" as const), key: keys, value: fc.bigInt() }),
    fc.record({
      do: fc.constantFrom("get" as const, "delete" as const, "list" as const),
      key: keys,
      value: fc.constant(0n),
    }),
  ),
  { maxLength: 60 },
);

describe.each([1, 3, 100])("with %i entries held", (held) => {
  it("a map is one", () => {
    const spill = opened(held);
    fc.assert(
      fc.property(steps, (asked) => {
        const map = spill.map<{ readonly value: bigint }>();
        const model = new Map<string, bigint>();
        for (const { do: what, key, value } of asked) {
          if (what === "set") {
            map.set(key, { value });
            model.set(key, value);
          } else if (what === "delete") {
            map.delete(key);
            model.delete(key);
          } else if (what === "get") {
            expect([map.get(key)?.value, map.has(key)]).toStrictEqual([model.get(key), model.has(key)]);
          } else {
            const listed = [...map.pages()].flatMap((page) =>
              page.map(([name, entry]) => [name, entry.value] as const),
            );
            expect(new Map(listed)).toStrictEqual(new Map(model));
            expect(map.size).toBe(model.size);
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  it("a set keeps each member once, and a list all in their order", () => {
    const spill = opened(held);
    const [sets, lists] = [spill.sets(), spill.lists<number>()];
    for (let number = 0; number < 50; number += 1) {
      sets.add(`row ${number % 4}`, `stream ${number % 6}`);
      lists.push(`row ${number % 4}`, number);
    }
    expect(sets.of("row 1").toSorted()).toStrictEqual(["stream 1", "stream 3", "stream 5"]);
    expect(sets.of("row 9")).toStrictEqual([]);
    expect([...lists.of("row 1")]).toStrictEqual([1, 5, 9, 13, 17, 21, 25, 29, 33, 37, 41, 45, 49]);
    expect([...lists.of("row 9")]).toStrictEqual([]);
  });
});

it("a map of several pages is listed whole, while entries are set and removed", () => {
  const map = opened(10).map<number>();
  for (let number = 0; number < 2_500; number += 1) map.set(`${number}`.padStart(4, "0"), number);
  let sum = 0;
  for (const page of map.pages()) {
    for (const [key, value] of page) {
      sum += value;
      if (value % 2 === 0) map.delete(key);
      else map.set(key, -1);
    }
  }
  expect([sum, map.size]).toStrictEqual([(2_499 * 2_500) / 2, 1_250]);
});
