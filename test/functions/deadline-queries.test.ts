/** Which deadlines of processes are due, read from a real DynamoDB. */
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { factsOf, noted, passed, processHistory, type Telling } from "../projections/process-histories.ts";
import { OrderViews } from "./order-views.ts";

describe("queries of deadlines", () => {
  let views: OrderViews;
  let functions: Awaited<ReturnType<typeof loadFunctions>>;

  beforeAll(async () => {
    views = await OrderViews.made(inject("dynamodbEndpoint"));
    views.setEnvironment(inject("dynamodbEndpoint"));
    functions = await loadFunctions();
  });

  afterAll(() => views.stop());

  const tell = (orderId: string, tellings: readonly Telling[]): Promise<void> =>
    views.append(`orderToCash-${orderId}`, processHistory(tellings).events);

  describe("the deadlines that are due", () => {
    const now = "2031-06-15T12:00:00.000Z";

    /** Planned 14 days before its dispatch is due. */
    async function due(orderId: string, dueAt: string): Promise<void> {
      const recordedAt = new Date(Date.parse(dueAt) - 14 * 86_400_000).toISOString();
      const { received, planned } = factsOf(orderId, recordedAt);
      await tell(orderId, [noted(received), noted(planned)]);
    }

    const collected = async (at: string): Promise<{ id: string; key: string; input: unknown }[]> => {
      const found: { id: string; key: string; input: unknown }[] = [];
      for await (const deadline of functions.dueAt(functions.views().reader, at)) found.push(deadline);
      return found;
    };

    it("are those whose time has come, earliest first, on all pages, and none of the future or the past", async () => {
      const earlier = Array.from({ length: 205 }, (_, index) => ({
        id: `due-${index}`,
        // Neither in the order of their ids nor of their events.
        dueAt: new Date(Date.parse("2031-06-01T00:00:00.000Z") + ((index * 89) % 205) * 60_000).toISOString(),
      }));
      for (const { id, dueAt } of earlier) await due(id, dueAt);
      await due("due-now", now);
      await due("due-later", "2031-06-15T12:00:00.001Z");
      const { received, planned } = factsOf("fired", "2030-01-01T00:00:00.000Z");
      await tell("fired", [noted(received), noted(planned), passed("dispatch", "2031-01-01T00:00:00.000Z")]);
      await views.deliver();
      const found = await collected(now);
      const expected = [...earlier.toSorted((left, right) => (left.dueAt < right.dueAt ? -1 : 1))];
      expect(found).toStrictEqual(
        [...expected, { id: "due-now", dueAt: now }].map(({ id, dueAt }) => ({
          id,
          input: { type: "PassDeadline", name: "dispatch", dueAt, at: now },
          key: `dispatch:${dueAt}`,
        })),
      );
    });

    it("are none before any is due", async () => {
      expect(await collected("2031-05-31T23:59:59.999Z")).toStrictEqual([]);
    });
  });
});

async function loadFunctions() {
  return {
    views: (await import("../../functions/dynamodb-connection.ts")).views,
    dueAt: (await import("../../functions/fire-deadlines.ts")).dueAt,
  };
}
