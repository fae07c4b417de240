import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { PatientApi, type Patience } from "../../../local/sample-data/patient-api.ts";
import { MadeUpApi, problem } from "./made-up-api.ts";

const orderOf = (id: string) => ({ what: `order ${id}`, path: `/orders?${id}`, key: `import-${id}`, body: {} });
const asked = (id: string) => ({ method: "POST", path: `/orders?${id}`, key: `import-${id}` });
const noPatience: Patience = { first: 0, later: 0, untold: 0 };
const allPatience: Patience = { first: 0, later: 60_000, untold: 0 };
const unavailable = problem(503, "EVENT_STORE_UNAVAILABLE", "the event store does not answer");
const placed = { status: 201 };

describe("a request of the import", () => {
  let api: MadeUpApi;
  let told: string[];
  let going: AbortController;

  beforeEach(async () => {
    api = new MadeUpApi(() => placed);
    told = [];
    going = new AbortController();
    await api.open();
  });

  afterEach(() => api.close());

  const patient = (patience: Patience) => new PatientApi(new URL(api.url), (line) => told.push(line), patience);
  const failure = (posting: Promise<unknown>): Promise<unknown> =>
    posting.then(
      () => "done",
      (error: unknown) => error,
    );

  it.each([
    [
      problem(409, "ORDER_ALREADY_PLACED", "another request placed it"),
      "order 10248 was refused: another request placed it (409 ORDER_ALREADY_PLACED)",
    ],
    [
      problem(400, "INVALID_REQUEST", "2 fields are wrong: see errors", {
        errors: [
          { pointer: "/customerId", message: "is missing" },
          { field: "Idempotency-Key", message: "is too long" },
        ],
      }),
      "order 10248 was refused: 2 fields are wrong: see errors (400 INVALID_REQUEST); " +
        "/customerId is missing; Idempotency-Key is too long",
    ],
    [
      { status: 404, body: "<html>no such page</html>" },
      "order 10248 was refused: status 404 and no reason given: is it Tidemark's API?",
    ],
    [
      { status: 409, body: { message: "conflict" } },
      "order 10248 was refused: status 409 and no reason given: is it Tidemark's API?",
    ],
  ])("that is refused fails at once, with the reason in words", async (answer, message) => {
    api.answering = () => answer;
    expect(await failure(patient(allPatience).post(orderOf("10248"), going.signal))).toMatchObject({
      code: "REQUEST_REFUSED",
      message,
    });
    expect(api.received).toStrictEqual([asked("10248")]);
  });

  it.each([
    problem(409, "CONCURRENT_CHANGE", "others kept changing it"),
    unavailable,
    { status: 429 },
    { status: 502, body: "<html>bad gateway</html>" },
  ])("is tried again under the same key when it may go well later (%j)", async (answer) => {
    api.answering = (_, all) => (all.length < 3 ? answer : placed);
    await patient({ ...allPatience, untold: 60_000 }).post(orderOf("10248"), going.signal);
    const request = asked("10248");
    expect({ received: api.received, told }).toStrictEqual({ received: [request, request, request], told: [] });
  });

  it("fails soon where nothing has ever listened", async () => {
    await api.close();
    expect(await failure(patient(allPatience).post(orderOf("10248"), going.signal))).toMatchObject({
      code: "API_UNAVAILABLE",
      message: `nothing answers at ${api.url}/ (ECONNREFUSED): is npm start running?`,
    });
  });

  it("waits for an API that went away after an order, says so once, and goes on when it is back", async () => {
    const placing = patient(allPatience);
    await placing.post(orderOf("1"), going.signal);
    await api.close();
    const waiting = Promise.all(["2", "3"].map((id) => placing.post(orderOf(id), going.signal)));
    await expect.poll(() => told).toHaveLength(1);
    await api.open();
    await waiting;
    expect(told).toStrictEqual([`waiting for ${api.url}/ to get on (ECONNREFUSED); gives up after 60 s`]);
    expect(new Set(api.received.map(({ path }) => path))).toStrictEqual(
      new Set(["/orders?1", "/orders?2", "/orders?3"]),
    );
  });

  it("waits for an API that answers that it cannot yet, and gives up in the end", async () => {
    api.answering = () => unavailable;
    expect(await failure(patient(noPatience).post(orderOf("1"), going.signal))).toMatchObject({
      code: "API_UNAVAILABLE",
      message:
        `${api.url}/ has not got on for 0 s ` +
        "(the event store does not answer (503 EVENT_STORE_UNAVAILABLE)): is npm start running?",
    });
  });

  it("gives up also after it has said that it waits", async () => {
    api.answering = () => unavailable;
    const placing = patient({ first: 0, later: 2_000, untold: 0 });
    expect(await failure(placing.post(orderOf("1"), going.signal))).toMatchObject({ code: "API_UNAVAILABLE" });
    expect(told).toStrictEqual([
      `waiting for ${api.url}/ to get on ` +
        "(the event store does not answer (503 EVENT_STORE_UNAVAILABLE)); gives up after 2 s",
    ]);
  });

  it("ends with the signal's reason, under way as well as between two tries", async () => {
    const reason = new Error("enough");
    api.answering = () => {
      going.abort(reason);
      return undefined;
    };
    expect(await failure(patient(allPatience).post(orderOf("1"), going.signal))).toBe(reason);
    expect(api.received).toHaveLength(1);
    const pausing = new AbortController();
    const waiting = new PatientApi(new URL(api.url), () => pausing.abort(reason), allPatience);
    api.answering = () => unavailable;
    expect(await failure(waiting.post(orderOf("2"), pausing.signal))).toBe(reason);
  });

  it("waits where what it is about is not there yet, and hands back a refusal that the sender has an answer to", async () => {
    const missing = problem(404, "SHIPMENT_NOT_FOUND", "there is no such shipment");
    api.answering = (_, all) => (all.length < 3 ? missing : problem(409, "SHIPMENT_LOST", "it was lost"));
    const posting = { ...orderOf("1"), notYet: ["SHIPMENT_NOT_FOUND"], answered: ["SHIPMENT_LOST"] };
    expect(await patient({ ...allPatience, untold: 60_000 }).post(posting, going.signal)).toStrictEqual({
      outcome: "refused",
      code: "SHIPMENT_LOST",
    });
    expect(api.received).toHaveLength(3);
  });

  it("that reads waits for what is there, understood, and as far as it asks for", async () => {
    const answers = [
      problem(404, "ORDER_NOT_FOUND", "there is no order 1"),
      { status: 200, body: { status: 7 } },
      { status: 200, body: { status: "placed" } },
      { status: 200, body: { status: "completed", more: true } },
    ];
    api.answering = (_, all) => answers[all.length - 1];
    const until = ({ status }: { status: string }): boolean => status === "completed";
    const getting = { what: "order 1", path: "/orders/1", schema: z.object({ status: z.string() }), until };
    expect(await patient({ ...allPatience, untold: 60_000 }).get(getting, going.signal)).toStrictEqual({
      status: "completed",
    });
    expect(api.received).toStrictEqual(answers.map(() => ({ method: "GET", path: "/orders/1", key: undefined })));
  });
});
