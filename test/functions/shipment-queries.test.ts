/** Queries of shipments over HTTP, on real servers. */
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { z } from "zod";
import { invoke, type TestAnswer } from "../engine/http/api-gateway.ts";
import { OrderViews } from "./order-views.ts";
import { tagOf } from "./tag-of.ts";

const usd = (amount: number) => ({ amount, currency: "USD" });

describe("queries of shipments", () => {
  let views: OrderViews;
  let functions: Awaited<ReturnType<typeof loadFunctions>>;

  beforeAll(async () => {
    views = await OrderViews.made(inject("dynamodbEndpoint"));
    views.setEnvironment(inject("dynamodbEndpoint"));
    functions = await loadFunctions();
  });

  afterAll(() => views.stop());

  const shown = ({ status, headers, body }: TestAnswer) => ({ status, etag: headers["etag"], body });

  describe("GET /shipments/{shipmentId}", () => {
    const get = (shipmentId: string): Promise<TestAnswer> =>
      invoke(functions.getShipment, { route: "GET /shipments/{shipmentId}", pathParameters: { shipmentId } });
    const shipmentOf = (id: string) => ({ shipmentId: id, orderId: id, customerId: "VINET" });
    const deliveredAt = "1996-07-19T00:00:00.000Z";
    const items = [{ productId: "11", quantity: 12 }];
    const scheduled = (id: string) => ({
      type: "ShipmentScheduled",
      data: { ...shipmentOf(id), items, currency: "USD" },
    });
    const dispatch = { carrier: "Speedy Express", freight: usd(10), dispatchedAt: "1996-07-16T00:00:00.000Z" };
    const dispatched = (id: string) => ({ type: "ShipmentDispatched", data: { ...shipmentOf(id), ...dispatch } });

    it("shows the shipment, and its revision as the tag", async () => {
      await views.append("shipment-new", [scheduled("new")]);
      const delivered = { type: "ShipmentDelivered", data: { ...shipmentOf("there"), deliveredAt } };
      await views.append("shipment-there", [scheduled("there"), dispatched("there"), delivered]);
      await views.deliver();
      expect(shown(await get("new"))).toStrictEqual({
        status: 200,
        etag: tagOf(0),
        body: { ...shipmentOf("new"), status: "scheduled", items, revision: "0" },
      });
      expect(shown(await get("there"))).toStrictEqual({
        status: 200,
        etag: tagOf(2),
        body: {
          ...shipmentOf("there"),
          status: "delivered",
          items,
          ...dispatch,
          deliveredAt,
          revision: "2",
        },
      });
    });

    it.each([
      ["lost", { type: "ShipmentLost", data: { ...shipmentOf("lost"), reason: "fell into the sea" } }],
      [
        "cancelled",
        {
          type: "ShipmentCancelled",
          data: { ...shipmentOf("cancelled"), reason: "fell into the sea", cancelledFrom: "dispatched" },
        },
      ],
    ])("shows why a shipment is %s", async (status, event) => {
      await views.append(`shipment-${status}`, [scheduled(status), dispatched(status), event]);
      await views.deliver();
      expect((await get(status)).body).toStrictEqual({
        ...shipmentOf(status),
        status,
        items,
        ...dispatch,
        reason: "fell into the sea",
        revision: "2",
      });
    });

    it("is a 404 for an unknown shipment and a 400 for an impossible id", async () => {
      expect(await get("unknown")).toMatchObject({
        status: 404,
        body: { code: "SHIPMENT_NOT_FOUND", detail: "there is no shipment unknown" },
      });
      expect(await get("_guard#x")).toMatchObject({ status: 400, body: { errors: [{ field: "shipmentId" }] } });
    });
  });

  describe("GET /views/shipments-to-dispatch", () => {
    const get = (query?: Record<string, string>): Promise<TestAnswer> =>
      invoke(functions.toDispatch, {
        method: "GET",
        path: "/views/shipments-to-dispatch",
        ...(query === undefined ? {} : { query }),
      });
    const queueSchema = z.object({
      items: z.array(z.object({ shipmentId: z.string() })),
      cursor: z.string().optional(),
    });
    const ids = (answer: TestAnswer): string[] =>
      queueSchema
        .parse(answer.body)
        .items.flatMap(({ shipmentId }) => (shipmentId.startsWith("q") ? [shipmentId] : []));

    it("lists what waits in the order in which it was scheduled, on pages, and no more when it has left", async () => {
      const shipment = { orderId: "o", customerId: "VINET", items: [{ productId: "11", quantity: 12 }] };
      const scheduled = (shipmentId: string) => ({
        type: "ShipmentScheduled",
        data: { shipmentId, ...shipment, currency: "USD" },
      });
      for (const id of ["q3", "q1", "q2", "q4"]) await views.append(`shipment-${id}`, [scheduled(id)]);
      await views.deliver();
      expect(ids(await get({ limit: "100" }))).toStrictEqual(["q3", "q1", "q2", "q4"]);
      expect((await get({ limit: "100" })).body).toMatchObject({
        items: expect.arrayContaining([{ shipmentId: "q1", ...shipment, revision: "0" }]) as unknown,
      });

      const { items, ...dispatched } = { ...shipment, carrier: "Speedy Express", freight: usd(10) };
      const data = { shipmentId: "q1", ...dispatched, dispatchedAt: "1996-07-16T00:00:00.000Z" };
      await views.append("shipment-q1", [{ type: "ShipmentDispatched", data }], 0n);
      await views.deliver();
      const paged: string[] = [];
      for (let cursor: string | undefined = ""; cursor !== undefined;) {
        const page = await get({ limit: "1", ...(cursor === "" ? {} : { cursor }) });
        paged.push(...ids(page));
        cursor = queueSchema.parse(page.body).cursor;
      }
      expect([paged, items]).toStrictEqual([["q3", "q2", "q4"], shipment.items]);
    });

    it("refuses a limit that is none, and a cursor from elsewhere", async () => {
      expect(await get({ limit: "0" })).toMatchObject({ status: 400, body: { errors: [{ field: "limit" }] } });
      expect(await get({ cursor: "abc" })).toMatchObject({ status: 400, body: { code: "CURSOR_INVALID" } });
    });
  });
});

async function loadFunctions() {
  return {
    toDispatch: (await import("../../functions/shipments-to-dispatch.ts")).handler,
    getShipment: (await import("../../functions/get-shipment.ts")).handler,
  };
}
