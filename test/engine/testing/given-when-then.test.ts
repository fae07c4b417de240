/** The kit passes what is exactly so, and fails on everything else with a message that tells the whole case. */
import { AssertionError } from "node:assert";
import { describe, expect, it } from "vitest";
import type { AggregateDecider } from "../../../engine/commands/aggregate.ts";
import { given } from "../../../engine/testing/given-when-then.ts";

interface Parcel {
  readonly status: "unknown" | "sent" | "held";
}

interface ParcelEvent {
  readonly type: string;
  readonly data: unknown;
}

interface ParcelRejection {
  readonly rejection: "PARCEL_HELD" | "PARCEL_UNKNOWN";
  readonly message: string;
}

/** Decides whatever the command says, so that a test can say what comes. */
type ParcelCommand = { readonly decides: readonly ParcelEvent[] | ParcelRejection } | { readonly throws: unknown };

const parcel: AggregateDecider<Parcel, ParcelCommand, ParcelEvent, ParcelRejection> = {
  initialState: { status: "unknown" },
  evolve: (_, { type, data }) => {
    if (type === "Held") return { status: "held" };
    if (type === "Sent") return { status: "sent" };
    throw new TypeError(`no such event: ${String(data)}`);
  },
  decide: (_, command) => {
    if ("throws" in command) throw command.throws;
    return command.decides;
  },
};

const sent = (data: unknown = { grams: 500 }): ParcelEvent => ({ type: "Sent", data });
const held: ParcelEvent = { type: "Held", data: { reason: "no stamp" } };
const refused: ParcelRejection = { rejection: "PARCEL_HELD", message: "put a stamp on it" };

const deciding = (decides: readonly ParcelEvent[] | ParcelRejection) => given(parcel, [held]).when({ decides });

function failureOf(run: () => void): AssertionError {
  try {
    run();
  } catch (error) {
    if (error instanceof AssertionError) return error;
    throw error;
  }
  throw new Error("it passed");
}

describe("given, when, then", () => {
  it("passes what is exactly so", () => {
    const at = new Date(0);
    deciding([sent({ at, weight: 1n, seen: new Map([["a", new Set([1])]]) }), held]).then([
      sent({ seen: new Map([["a", new Set([1])]]), weight: 1n, at: new Date(0) }),
      held,
    ]);
    deciding(refused).then({ message: "put a stamp on it", rejection: "PARCEL_HELD" });
    deciding(refused).thenRejected("PARCEL_HELD");
    deciding([]).thenNothing();
    deciding([]).then([]);
    deciding([sent()]).thenState((state) => state, { status: "sent" });
    deciding([]).thenState(({ status }) => status, "held");
    given(parcel, []).thenState((state) => state, { status: "unknown" });
    given(parcel, [sent(), held]).thenState(({ status }) => status, "held");
  });

  class Weight {
    readonly grams = 500;
  }

  it.each<[string, readonly ParcelEvent[], readonly ParcelEvent[], ...(readonly string[])]>([
    ["a wrong field", [sent({ grams: 501 })], [sent()], "+       grams: 501", "-       grams: 500"],
    ["a wrong type of event", [held], [{ ...held, type: "Sent" }], "+     type: 'Held'", "-     type: 'Sent'"],
    ["another order", [sent(), held], [held, sent()], "+     type: 'Sent'", "-     type: 'Sent'"],
    ["an extra event", [sent(), held], [sent()], "+   {", "+     type: 'Held'"],
    ["a missing event", [sent()], [sent(), held], "-   {", "-     type: 'Held'"],
    ["an event twice", [sent(), sent()], [sent()], "+     type: 'Sent'"],
    ["an extra field", [sent({ grams: 500, by: "air" })], [sent()], "+       by: 'air',"],
    ["a missing field", [sent({})], [sent()], "-       grams: 500"],
    [
      "a field that is undefined, not missing",
      [sent({ grams: 500, by: undefined })],
      [sent()],
      "+       by: undefined,",
    ],
    [
      "a field that is missing, not undefined",
      [sent()],
      [sent({ grams: 500, by: undefined })],
      "-       by: undefined,",
    ],
    [
      "null for undefined",
      [sent({ by: null })],
      [sent({ by: undefined })],
      "+       by: null",
      "-       by: undefined",
    ],
    [
      "another date",
      [sent({ at: new Date(0) })],
      [sent({ at: new Date(1) })],
      "+       at: 1970-01-01T00:00:00.000Z",
      "-       at: 1970-01-01T00:00:00.001Z",
    ],
    [
      "a date for its text",
      [sent({ at: new Date(0) })],
      [sent({ at: "1970-01-01T00:00:00.000Z" })],
      "+       at: 1970-01-01T00:00:00.000Z",
      "-       at: '1970-01-01T00:00:00.000Z'",
    ],
    ["another bigint", [sent({ grams: 2n })], [sent({ grams: 3n })], "+       grams: 2n", "-       grams: 3n"],
    ["a bigint for a number", [sent({ grams: 500n })], [sent()], "+       grams: 500n", "-       grams: 500"],
    ["a text for a number", [sent({ grams: "500" })], [sent()], "+       grams: '500'", "-       grams: 500"],
    ["minus nothing for nothing", [sent({ grams: -0 })], [sent({ grams: 0 })], "+       grams: -0", "-       grams: 0"],
    ["an instance for a plain object", [sent(new Weight())], [sent()], "+     data: Weight {", "-     data: {"],
    ["a list for an object", [sent([])], [sent({})], "+     data: [],", "-     data: {},"],
    ["another set", [sent(new Set([1]))], [sent(new Set([2]))], "+       1", "-       2"],
  ])("fails on %s", (_, actual, expected, ...differences) => {
    const error = failureOf(() => deciding(actual).then(expected));
    for (const difference of differences) expect(error.message.split("\n")).toContain(`  ${difference}`);
    expect(error.message).toContain("+ actual - expected");
    expect(error.actual).toBe(actual);
    expect(error.expected).toBe(expected);
  });

  it("fails with the whole case, and nothing of it cut off", () => {
    const error = failureOf(() => deciding([sent({ grams: 501 })]).then([sent()]));
    expect(error.message).toBe(`other events than expected
Given
  { type: 'Held', data: { reason: 'no stamp' } }
When
  {
    decides: [ { type: 'Sent', data: { grams: 501 } } ]
  }
Expected
  [ { type: 'Sent', data: { grams: 500 } } ]
Actual
  [ { type: 'Sent', data: { grams: 501 } } ]
Difference
  Expected values to be strictly deep-equal:
  + actual - expected

    [
      {
        data: {
  +       grams: 501
  -       grams: 500
        },
        type: 'Sent'
      }
    ]`);
    const long = Array.from({ length: 200 }, (_, item) => item);
    const { message } = failureOf(() => deciding([sent([...long, "last"])]).then([sent([...long, "end"])]));
    expect(message).toContain("+       'last'");
    expect(message).toContain("-       'end'");
    expect(message).toMatch(/Actual[^]*'last'[^]*Difference/);
    expect(message).not.toContain("more items");
  });

  it("fails when events come where a rejection was expected, and the other way round", () => {
    expect(failureOf(() => deciding([sent()]).then(refused)).message).toMatch(
      /^events where a rejection was expected\n[^]*Expected\n {2}\{ rejection: 'PARCEL_HELD'[^]*Actual\n {2}\[ \{ type: 'Sent'/,
    );
    expect(failureOf(() => deciding([sent()]).thenRejected("PARCEL_HELD")).message).toMatch(
      /^events where a rejection was expected\n[^]*Expected\n {2}\{ rejection: 'PARCEL_HELD' \}\nActual\n {2}\[ \{ type: 'Sent'/,
    );
    expect(failureOf(() => deciding([]).thenRejected("PARCEL_HELD")).message).toMatch(/^events where a rejection/);
    expect(failureOf(() => deciding(refused).then([sent()])).message).toMatch(
      /^a rejection where events were expected\n[^]*Actual\n {2}\{ rejection: 'PARCEL_HELD', message: 'put a stamp on it' \}/,
    );
    expect(failureOf(() => deciding(refused).thenNothing()).message).toMatch(
      /^a rejection where events were expected\n/,
    );
  });

  it("fails on another rejection: by its code, and where the whole is given by its message", () => {
    expect(failureOf(() => deciding(refused).thenRejected("PARCEL_UNKNOWN")).message).toMatch(
      /^another rejection than expected\n[^]*Expected\n {2}\{ rejection: 'PARCEL_UNKNOWN' \}\nActual\n {2}\{ rejection: 'PARCEL_HELD'/,
    );
    const error = failureOf(() => deciding(refused).then({ ...refused, message: "put a stamp on" }));
    expect(error.message).toMatch(/^another rejection than expected\n/);
    expect(error.message).toContain("+   message: 'put a stamp on it',\n  -   message: 'put a stamp on',");
  });

  it("fails on events where nothing was to change", () => {
    const { message } = failureOf(() => deciding([sent()]).thenNothing());
    expect(message).toMatch(/^other events than expected\n[^]*Expected\n {2}\[\]\nActual\n {2}\[ \{ type: 'Sent'/);
  });

  it("fails on an answer that is none", () => {
    // What a switch without a case for the command gives at run time.
    const error = failureOf(() => deciding(undefined as unknown as ParcelRejection).thenNothing());
    expect(error.message).toMatch(/^the answer is neither a list of events nor a rejection\n/);
    for (const answer of [{}, { rejection: 1, message: "" }, Promise.resolve([])]) {
      const decides = answer as unknown as ParcelRejection;
      expect(failureOf(() => deciding(decides).thenRejected("PARCEL_HELD")).message).toMatch(/^the answer is neither/);
      expect(failureOf(() => deciding(decides).thenState(({ status }) => status, "held")).message).toMatch(
        /^the answer is neither/,
      );
    }
  });

  it("fails on another state, of the given events and after the decided ones", () => {
    const asGiven = failureOf(() => given(parcel, [sent(), held]).thenState((state) => state, { status: "sent" }));
    expect(asGiven.message).toMatch(
      /^another state than expected\nGiven\n {2}\{ type: 'Sent'[^]*\{ type: 'Held'[^]*Expected\n {2}\{ status: 'sent' \}/,
    );
    expect(asGiven.message).toContain("+   status: 'held'\n  -   status: 'sent'");
    const decided = failureOf(() => deciding([sent()]).thenState(({ status }) => status, "held"));
    expect(decided.message).toMatch(
      /^another state than expected\n[^]*When[^]*Then\n {2}\{ type: 'Sent'[^]*'sent' !== 'held'/,
    );
    const rejected = failureOf(() => deciding(refused).thenState(({ status }) => status, "held"));
    expect(rejected.message).toMatch(/^a rejection where events were expected\n/);
  });

  it("fails with what a decider throws, which is never to throw", () => {
    const deciding = failureOf(() => given(parcel, [sent()]).when({ throws: "too heavy" }).thenNothing());
    expect(deciding.message).toBe(`decide threw too heavy
Given
  { type: 'Sent', data: { grams: 500 } }
When
  { throws: 'too heavy' }`);
    expect(deciding.cause).toBe("too heavy");
    const lost = { type: "Lost", data: "at sea" };
    const evolving = failureOf(() => given(parcel, [sent(), lost]).when({ decides: [] }).thenNothing());
    expect(evolving.message).toBe(`evolve threw TypeError: no such event: at sea
Given
  { type: 'Sent', data: { grams: 500 } }
  { type: 'Lost', data: 'at sea' }
Event
  { type: 'Lost', data: 'at sea' }`);
    expect(evolving.cause).toBeInstanceOf(TypeError);
    expect(failureOf(() => given(parcel, [lost]).thenState((state) => state, { status: "held" })).message).toMatch(
      /^evolve threw TypeError/,
    );
  });

  it("does not pass for a promise, to be awaited or returned by mistake", async () => {
    const awaited = async (): Promise<unknown> => {
      // Whoever writes this means `.then([...])`, and would have compared nothing.
      await (deciding([]) as unknown as Promise<unknown>);
      return "passed";
    };
    await expect(awaited()).rejects.toThrow("this is no promise: give .then the expected events");
  });
});
