/** The memory of lately committed ids: 8 MiB by the real server's way of counting, the oldest leave first. */
import { expect, test } from "vitest";
import { RecentEventIds } from "../../../local/eventstoredb/log/recent-event-ids.ts";

const stream = "order-1";
/** 28 bytes an entry and two a letter of its stream's name. */
const room = Math.floor((8 * 1024 * 1024) / (28 + 2 * stream.length));

const remember = (ids: RecentEventIds, from: number, to: number): void => {
  for (let number = from; number < to; number += 1) ids.add(`id-${number}`, { stream, revision: BigInt(number) });
  ids.committed();
};

test("holds as many as fit, and of more the last ones, one by one and many at once", () => {
  const ids = new RecentEventIds();
  remember(ids, 0, room);
  expect(ids.get("id-0")).toEqual({ stream, revision: 0n });
  for (let number = room; number < room + 1_000; number += 1) remember(ids, number, number + 1);
  expect([ids.get("id-999"), ids.get("id-1000")]).toEqual([undefined, { stream, revision: 1000n }]);
  remember(ids, room + 1_000, 3 * room);
  expect(ids.get(`id-${2 * room - 1}`)).toBeUndefined();
  expect(ids.get(`id-${2 * room}`)).toEqual({ stream, revision: BigInt(2 * room) });
  expect(ids.get(`id-${3 * room - 1}`)).toEqual({ stream, revision: BigInt(3 * room - 1) });
});

test("an id keeps its first place, and one whose commit failed has none", () => {
  const ids = new RecentEventIds();
  remember(ids, 0, 1);
  ids.add("id-0", { stream: "other", revision: 7n });
  ids.add("lost", { stream, revision: 8n });
  expect(ids.get("lost")).toEqual({ stream, revision: 8n });
  ids.rollback();
  ids.add("id-0", { stream: "other", revision: 7n });
  ids.committed();
  expect([ids.get("id-0"), ids.get("lost")]).toEqual([{ stream, revision: 0n }, undefined]);
});
