/** Faults between live delivery and DynamoDB: nothing is lost, nothing counts twice, and an outage is told from a bad event. */
import { randomUUID } from "node:crypto";
import {
  ConditionalCheckFailedException,
  type DynamoDBClient,
  ProvisionedThroughputExceededException,
  TransactionCanceledException,
} from "@aws-sdk/client-dynamodb";
import { afterEach, describe, expect, it } from "vitest";
import { EventStoreUnavailableError } from "../../../engine/event-store/errors.ts";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";
import { ViewsUnavailableError } from "../../../engine/views/dynamodb.ts";
import { applyEvents, isInfrastructureFailure, type LiveWriter } from "../../../engine/views/live-writer.ts";
import {
  changed,
  counted,
  errorNamed,
  failing,
  type Fault,
  faultyDynamoDB,
  guardAt,
  losingTheFirstAnswer,
  owned,
  report,
  shared,
  timeout,
  useViews,
} from "./views-for-test.ts";

const views = useViews();

const faulty: DynamoDBClient[] = [];
afterEach(() => {
  for (const dynamodb of faulty.splice(0)) dynamodb.destroy();
});

function withFault(writer: LiveWriter, command: string, fault: Fault, where?: "beyond-retries" | "each-attempt") {
  const dynamodb = faultyDynamoDB(command, fault, where);
  faulty.push(dynamodb);
  return { ...writer, dynamodb };
}

const metadata = { $metadata: {}, message: "injected" };

const throttled = (): Error => new ProvisionedThroughputExceededException(metadata);

const cancelled =
  (...codes: readonly string[]) =>
  (): Error =>
    new TransactionCanceledException({ ...metadata, CancellationReasons: codes.map((Code) => ({ Code })) });

const last = (events: readonly StoredEvent[]): StoredEvent => {
  const event = events.at(-1);
  if (event === undefined) throw new Error("there are no events");
  return event;
};

const kinds = [
  {
    kind: "one row per stream",
    projection: owned,
    command: "UpdateItemCommand",
    events: [changed({ add: { sum: 1 } }), changed({ add: { sum: 10 } })],
    rows: (id: string, sum: number) => ({ [`${id}/account`]: { sum } }),
  },
  {
    kind: "shared rows",
    projection: shared,
    command: "TransactWriteItemsCommand",
    events: [counted({ row: 1 }), counted({ row: 10 })],
    rows: (_: string, sum: number) => ({ "totals/row": { sum, events: 2 } }),
  },
] as const;

describe.each(kinds)("a write of $kind", ({ projection, command, events: given, rows }) => {
  const set = async () => {
    const id = randomUUID();
    const stream = `account-${id}`;
    const events = await views.append(stream, given);
    const writer = await views.writer(projection);
    const once = { rows: rows(id, 11), guards: { [stream]: guardAt(last(events)) } };
    return { stream, events, writer, once };
  };

  it("counts once when its answer is lost and the client sends it again", async () => {
    const { events, writer, once } = await set();
    let attempts = 0;
    const counting: Fault = (call, send) => {
      attempts = call;
      return losingTheFirstAnswer(call, send);
    };
    const { failures, applied, duplicates } = await applyEvents(
      withFault(writer, command, counting, "each-attempt"),
      events,
    );
    expect(failures).toStrictEqual([]);
    // The second attempt either is known to be the first again, or fails on the guard that the first one moved.
    expect([
      { applied: 2, duplicates: 0 },
      { applied: 0, duplicates: 1 },
    ]).toContainEqual({ applied, duplicates });
    expect(attempts).toBeGreaterThanOrEqual(2);
    expect(await views.contents(writer)).toStrictEqual(once);
  });

  it("counts once when its answer is lost for good and the events are delivered again", async () => {
    const { stream, events, writer, once } = await set();
    const lossy = withFault(writer, command, losingTheFirstAnswer);
    const { failures } = await applyEvents(lossy, events);
    expect(failures).toStrictEqual([{ stream, revision: 0n, error: errorNamed("ViewsUnavailableError") }]);
    expect(failures.map(({ error }) => isInfrastructureFailure(error))).toStrictEqual([true]);
    expect(await views.contents(writer)).toStrictEqual(once);
    expect(await applyEvents(lossy, events)).toStrictEqual(report(0, { duplicates: 1 }));
    expect(await views.contents(writer)).toStrictEqual(once);
  });

  it("fails as infrastructure when it is throttled, and goes through later", async () => {
    const { stream, events, writer, once } = await set();
    const slow = withFault(writer, command, failing(1, throttled));
    const { failures } = await applyEvents(slow, events);
    expect(failures).toStrictEqual([{ stream, revision: 0n, error: errorNamed("ViewsUnavailableError") }]);
    expect(failures.map(({ error }) => isInfrastructureFailure(error))).toStrictEqual([true]);
    expect(await views.items(writer.generation.table)).toStrictEqual([]);
    expect(await applyEvents(slow, events)).toStrictEqual(report(2));
    expect(await views.contents(writer)).toStrictEqual(once);
  });

  it("fails as infrastructure when its guard cannot be read, after a write or before a gap, and counts no duplicate", async () => {
    const { stream, events, writer } = await set();
    const [beyond] = await views.append(stream, given.slice(1));
    for (const [batch, revision] of [
      [events.slice(1), 1n],
      [[...events.slice(0, 1), ...(beyond === undefined ? [] : [beyond])], 0n],
    ] as const) {
      const blind = withFault(writer, "GetItemCommand", failing(1, timeout));
      const { failures, ...counts } = await applyEvents(blind, batch);
      expect(failures).toStrictEqual([{ stream, revision, error: errorNamed("ViewsUnavailableError") }]);
      expect(failures.map(({ error }) => isInfrastructureFailure(error))).toStrictEqual([true]);
      expect(counts).toStrictEqual({ applied: 0, duplicates: 0, gapsFilled: 0, waiting: [] });
    }
  });

  it("fails as infrastructure when the event store does not answer for a gap", async () => {
    const { stream, events, writer } = await set();
    class Silent extends EventStore {
      override readStream(): ReturnType<EventStore["readStream"]> {
        throw new EventStoreUnavailableError("injected");
      }
    }
    const { failures } = await applyEvents({ ...writer, eventStore: new Silent(views.store.client) }, events.slice(1));
    expect(failures).toStrictEqual([{ stream, revision: 0n, error: new EventStoreUnavailableError("injected") }]);
    expect(failures.map(({ error }) => isInfrastructureFailure(error))).toStrictEqual([true]);
  });

  it("applies nothing twice when another writer comes first between look and write", async () => {
    const { events, writer, once } = await set();
    const late = withFault(writer, command, async (call, send) => {
      if (call === 1) expect(await applyEvents(writer, events)).toStrictEqual(report(2));
      return send();
    });
    expect(await applyEvents(late, events)).toStrictEqual(report(0, { duplicates: 1 }));
    expect(await views.contents(writer)).toStrictEqual(once);
  });

  it("applies only the rest when another writer has come half the way between look and write", async () => {
    const { events, writer, once } = await set();
    const late = withFault(writer, command, async (call, send) => {
      if (call === 1) expect(await applyEvents(writer, events.slice(0, 1))).toStrictEqual(report(1));
      return send();
    });
    expect(await applyEvents(late, events)).toStrictEqual(report(1));
    expect(await views.contents(writer)).toStrictEqual(once);
  });

  it("gives up as infrastructure when the guard moves before every try, without end", async () => {
    const { stream, events, writer } = await set();
    let tries = 0;
    const contended = withFault(writer, command, (call) => {
      tries = call;
      return Promise.reject(
        command === "UpdateItemCommand"
          ? new ConditionalCheckFailedException(metadata)
          : cancelled("ConditionalCheckFailed", "None")(),
      );
    });
    expect(await applyEvents(contended, events)).toStrictEqual({
      ...report(0),
      failures: [
        { stream, revision: 0n, error: new ViewsUnavailableError(`the guard of ${stream} keeps moving: try again`) },
      ],
    });
    expect(tries).toBe(13);
  });
});

describe("a transaction of several streams", () => {
  const set = async () => {
    const streams = [1, 2, 3].map(() => `account-${randomUUID()}`);
    const events: StoredEvent[] = [];
    for (const stream of streams) events.push(...(await views.append(stream, [counted({ row: 1 })])));
    const once = {
      rows: { "totals/row": { sum: 3, events: 3 } },
      guards: Object.fromEntries(events.map((event) => [event.stream, guardAt(event)])),
    };
    return { streams, events, writer: await views.writer(shared), once };
  };

  it("is tried again when it conflicts with another on the same row", async () => {
    const { events, writer, once } = await set();
    const calls: number[] = [];
    const contended = withFault(writer, "TransactWriteItemsCommand", (call, send) => {
      calls.push(call);
      return failing(3, cancelled("None", "None", "None", "TransactionConflict"))(call, send);
    });
    expect(await applyEvents(contended, events)).toStrictEqual(report(3));
    expect(calls).toStrictEqual([1, 2, 3, 4]);
    expect(await views.contents(writer)).toStrictEqual(once);
  });

  it("leaves out the stream whose guard moved and writes the others", async () => {
    const { events, writer, once } = await set();
    const late = withFault(writer, "TransactWriteItemsCommand", async (call, send) => {
      if (call === 1) await applyEvents(writer, events.slice(1, 2));
      return send();
    });
    expect(await applyEvents(late, events)).toStrictEqual(report(2, { duplicates: 1 }));
    expect(await views.contents(writer)).toStrictEqual(once);
  });

  it.each(["ThrottlingError", "ProvisionedThroughputExceeded"])(
    "that is cancelled for %s fails as infrastructure, for all of its streams, at once",
    async (code) => {
      const { streams, events, writer, once } = await set();
      let calls = 0;
      const slow = withFault(writer, "TransactWriteItemsCommand", (call, send) => {
        calls = call;
        return failing(1, cancelled("None", code, "None", "None"))(call, send);
      });
      const { failures } = await applyEvents(slow, events);
      expect(failures).toStrictEqual(
        streams.map((stream) => ({ stream, revision: 0n, error: errorNamed("ViewsUnavailableError") })),
      );
      expect(failures.every(({ error }) => isInfrastructureFailure(error))).toBe(true);
      expect(calls).toBe(1);
      expect(await applyEvents(slow, events)).toStrictEqual(report(3));
      expect(await views.contents(writer)).toStrictEqual(once);
    },
  );
});

describe("a failure is of infrastructure", () => {
  it.each([
    ["DynamoDB throttles", throttled(), true],
    ["a transaction is throttled", cancelled("None", "ThrottlingError")(), true],
    ["no answer comes in time", timeout(), true],
    ["a connection is reset", Object.assign(new Error("read"), { code: "ECONNRESET" }), true],
    ["a name is not resolved", Object.assign(new Error("lookup"), { code: "EAI_AGAIN" }), true],
    ["the views are unavailable", new ViewsUnavailableError("injected"), true],
    ["the event store is unavailable", new EventStoreUnavailableError("injected"), true],
    ["a transaction is refused", cancelled("None", "ValidationError")(), false],
    ["a request is refused", Object.assign(new Error("bad"), { name: "ValidationException" }), false],
    ["a projector fails", new TypeError("cannot read"), false],
    ["something is thrown that is no error", "ECONNRESET", false],
  ])("when %s: %o is %s", (_, error, expected) => {
    expect(isInfrastructureFailure(error)).toBe(expected);
  });
});

describe("an outage", () => {
  it.each(kinds)(
    "ends a batch early, so that its time-outs do not add up: $kind",
    async ({ projection, command, events }) => {
      const writer = await views.writer(projection);
      let calls = 0;
      const dead = withFault(writer, command, (call) => {
        calls = call;
        return Promise.reject(timeout());
      });
      const batch: StoredEvent[] = [];
      for (let streams = 0; streams < 250; streams += 1) {
        const [first] = events;
        batch.push(...(await views.append(`account-${randomUUID()}`, [first])));
      }
      const { failures, ...counts } = await applyEvents(dead, batch);
      expect(counts).toStrictEqual({ applied: 0, duplicates: 0, gapsFilled: 0, waiting: [] });
      expect(new Set(failures.map(({ stream }) => stream)).size).toBe(250);
      expect(failures.every(({ revision, error }) => revision === 0n && isInfrastructureFailure(error))).toBe(true);
      expect(calls).toBeLessThan(30);
      // Nothing is lost by it.
      expect(await applyEvents(writer, batch)).toStrictEqual(report(250));
    },
  );
});
