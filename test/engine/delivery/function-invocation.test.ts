/** What each answer of the Invoke API says about a batch. Only what never ran through no fault of the batch is `unreachable`. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectLambda, type InvocationOutcome, invokeFunction } from "../../../engine/delivery/function-invocation.ts";
import { encodeRecord } from "../../../engine/delivery/event-record.ts";
import { type Behaviour, InvokeApi } from "./invoke-api.ts";

const record = (stream: string): string =>
  encodeRecord({
    id: "8a1c4a36-5c1d-4c0e-9a36-25f1c9a2c001",
    stream,
    revision: 0n,
    position: { commit: 1n, prepare: 1n },
    type: "Happened",
    data: {},
    metadata: {},
    recordedAt: new Date(0),
  });

const records = new Map([
  ["0@a", record("a")],
  ["0@b", record("b")],
]);

describe("an invocation", () => {
  let api: InvokeApi;
  let lambda: ReturnType<InvokeApi["connect"]>;

  beforeAll(async () => {
    api = await InvokeApi.start();
    lambda = api.connect();
  });

  afterAll(async () => {
    lambda.destroy();
    await api.stop();
  });

  async function outcomeOf(behaviour: Behaviour, options: { timeoutMs?: number; signal?: AbortSignal } = {}) {
    api.behave(() => behaviour);
    const { timeoutMs = 5_000, signal = new AbortController().signal } = options;
    return said(await invokeFunction(lambda, { functionName: "f", timeoutMs, records, signal }));
  }

  /** Of an error only its code; of one that is not ours, nothing. */
  function said(outcome: InvocationOutcome): unknown {
    if (outcome.outcome === "answered") return [...outcome.failed];
    return outcome.outcome === "failed" ? outcome.error.code : "unreachable";
  }

  it("that is answered with an empty list did all of its work", async () => {
    expect(await outcomeOf({ failed: [] })).toStrictEqual([]);
  });

  it("that names items failed in those alone", async () => {
    expect(await outcomeOf({ failed: ["0@b"] })).toStrictEqual(["0@b"]);
  });

  it.each<[string, Behaviour, string]>([
    ["whose function threw", { threw: "no" }, "FUNCTION_ERROR"],
    ["that is answered with nothing", { answer: "" }, "FUNCTION_ANSWER_MALFORMED"],
    ["that is answered with null", { answer: "null" }, "FUNCTION_ANSWER_MALFORMED"],
    ["that is answered with an empty object", { answer: "{}" }, "FUNCTION_ANSWER_MALFORMED"],
    ["that is answered with half a document", { answer: '{"batchItemFailures": [' }, "FUNCTION_ANSWER_MALFORMED"],
    [
      "that names an empty item",
      { answer: '{"batchItemFailures": [{"itemIdentifier": ""}]}' },
      "FUNCTION_ANSWER_MALFORMED",
    ],
    ["that names an item that was not sent", { failed: ["0@b", "7@z"] }, "FUNCTION_ANSWER_MALFORMED"],
    ["whose connection breaks", { connection: "breaks" }, "FUNCTION_NO_ANSWER"],
    ["whose payload is too large", { status: 413, errorType: "RequestTooLargeException" }, "FUNCTION_PAYLOAD_REFUSED"],
  ])("%s failed as a whole", async (_, behaviour, code) => {
    expect(await outcomeOf(behaviour)).toBe(code);
  });

  it("that is not answered in time failed as a whole", async () => {
    expect(await outcomeOf({ connection: "hangs" }, { timeoutMs: 100 })).toBe("FUNCTION_NO_ANSWER");
  });

  it.each([
    [429, "TooManyRequestsException"],
    [500, "ServiceException"],
    [502, "EC2UnexpectedException"],
    [404, "ResourceNotFoundException"],
    [403, "AccessDeniedException"],
  ])("that the service refuses with %i never ran", async (status, errorType) => {
    expect(await outcomeOf({ status, errorType })).toBe("unreachable");
  });

  it("that nobody listens to never ran", async () => {
    const nobody = connectLambda({ region: "eu-central-1", endpoint: "http://127.0.0.1:1" });
    const { signal } = new AbortController();
    const outcome = await invokeFunction(nobody, { functionName: "f", timeoutMs: 5_000, records, signal });
    expect(said(outcome)).toBe("unreachable");
    nobody.destroy();
  });

  it("is sent once: whether to repeat it is not the client's to decide", async () => {
    const before = api.invocations.length;
    await outcomeOf({ status: 500, errorType: "ServiceException" });
    expect(api.invocations.slice(before)).toStrictEqual([["0@a", "0@b"]]);
  });
});
