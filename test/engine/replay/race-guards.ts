/** What guards against each of the ten races that the design names, with what the code would be without it. */
import type { RemovedGuard } from "../../simulation/removed-guards.ts";

export interface RaceGuard extends Omit<RemovedGuard, "name"> {
  /** The beginning of the name of its test in `races.test.ts`. */
  readonly race: string;
}

export const raceGuards: readonly RaceGuard[] = [
  {
    race: "an event appended between back-fill and join",
    file: "engine/replay/close-seam.ts",
    text: "of roundsOfAll(eventStore, after, tail, eventsAtOnce)",
    without: "of roundsOfAll(eventStore, tail, tail, eventsAtOnce)",
  },
  {
    race: "overlap delivered twice",
    file: "engine/views/stream-write.ts",
    text: 'ConditionExpression: "#guard = :guard",',
    without: 'ConditionExpression: "#guard = :guard OR attribute_exists(#guard)",',
  },
  {
    race: "a late back-fill write after a live one",
    file: "engine/replay/lease.ts",
    text: "const quietAt = Math.max(before?.quietAt ?? 0, before?.owner === undefined ? 0 : before.leaseUntil + lateWriteMs);",
    without: "const quietAt = 0 * lateWriteMs;",
  },
  {
    race: "two replay workers",
    file: "engine/replay/lease.ts",
    text: "if (heldUntil > now) return { heldUntil };",
    without: "",
  },
  {
    race: "projection code changed mid-replay",
    file: "engine/replay/replay.ts",
    text: "|| !isDeployed(generation, this.#versions);",
    without: ";",
  },
  {
    race: "tail read on a follower",
    file: "engine/event-store/rounds-of-all.ts",
    text: "if (last === undefined || isAfter(target, last)) {",
    without: "if (last !== undefined && isAfter(last, last)) {",
  },
  {
    race: "a reader caching the old generation",
    file: "engine/views/view-reader.ts",
    text: 'if (!isNamed(error, "ResourceNotFoundException")) throw error;',
    without: "if (error !== undefined) throw error;",
  },
  {
    race: "a reader paging across the swap",
    file: "engine/views/view-reader.ts",
    text: "return this.#inGeneration(projection, after?.generation, async ({ id, table }) => {",
    without: "return this.#inGeneration(projection, undefined, async ({ id, table }) => {",
  },
  {
    race: "a stream deleted or truncated",
    file: "engine/views/gap.ts",
    text: "if (missing() !== undefined) {",
    without: "if (missing() === -1n) {",
  },
  {
    race: "a crash after every line of the above",
    file: "engine/replay/folded-item.ts",
    text: "if (this.#folded !== undefined && !isAfter(event.position, this.#folded)) return false;",
    without: "",
  },
];
