/** Which processes are told of as stalled, from rows that their events have made in a real DynamoDB. */
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { stalledProcesses, type StalledProcess } from "../../../local/order-to-cash/stalled-processes.ts";
import { OrderViews } from "../../functions/order-views.ts";
import {
  accepted,
  factsOf,
  noted,
  passed,
  processHistory,
  refused,
  retried,
  type Telling,
} from "../../projections/process-histories.ts";

describe("stalled processes", () => {
  let views: OrderViews;

  beforeAll(async () => {
    views = await OrderViews.made(inject("dynamodbEndpoint"));
  });

  afterAll(() => views.stop());

  const tell = (orderId: string, tellings: readonly Telling[]): Promise<void> =>
    views.append(`orderToCash-${orderId}`, processHistory(tellings).events);

  async function stalled(): Promise<StalledProcess[]> {
    await views.deliver();
    const { tablePrefix } = views;
    return stalledProcesses({ region: "eu-central-1", dynamodbEndpoint: inject("dynamodbEndpoint"), tablePrefix });
  }

  const [hourAgo, twoHoursAgo, inAnHour] = [-1, -2, 1].map((hours) =>
    new Date(Date.now() + hours * 3_600_000).toISOString(),
  );

  const scheduled = (orderId: string, recordedAt?: string): Telling[] => {
    const { received, planned } = factsOf(orderId, recordedAt);
    return [noted(received), accepted, accepted, accepted, noted(planned)];
  };

  const invoiced = (orderId: string, recordedAt?: string): Telling[] => {
    const { dispatched, invoiced } = factsOf(orderId, recordedAt);
    return [...scheduled(orderId, recordedAt), noted(dispatched), accepted, noted(invoiced)];
  };

  it("are none when every process goes on or waits for somebody, or has ended", async () => {
    const { withdrawn } = factsOf("ended");
    await tell("waiting", scheduled("waiting"));
    await tell("ended", [...scheduled("ended"), noted(withdrawn), accepted, accepted]);
    expect(await stalled()).toStrictEqual([]);
  });

  it("are unanswered, then, only when the answer takes longer than anybody waits", async () => {
    await tell("asked-now", [noted(factsOf("asked-now").received, inAnHour)]);
    await tell("asked-first", [noted(factsOf("asked-first").received, twoHoursAgo)]);
    await tell("asked-next", [noted(factsOf("asked-next").received, hourAgo)]);
    const reason = "reserve-credit has no answer yet: see the log of process-order-to-cash";
    expect(await stalled()).toStrictEqual([
      { orderId: "asked-first", state: "unanswered", since: twoHoursAgo, reason },
      { orderId: "asked-next", state: "unanswered", since: hourAgo, reason },
    ]);
  });

  it("are halted, unanswered or late, in this order, the longest first, and say why", async () => {
    const halting = (orderId: string, at?: string): Telling[] => [
      noted(factsOf(orderId).received),
      accepted,
      accepted,
      refused("SHIPMENT_ALREADY_SCHEDULED", "use another id", at),
    ];
    await tell("halted-next", halting("halted-next", hourAgo));
    await tell("halted-first", halting("halted-first", twoHoursAgo));
    await tell("retried", [...halting("retried"), retried, accepted]);
    await tell("unpaid", [...invoiced("unpaid", "2026-01-02T00:00:00.000Z"), passed("payment"), accepted]);
    await tell("unsent", [...scheduled("unsent", "2026-01-01T00:00:00.000Z"), passed("dispatch")]);
    await tell("sent-late", [
      ...scheduled("sent-late"),
      passed("dispatch"),
      noted(factsOf("sent-late").dispatched),
      accepted,
    ]);
    const refusal = "schedule-shipment was refused: use another id (SHIPMENT_ALREADY_SCHEDULED)";
    const found = await stalled();
    expect(found.filter(({ state }) => state !== "unanswered")).toStrictEqual([
      { orderId: "halted-first", state: "halted", since: twoHoursAgo, reason: refusal },
      { orderId: "halted-next", state: "halted", since: hourAgo, reason: refusal },
      { orderId: "unsent", state: "late", since: "2026-01-15T00:00:00.000Z", reason: "not dispatched in time" },
      { orderId: "unpaid", state: "late", since: "2026-02-01T00:00:00.000Z", reason: "not paid in time" },
    ]);
    const states = ["halted", "halted", "unanswered", "unanswered", "late", "late"];
    expect(found.map(({ state }) => state)).toStrictEqual(states);
  });

  it("are at most a hundred of each state, those that stand longest", async () => {
    const begin = Date.parse("2020-01-01T00:00:00.000Z");
    const many = Array.from({ length: 101 }, (_, index) => `many-${String(index).padStart(3, "0")}`);
    for (const [index, orderId] of many.entries()) {
      const at = new Date(begin - index * 1_000).toISOString();
      await tell(orderId, [noted(factsOf(orderId).received), refused("NOT_KNOWN", "what is that?", at)]);
    }
    const halted = (await stalled()).filter(({ state }) => state === "halted").map(({ orderId }) => orderId);
    expect(halted).toStrictEqual(many.toReversed().slice(0, 100));
  });
});
