/**
 * Random operations on a few streams, on the real log and on a plain model in memory, compared after each step: appends
 * with every expected revision, repeats, deletes, tombstones, metadata, reads both ways.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { decodeRecord, tombstoneRevision, type ProposedEvent } from "../../../local/eventstoredb/log/event.ts";
import { openEventLog, type EventLog } from "../../../local/eventstoredb/log/event-log.ts";
import type { ExpectedRevision } from "../../../local/eventstoredb/log/expected-revision.ts";

const directory = mkdtempSync(join(tmpdir(), "event-store-model-"));
let log: EventLog;
beforeAll(async () => {
  log = await openEventLog(directory);
});
afterAll(() => {
  log.close();
  rmSync(directory, { recursive: true });
});

/** The facts of one stream, in the plainest form. */
interface ModelStream {
  readonly ids: string[];
  readonly metadata: string[];
  tombstoned: boolean;
}

const maximum = tombstoneRevision.toString();

class Model {
  readonly streams = new Map<string, ModelStream>();
  readonly recent = new Map<string, { stream: string; revision: number }>();

  stream(name: string): ModelStream {
    const known = this.streams.get(name) ?? { ids: [], metadata: [], tombstoned: false };
    this.streams.set(name, known);
    return known;
  }

  append(name: string, expected: ExpectedRevision, ids: readonly string[]): string {
    const decision = this.decide(name, expected, ids);
    if (decision !== "append") return decision;
    const stream = this.stream(name);
    const wasDeleted = softDeleted(stream);
    const before = stream.ids.length;
    for (const id of ids) {
      if (!this.recent.has(id)) this.recent.set(id, { stream: name, revision: stream.ids.length });
      stream.ids.push(id);
    }
    if (wasDeleted) this.undelete(stream, before);
    return `appended ${stream.ids.length - 1}`;
  }

  delete(name: string, expected: ExpectedRevision): string {
    const decision = this.decide(name, expected, ["new"]);
    if (decision !== "append") return decision;
    const stream = this.stream(name);
    if (stream.ids.length === 0 && stream.metadata.length === 0) return "wrong -1";
    stream.metadata.push(`{"$tb":${maximum}}`);
    return "deleted";
  }

  tombstone(name: string, expected: ExpectedRevision): string {
    const decision = this.decide(name, expected, ["new"]);
    if (decision !== "append") return decision;
    this.stream(name).tombstoned = true;
    return "deleted";
  }

  setMetadata(name: string, text: string): string {
    const stream = this.stream(name);
    if (stream.tombstoned) return "stream-deleted";
    const wasDeleted = softDeleted(stream);
    stream.metadata.push(text);
    if (wasDeleted) this.undelete(stream, stream.ids.length);
    return "appended";
  }

  visible(name: string): number[] | "not-found" | "stream-deleted" {
    const stream = this.stream(name);
    if (stream.tombstoned) return "stream-deleted";
    if (stream.ids.length === 0 || softDeleted(stream)) return "not-found";
    const metadata = JSON.parse(stream.metadata.at(-1) ?? "{}") as { $tb?: number; $maxCount?: number };
    const lowest = Math.max(metadata.$tb ?? 0, stream.ids.length - (metadata.$maxCount ?? Infinity));
    return stream.ids.map((_, revision) => revision).filter((revision) => revision >= lowest);
  }

  undelete(stream: ModelStream, from: number): void {
    const last = JSON.parse(stream.metadata.at(-1) ?? "{}") as Record<string, unknown>;
    stream.metadata.push(JSON.stringify({ ...last, $tb: from }));
  }

  decide(name: string, expected: ExpectedRevision, ids: readonly string[]): string {
    const stream = this.stream(name);
    const last = stream.ids.length - 1;
    if (stream.tombstoned) return "stream-deleted";
    if (expected === "stream-exists" && softDeleted(stream)) return "stream-deleted";
    if (expected === "stream-exists" && last < 0 && stream.metadata.length === 0) return "wrong -1";
    if (expected === "any" || expected === "stream-exists") {
      const places = ids.map((id) => this.recent.get(id)).map((place) => (place?.stream === name ? place : undefined));
      if (places[0] === undefined) return "append";
      if (places.includes(undefined)) return `wrong ${last}`;
      if (new Set(ids).size < ids.length) return "ambiguous-repeat";
      return `repeated ${places.at(-1)?.revision}`;
    }
    const revision = expected === "no-stream" ? -1 : Number(expected);
    if (revision > last) return `wrong ${last}`;
    if (revision === last) return "append";
    const differs = ids.findIndex((id, index) => stream.ids[revision + 1 + index] !== id);
    if (differs === 0 && revision === -1 && softDeleted(stream)) return "append";
    if (differs >= 0 || ids.length === 0) return `wrong ${last}`;
    return `repeated ${revision + ids.length}`;
  }
}

const softDeleted = (stream: ModelStream): boolean => stream.metadata.at(-1)?.includes(maximum) === true;

const proposed = (id: string): ProposedEvent => ({
  id,
  type: "t",
  isJson: true,
  data: Buffer.from("{}"),
  metadata: new Uint8Array(0),
});

const uuid = (run: number, number: number): string =>
  `00000000-0000-4000-8000-${run.toString(16).padStart(6, "0")}${number.toString(16).padStart(6, "0")}`;

const outcomeOf = (outcome: {
  readonly kind: string;
  readonly revision?: bigint;
  readonly actual?: bigint;
}): string => {
  if (outcome.kind === "wrong-expected-revision") return `wrong ${outcome.actual}`;
  return outcome.revision === undefined ? outcome.kind : `${outcome.kind} ${outcome.revision}`;
};

const stream = fc.constantFrom("one", "two");
const expected: fc.Arbitrary<ExpectedRevision> = fc.oneof(
  fc.constantFrom<ExpectedRevision>("any", "no-stream", "stream-exists"),
  fc.bigInt({ min: 0n, max: 6n }),
);
/** Few ids, so that repeats in the same and in other streams are common. */
const ids = fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 3 });
const operation = fc.oneof(
  { weight: 10, arbitrary: fc.record({ kind: fc.constant("append" as const), stream, expected, ids }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete" as const), stream, expected }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("tombstone" as const), stream, expected }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("metadata" as const),
      stream,
      text: fc.constantFrom("{}", '{"$maxCount":2}', '{"$tb":3}', '{"a":1,"$tb":1,"$maxCount":4}'),
    }),
  },
);

test("streams behave as the model does", async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 40, size: "max" }), async (operations) => {
      run += 1;
      const model = new Model();
      const prefix = `run-${run}-`;
      for (const step of operations) {
        const name = prefix + step.stream;
        switch (step.kind) {
          case "append": {
            const batch = step.ids.map((number) => uuid(run, number));
            const outcome = await log.append({
              stream: name,
              expectedRevision: step.expected,
              events: batch.map(proposed),
            });
            expect(outcomeOf(outcome)).toBe(model.append(name, step.expected, batch));
            break;
          }
          case "delete":
            expect(outcomeOf(await log.delete({ stream: name, expectedRevision: step.expected }))).toBe(
              model.delete(name, step.expected),
            );
            break;
          case "tombstone":
            expect(outcomeOf(await log.tombstone({ stream: name, expectedRevision: step.expected }))).toBe(
              model.tombstone(name, step.expected),
            );
            break;
          case "metadata": {
            const event: ProposedEvent = {
              ...proposed(uuid(run, 1000 + operations.indexOf(step))),
              type: "$metadata",
              data: Buffer.from(step.text),
            };
            const outcome = await log.append({ stream: `$$${name}`, expectedRevision: "any", events: [event] });
            expect(outcome.kind).toBe(model.setMetadata(name, step.text));
          }
        }
        for (const each of [`${prefix}one`, `${prefix}two`]) {
          const wanted = model.visible(each);
          const forwards = log.streams.forwards(each, 0n, 1000);
          const backwards = log.streams.backwards(each, tombstoneRevision, 1000);
          if (typeof wanted === "string") {
            expect([forwards.kind, backwards.kind]).toEqual([wanted, wanted]);
            continue;
          }
          const read = (page: typeof forwards) =>
            page.kind === "page" ? page.events.map(({ revision }) => Number(revision)) : page.kind;
          expect(read(forwards)).toEqual(wanted);
          expect(read(backwards)).toEqual([...wanted].reverse());
          const metadata = log.streams.event(`$$${each}`, -1n);
          const text = metadata === undefined ? undefined : Buffer.from(decodeRecord(metadata.record).data).toString();
          expect(text).toBe(model.stream(each).metadata.at(-1));
        }
      }
    }),
    { numRuns: 150 },
  );
});
