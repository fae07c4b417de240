/**
 * Random operations on a few streams, on the log itself and on a plain model in memory, compared after each step: also
 * what no client can send, such as metadata that is no JSON, and what a real server leaves without an answer.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { decodeRecord, tombstoneRevision, type ProposedEvent } from "../../../local/eventstoredb/log/event.ts";
import { openEventLog, type EventLog } from "../../../local/eventstoredb/log/event-log.ts";
import type { ExpectedRevision } from "../../../local/eventstoredb/log/expected-revision.ts";
import type { StreamPage } from "../../../local/eventstoredb/log/stream-reader.ts";
import { ModelOfStreams, type Expected, type ModelOutcome } from "../../contract/streams-model.ts";

const directory = mkdtempSync(join(tmpdir(), "event-store-model-"));
let log: EventLog;
beforeAll(async () => {
  log = await openEventLog(directory);
});
afterAll(() => {
  log.close();
  rmSync(directory, { recursive: true });
});

const proposed = (id: string, data = "{}", type = "t", isJson = true): ProposedEvent => ({
  id,
  type,
  isJson,
  data: Buffer.from(data),
  metadata: new Uint8Array(0),
});

const uuid = (run: number, number: number): string =>
  `00000000-0000-4000-8000-${run.toString(16).padStart(6, "0")}${number.toString(16).padStart(6, "0")}`;

const expectedRevision = (expected: Expected): ExpectedRevision => {
  if (typeof expected === "number") return BigInt(expected);
  return expected === "no_stream" ? "no-stream" : expected === "stream_exists" ? "stream-exists" : expected;
};

/** An outcome of the log as the model has it: a position is there or hidden. */
const outcomeOf = (outcome: Awaited<ReturnType<EventLog["append"] | EventLog["delete"]>>): ModelOutcome => {
  switch (outcome.kind) {
    case "appended":
      return { kind: outcome.kind, revision: Number(outcome.revision) };
    case "repeated":
      return { kind: outcome.kind, revision: Number(outcome.revision), hidden: outcome.position === undefined };
    case "wrong-expected-revision":
      return { kind: outcome.kind, actual: Number(outcome.actual) };
    case "deleted":
      return { kind: outcome.kind };
    default:
      return outcome;
  }
};

const names = ["one", "two"] as const;
const stream = fc.constantFrom(...names);
const expected = fc.oneof(
  fc.constantFrom<Expected | "last">("any", "no_stream", "stream_exists", "last", "last"),
  fc.nat({ max: 6 }),
);
/** Few ids, so that repeats in the same and in other streams are common, and doubles in a batch happen. */
const ids = fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 4 });
const operation = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant("append" as const), stream, expected, ids }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete" as const), stream, expected }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("tombstone" as const), stream, expected }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("metadata" as const),
      stream,
      text: fc.constantFrom(
        "{}",
        '{"$maxCount":2}',
        '{"$tb":3}',
        '{"a":1,"$tb":1,"$maxCount":2}',
        '{"$tb":"3"}',
        '{"$tb":2,"$acl":{"$x":"a"}}',
        '{"$maxCount":-1,"$tb":2}',
        `{"$tb":${tombstoneRevision},"a":1}`,
        "{",
        "",
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("link" as const), stream, revision: fc.integer({ min: -2, max: 6 }) }),
  },
);
type Operation = typeof operation extends fc.Arbitrary<infer Value> ? Value : never;

class Run {
  readonly #number: number;
  readonly #model = new ModelOfStreams();
  readonly #start = log.all.lastPosition();
  readonly #links: { readonly stream: string; readonly revision: number }[] = [];
  #nextId = 1000;

  constructor(number: number) {
    this.#number = number;
  }

  async do(step: Operation): Promise<void> {
    const name = this.#name(step.stream);
    switch (step.kind) {
      case "append": {
        const wanted = this.#expected(name, step.expected);
        const batch = step.ids.map((number) => uuid(this.#number, number));
        const events = batch.map((id) => proposed(id));
        const outcome = await log.append({ stream: name, expectedRevision: expectedRevision(wanted), events });
        const modelled = batch.map((id) => ({ id }));
        expect(outcomeOf(outcome)).toEqual(this.#model.append(name, wanted, modelled));
        return;
      }
      case "delete": {
        const wanted = this.#expected(name, step.expected);
        const outcome = await log.delete({ stream: name, expectedRevision: expectedRevision(wanted) });
        expect(outcomeOf(outcome)).toEqual(this.#model.delete(name, wanted));
        return;
      }
      case "tombstone": {
        const wanted = this.#expected(name, step.expected);
        const outcome = await log.tombstone({ stream: name, expectedRevision: expectedRevision(wanted) });
        expect(outcomeOf(outcome)).toEqual(this.#model.tombstone(name, wanted));
        return;
      }
      case "metadata": {
        const event = proposed(this.#newId(), step.text, "$metadata");
        const outcome = await log.append({ stream: `$$${name}`, expectedRevision: "any", events: [event] });
        expect(outcomeOf(outcome)).toEqual(this.#model.setMetadata(name, step.text));
        return;
      }
      case "link": {
        const event = proposed(this.#newId(), `${step.revision}@${name}`, "$>", false);
        await log.append({ stream: this.#name("links"), expectedRevision: "any", events: [event] });
        this.#links.push({ stream: name, revision: step.revision });
      }
    }
  }

  check(from: number, limit: number): void {
    for (const name of names.map((short) => this.#name(short))) {
      expect(this.#read(name, log.streams.forwards(name, 0n, 1000))).toEqual(this.#model.visible(name));
      const forwards = log.streams.forwards(name, BigInt(from), limit);
      expect(this.#read(name, forwards)).toEqual(this.#model.read(name, true, from, limit));
      const backwards = log.streams.backwards(name, BigInt(from), limit);
      expect(this.#read(name, backwards)).toEqual(this.#model.read(name, false, from, limit));
      const metadata = log.streams.event(`$$${name}`, -1n);
      const text = metadata === undefined ? undefined : Buffer.from(decodeRecord(metadata.record).data).toString();
      expect(text).toBe(this.#model.visible(name) === "stream-deleted" ? undefined : this.#model.metadata(name));
    }
  }

  checkAll(): void {
    const forwards = log.all.forwards(this.#start, 10_000).events;
    const all = forwards.map(({ record }) => decodeRecord(record)).filter(({ type }) => type !== "$>");
    expect(all.map((record) => ({ stream: record.stream, revision: record.revision }))).toEqual(this.#model.log);
    const backwards = log.all.backwards(log.all.end(), 300).events.map(({ position }) => position);
    expect(backwards.filter((position) => position > this.#start)).toEqual(
      forwards.map(({ position }) => position).toReversed(),
    );
    const page = log.streams.forwards(this.#name("links"), 0n, 1000);
    const links = page.kind === "page" ? page.events : [];
    expect(
      links.map((link) => {
        const { event } = log.resolve(link, true);
        return event === undefined ? undefined : decodeRecord(event.record).id;
      }),
    ).toEqual(this.#links.map((link) => this.#model.target(link.stream, link.revision)));
  }

  #read(name: string, page: StreamPage): readonly number[] | string {
    if (page.kind !== "page") return page.kind;
    for (const { record, revision } of page.events) {
      expect(decodeRecord(record).id).toBe(this.#model.id(name, Number(revision)));
    }
    return page.events.map(({ revision }) => Number(revision));
  }

  #name(short: string): string {
    return `run-${this.#number}-${short}`;
  }

  #newId(): string {
    this.#nextId += 1;
    return uuid(this.#number, this.#nextId);
  }

  #expected(name: string, wanted: Expected | "last"): Expected {
    if (wanted !== "last") return wanted;
    const last = this.#model.lastRevision(name);
    return last < 0 ? "no_stream" : last;
  }
}

test("streams behave as the model does", async () => {
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(operation, { maxLength: 40, size: "max" }),
      fc.nat({ max: 12 }),
      fc.integer({ min: 1, max: 5 }),
      async (operations, from, limit) => {
        runs += 1;
        const run = new Run(runs);
        for (const step of operations) {
          await run.do(step);
          run.check(from, limit);
        }
        run.checkAll();
      },
    ),
    { numRuns: 80 },
  );
});
