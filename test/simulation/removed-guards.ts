/**
 * Guards and conditions of delivery, views, quarantine and replay, each with what the code would be without it. Histories must fail without
 * any of them.
 *
 * Not here is what another guard makes up for: that a stream keeps to one lane, for example, only saves work, because no two
 * writers can apply an event.
 */
export interface RemovedGuard {
  /** What is missing then. */
  readonly name: string;
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly text: string;
  readonly without: string;
  /** Where few histories miss it: the seed of one that does. */
  readonly firstSeed?: number;
}

export const removedGuards: readonly RemovedGuard[] = [
  {
    name: "a row is written only where its guard stands right before",
    file: "engine/views/stream-write.ts",
    text: "...merged(updateExpression(row, guardAttributes(write.guard)), condition),",
    without: "...updateExpression(row, guardAttributes(write.guard)),",
  },
  {
    name: "a row is replaced only where its guard stands right before",
    file: "engine/views/stream-write.ts",
    text: "              ...condition,\n",
    without: "",
  },
  {
    name: "a transaction is made only where the guards stand right before",
    file: "engine/views/stream-write.ts",
    text: "...merged(move, guardCondition(expected))",
    without: "...move",
  },
  {
    name: "a stream's first write finds no guard yet",
    file: "engine/views/stream-write.ts",
    text: '"attribute_not_exists(#guard)"',
    without: '"attribute_not_exists(#guard) OR attribute_exists(#guard)"',
  },
  {
    name: "what is missing between guard and batch is read",
    file: "engine/views/live-writer.ts",
    text: "if (ahead.length === 0 || isUnbroken(this.#expected, ahead)) return ahead;",
    without: "if (ahead.length >= 0) return ahead;",
  },
  {
    name: "events that a stream hides are read from $all",
    file: "engine/views/gap.ts",
    text: "if (missing() !== undefined) {",
    without: "if (missing() === -1n) {",
  },
  {
    name: "the events of a batch are put in order",
    file: "engine/views/live-writer.ts",
    text: "for (const delivered of streams.values()) delivered.sort((a, b) => (a.revision < b.revision ? -1 : 1));",
    without: "",
  },
  {
    name: "the generation that readers see is written last",
    file: "engine/delivery/project-batch.ts",
    text: "const beside: Beside[] = [];",
    without: "const beside: Beside[] = []; if (live !== undefined) await this.#applyTo(live, events);",
  },
  {
    name: "the catalog is looked at a second time",
    file: "engine/delivery/project-batch.ts",
    text: "if (isSamePicture(entry, now)) return",
    without: "if (isSamePicture(entry, entry)) return",
  },
  {
    name: "the catalog is read consistently",
    file: "engine/views/catalog.ts",
    text: "Key: catalogKey(projection), ConsistentRead: true",
    without: "Key: catalogKey(projection), ConsistentRead: false",
  },
  {
    name: "what cannot be read for another generation is not written to the live one",
    file: "engine/delivery/project-batch.ts",
    text: "const written = events.filter(({ stream }) => !before.heldBack.has(stream));",
    without: "const written = events;",
    firstSeed: 1_197_906_217,
  },
  {
    name: "what fails in a generation beside the live one is reported",
    file: "engine/delivery/project-batch.ts",
    text: "failures.push(...(await this.#stillFailing(generation, found, events)));",
    without: "",
  },
  {
    name: "what fails in the live generation is reported",
    file: "engine/delivery/project-batch.ts",
    text: "if (live !== undefined) failures.push(...(await this.#stillFailing(live, inLive?.failures ?? [], events)));",
    without: "",
  },
  {
    name: "an invocation that failed acknowledges nothing",
    file: "engine/delivery/lane.ts",
    text: 'if (outcome.outcome !== "answered") return new Set(batch);',
    without: 'if (outcome.outcome !== "answered") return new Set();',
  },
  {
    name: "from a stream's first failure on, nothing of it is acknowledged",
    file: "engine/delivery/lane.ts",
    text: "return streams.has(stream);",
    without: "return outcome.failed.has(item);",
  },
  {
    name: "a malformed answer is a failure",
    file: "engine/delivery/function-invocation.ts",
    text: "if (parsed.success && unknown === undefined) return",
    without: "if (unknown === undefined) return",
  },
  {
    name: "held events of a connection that is gone are let go",
    file: "engine/delivery/subscription.ts",
    text: "if (!held.inFlight) this.#held.delete(item);",
    without: "if (!held.inFlight) continue;",
  },
  {
    name: "a subscription that ended is opened again",
    file: "engine/delivery/subscription.ts",
    text: "if (this.#isStopping()) return;\n      failures",
    without: "if (this.#isStopping() || why !== undefined) return;\n      failures",
  },
  {
    name: "a group begins at the start of the log",
    file: "engine/delivery/consumer-group.ts",
    text: 'if (settings.startingPosition === "TRIM_HORIZON" && readsMore) return START;',
    without: "if (readsMore) return END;",
  },
  {
    name: "the store never parks an event",
    file: "engine/delivery/consumer-group.ts",
    text: "maxRetryCount: 2_147_483_647,",
    without: "maxRetryCount: 0,",
  },
  {
    name: "the seam between back-fill and live delivery is closed",
    file: "engine/replay/replay.ts",
    text: "const events = await closeSeam(seam, sealedTo ?? verifiedTo, tail);",
    without: "const events = await closeSeam(seam, tail, tail);",
  },
  {
    name: "rows that DynamoDB left unwritten are sent again",
    file: "engine/replay/batch-write.ts",
    text: "if (unprocessed.length === 0) return;",
    without: "if (unprocessed.length >= 0) return;",
  },
  {
    name: "keys that DynamoDB left unread are asked for again",
    file: "engine/consistency/table-items.ts",
    text: "if (unprocessed.length === 0) return items;",
    without: "if (unprocessed.length >= 0) return items;",
  },
  {
    name: "a rollback brings the former generation what closing the seam brought",
    file: "engine/replay/replay.ts",
    text: "await this.#bringUp(soaking, liveGeneration(entry));",
    without: "",
  },
  {
    name: "an event that fails behind one that is given up waits before it is acknowledged",
    file: "engine/quarantine/give-up.ts",
    text: "return waits(quarantine, record, last);",
    without: 'return "waiting";',
  },
  {
    name: "what waits is written down before it is acknowledged",
    file: "engine/quarantine/quarantine.ts",
    text: 'if (await taken(this.#dynamodb.send(raise))) return "waiting";',
    without: 'if (raise !== undefined) return "waiting";',
  },
  {
    name: "a record moves on only while nothing new waits",
    file: "engine/quarantine/quarantine.ts",
    text: "Item: itemOfRecord(next), ...unchanged(record) },",
    without: "Item: itemOfRecord(next) },",
  },
  {
    name: "a record goes only when all that waits is applied",
    file: "engine/quarantine/redrive.ts",
    text: "if (seen >= current.waitingTo) {",
    without: "if (seen >= current.revision) {",
  },
];
