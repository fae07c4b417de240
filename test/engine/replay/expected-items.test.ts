import { readdirSync, readlinkSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ExpectedItem, ExpectedItems } from "../../../engine/replay/expected-items.ts";
import { rowItemKey } from "../../../engine/views/item.ts";

let items: ExpectedItems;

beforeEach(() => void (items = new ExpectedItems()));
afterEach(() => items.close());

const keyOf = (index: number): ExpectedItem["key"] =>
  rowItemKey({ partition: `p-${index % 7}`, sort: index.toString().padStart(6, "0") });

/** Sets an attribute of the items with these numbers. */
function change(numbers: readonly number[], value: number): void {
  items.change((item) => {
    for (const number of numbers) item(keyOf(number)).row.set("value", value);
  });
}

const numbersTo = (end: number): number[] => Array.from({ length: end }, (_, index) => index);
const sorted = <Value>(pages: Iterable<readonly Value[]>, of: (value: Value) => string | undefined): unknown[] =>
  [...pages].flat().map(of).sort();

describe("an item that was written", () => {
  it("is read as it was: big and nested values, guard and key", () => {
    const key = rowItemKey({ partition: "a\u0000b # ü", sort: "1:2" });
    const position = { commit: 2n ** 63n - 1n, prepare: 2n ** 53n + 1n };
    items.change((item) => {
      const { row } = item(key);
      row.set("big", 2n ** 70n);
      row.set("small", -3);
      row.set("nested", { list: [1, "two", null, { three: true }], empty: {} });
      Object.assign(item(key), { stream: "account-1", guard: { revision: 2n ** 53n + 1n, position } });
    });
    expect(items.find(key)).toStrictEqual({
      key,
      row: new Map<string, unknown>([
        ["big", 2n ** 70n],
        ["small", -3],
        ["nested", { list: [1, "two", null, { three: true }], empty: {} }],
      ]),
      stream: "account-1",
      guard: { revision: 2n ** 53n + 1n, position },
      isScavenged: false,
    });
  });

  it("is the same one as long as a change lasts, and what it was before in the next", () => {
    items.change((item) => {
      item(keyOf(1)).row.set("value", 1);
      item(keyOf(1)).row.set("other", item(keyOf(1)).row.get("value") ?? 0);
    });
    items.change((item) => {
      const { row } = item(keyOf(1));
      expect(Object.fromEntries(row)).toStrictEqual({ value: 1, other: 1 });
      row.delete("other");
    });
    expect(items.find(keyOf(1))?.row).toStrictEqual(new Map([["value", 1]]));
  });
});

it("tells rows, guards and scavenged streams apart", () => {
  change([1, 2], 1);
  items.change((item) => {
    const guard = { revision: 0n, position: { commit: 1n, prepare: 1n } };
    Object.assign(item(keyOf(2)), { stream: "account-2", guard });
    Object.assign(item(keyOf(3)), { stream: "account-3", guard, isScavenged: true });
    item(keyOf(1)).row.clear();
  });
  expect(items.counts()).toStrictEqual({ rows: 1, guards: 2, scavengedStreams: 1 });
});

it("gives what the last fold has changed, more than fits a page", () => {
  items.beginFold();
  change(numbersTo(2_500), 1);
  expect(sorted(items.moved(), ({ sk }) => sk.S)).toStrictEqual(numbersTo(2_500).map((n) => keyOf(n).sk.S));
  items.beginFold();
  change(numbersTo(1_200), 2);
  change([5, 2_600], 3);
  const moved = [...numbersTo(1_200), 2_600];
  expect(sorted(items.moved(), ({ sk }) => sk.S)).toStrictEqual(moved.map((n) => keyOf(n).sk.S));
  items.beginFold();
  expect([...items.moved()]).toStrictEqual([]);
});

it("knows in each walk anew what was not met", () => {
  change(numbersTo(2_500), 1);
  items.beginWalk();
  const met = items.meet([keyOf(7), keyOf(9_999), keyOf(8)]);
  expect(met.map((item) => item?.key)).toStrictEqual([keyOf(7), undefined, keyOf(8)]);
  const others = numbersTo(2_500).filter((n) => n !== 7 && n !== 8);
  expect(sorted(items.unmet(), ({ key }) => key.sk.S)).toStrictEqual(others.map((n) => keyOf(n).sk.S));
  items.beginWalk();
  items.meet(numbersTo(2_500).map(keyOf));
  expect([...items.unmet()]).toStrictEqual([]);
});

it.runIf(process.platform === "linux")(
  "lie on disk in a file that nobody finds any more, and that closing frees",
  () => {
    const others = openUnlinked();
    // More than SQLite keeps in memory.
    items.change((item) => {
      for (const number of numbersTo(5_000)) item(keyOf(number)).row.set("text", "x".repeat(10_000));
    });
    expect(openUnlinked()).toBe(others + 1);
    items.close();
    items.close();
    expect(openUnlinked()).toBe(others);
  },
);

/** Files that this process holds open and that have no name any more. */
function openUnlinked(): number {
  return readdirSync("/proc/self/fd").filter((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`).endsWith(" (deleted)");
    } catch {
      return false;
    }
  }).length;
}
