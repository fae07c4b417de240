/**
 * Random operations on a few streams through the unmodified client, each compared with what a plain model in memory says
 * to it, and what can be read afterwards. A failure is shrunk to few operations, and prints its seed.
 */
import { randomUUID } from "node:crypto";
import {
  BACKWARDS,
  binaryEvent,
  END,
  FORWARDS,
  jsonEvent,
  START,
  StreamDeletedError,
  StreamNotFoundError,
  WrongExpectedVersionError,
  type AppendExpectedRevision,
  type AppendResult,
  type ExpectedRevision,
  type JSONType,
  type Position,
} from "@eventstore/db-client";
import fc from "fast-check";
import { expect, test } from "vitest";
import { collect, event, eventOf, newStream } from "../local/eventstoredb/event-store-for-test.ts";
import { useServerUnderTest } from "./server-under-test.ts";
import { ModelOfStreams, type Expected, type ModelOutcome, type Visible } from "./streams-model.ts";

const store = useServerUnderTest();
const credentials = { username: "admin", password: "changeit" };

const names = ["one", "two", "three"] as const;
const stream = fc.constantFrom(...names);
/** "last" is whatever the last revision is by then: so that streams grow. */
const expected = fc.oneof(
  fc.constantFrom<Expected | "last">("any", "no_stream", "stream_exists", "last", "last", "last"),
  fc.nat({ max: 5 }),
);
const metadata = fc.constantFrom<JSONType>(
  {},
  { $maxCount: 2 },
  { $tb: 3 },
  { $tb: 1, $maxCount: 2, colour: "blue" },
  { $tb: "1" },
  { $tb: 2, $maxCount: 0 },
  { $tb: 2, $acl: { $w: 1 } },
  [],
);
const operation = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      stream,
      expected,
      /** Few, so that repeats in the same and in other streams are common. */
      ids: fc.array(fc.nat({ max: 9 }), { maxLength: 3 }),
      form: fc.constantFrom("BatchAppend" as const, "Append" as const),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("delete" as const), stream, expected }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("tombstone" as const), stream, expected }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("metadata" as const), stream, metadata }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("link" as const), stream, revision: fc.integer({ min: -2, max: 5 }) }),
  },
);
type Operation = typeof operation extends fc.Arbitrary<infer Value> ? Value : never;

/** What a write did, without the position. */
type Written = ModelOutcome & { readonly position?: Position | undefined };

const refusal = (error: unknown): Written => {
  if (error instanceof StreamDeletedError) return { kind: "stream-deleted" };
  if (!(error instanceof WrongExpectedVersionError)) throw error;
  const { actualVersion } = error;
  return { kind: "wrong-expected-revision", actual: actualVersion === "no_stream" ? -1 : Number(actualVersion) };
};

/** One run: streams of its own, the model of them, and the positions that were given. */
class Run {
  readonly #model = new ModelOfStreams();
  readonly #prefix = newStream("model");
  readonly #ids = Array.from({ length: 10 }, () => randomUUID());
  readonly #links: { readonly stream: string; readonly revision: number }[] = [];
  readonly #positions = new Map<string, Position>();

  async do(step: Operation): Promise<void> {
    const name = this.#name(step.stream);
    switch (step.kind) {
      case "append":
        return this.#append(name, this.#expected(name, step.expected), step.ids, step.form);
      case "delete": {
        const wanted = this.#deleteExpected(name, step.expected);
        const deleting = store.client.deleteStream(name, { expectedRevision: deleteRevisionOf(wanted) });
        expect(await deleting.then(() => ({ kind: "deleted" }), refusal)).toEqual(this.#model.delete(name, wanted));
        return;
      }
      case "tombstone": {
        const wanted = this.#deleteExpected(name, step.expected);
        const deleting = store.client.tombstoneStream(name, { expectedRevision: deleteRevisionOf(wanted) });
        expect(await deleting.then(() => ({ kind: "deleted" }), refusal)).toEqual(this.#model.tombstone(name, wanted));
        return;
      }
      case "metadata": {
        const writing = store.client.appendToStream(`$$${name}`, jsonEvent({ type: "$metadata", data: step.metadata }));
        expect(await writing.then(appended, refusal)).toEqual(
          this.#model.setMetadata(name, JSON.stringify(step.metadata)),
        );
        return;
      }
      case "link":
        this.#links.push({ stream: name, revision: step.revision });
        await store.client.appendToStream(
          this.#name("links"),
          binaryEvent({ type: "$>", data: Buffer.from(`${step.revision}@${name}`) }),
        );
    }
  }

  async #append(name: string, wanted: Expected, numbers: readonly number[], form: string): Promise<void> {
    // A real server may leave a repeat that holds an id twice without an answer; appended it is like any other.
    const isAtEnd = wanted === this.#model.lastRevision(name);
    const ids = (isAtEnd ? numbers : [...new Set(numbers)]).map((number) => this.#ids[number] ?? "");
    const outcome = this.#model.append(
      name,
      wanted,
      ids.map((id) => ({ id })),
    );
    const appending = store.client.appendToStream(
      name,
      ids.map((id) => event("happened", { id }, id)),
      { expectedRevision: revisionOf(wanted), ...(form === "Append" ? { credentials } : {}) },
    );
    const result = await appending.then(
      (done) => done,
      (error: unknown) => {
        expect(refusal(error)).toEqual(outcome);
        if (error instanceof WrongExpectedVersionError) expect(error.expectedVersion).toBe(revisionOf(wanted));
        return undefined;
      },
    );
    if (result === undefined) return;
    if (outcome.kind !== "appended" && outcome.kind !== "repeated") throw new Error(`was to be ${outcome.kind}`);
    // The client tells no revision from the first one.
    expect(result.nextExpectedRevision).toBe(BigInt(Math.max(0, outcome.revision)));
    const place = `${name}/${outcome.revision}`;
    const isHidden = outcome.kind === "repeated" && outcome.hidden;
    expect(result.position === undefined).toBe(isHidden);
    const earlier = this.#positions.get(place);
    if (outcome.kind === "repeated" && !isHidden && earlier !== undefined) expect(result.position).toEqual(earlier);
    if (outcome.kind === "appended" && ids.length > 0 && result.position !== undefined)
      this.#positions.set(place, result.position);
  }

  async check(marker: Position, froms: readonly number[], count: number): Promise<void> {
    const reads = names
      .map((short) => this.#name(short))
      .flatMap((name) => [
        [this.#read(name, { fromRevision: START }), this.#model.read(name, true, 0, Infinity)] as const,
        [
          this.#read(name, { direction: BACKWARDS, fromRevision: END }),
          this.#model.read(name, false, Infinity, Infinity),
        ] as const,
        ...froms.flatMap((from) =>
          [FORWARDS, BACKWARDS].map(
            (direction) =>
              [
                this.#read(name, { direction, fromRevision: BigInt(from), maxCount: count }),
                this.#model.read(name, direction === FORWARDS, from, count),
              ] as const,
          ),
        ),
      ]);
    expect(await Promise.all(reads.map(([read]) => read))).toEqual(reads.map(([, wanted]) => wanted));
    await this.#checkLinks();
    await this.#checkAll(marker);
  }

  async #read(name: string, options: object): Promise<Visible> {
    try {
      const read = (await collect(store.client.readStream(name, options))).map(eventOf);
      for (const { id, revision } of read) expect(id).toBe(this.#model.id(name, Number(revision)));
      return read.map(({ revision }) => Number(revision));
    } catch (error) {
      if (error instanceof StreamNotFoundError) return "not-found";
      if (error instanceof StreamDeletedError) return "stream-deleted";
      throw error;
    }
  }

  async #checkLinks(): Promise<void> {
    if (this.#links.length === 0) return;
    const read = await collect(store.client.readStream(this.#name("links"), { resolveLinkTos: true }));
    expect(read.map((resolved) => resolved.event?.id)).toEqual(
      this.#links.map((link) => this.#model.target(link.stream, link.revision)),
    );
    expect(read.map(({ link }) => link?.type)).toEqual(this.#links.map(() => "$>"));
  }

  /** What others write to the server meanwhile is theirs. */
  async #checkAll(marker: Position): Promise<void> {
    const read = await collect(store.client.readAll({ fromPosition: marker }));
    const ours = read.map(eventOf).filter(({ streamId, type }) => streamId.includes(this.#prefix) && type !== "$>");
    expect(ours.map(({ streamId, revision }) => ({ stream: streamId, revision }))).toEqual(this.#model.log);
  }

  #name(short: string): string {
    return `${this.#prefix}-${short}`;
  }

  /** The client's deletes do not know "stream_exists". */
  #deleteExpected(name: string, wanted: Expected | "last"): Exclude<Expected, "stream_exists"> {
    const exact = this.#expected(name, wanted);
    return exact === "stream_exists" ? "any" : exact;
  }

  #expected(name: string, wanted: Expected | "last"): Expected {
    if (wanted !== "last") return wanted;
    const last = this.#model.lastRevision(name);
    return last < 0 ? "no_stream" : last;
  }
}

const deleteRevisionOf = (wanted: Exclude<Expected, "stream_exists">): ExpectedRevision =>
  typeof wanted === "number" ? BigInt(wanted) : wanted;
const revisionOf = (wanted: Expected): AppendExpectedRevision =>
  wanted === "stream_exists" ? wanted : deleteRevisionOf(wanted);
const appended = (result: AppendResult): Written => ({
  kind: "appended",
  revision: Number(result.nextExpectedRevision),
});

test("streams answer as the model does, whatever is done to them", { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(operation, { maxLength: 30, size: "max" }),
      fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 1, max: 4 }),
      async (operations, froms, count) => {
        const run = new Run();
        const { position } = await store.client.appendToStream(newStream("marker"), event());
        for (const step of operations) await run.do(step);
        await run.check(position ?? { commit: 0n, prepare: 0n }, froms, count);
      },
    ),
    { numRuns: 40 },
  );
});
