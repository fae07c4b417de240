/** Queries of shipments over HTTP, on real servers. */
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { invoke, type TestAnswer } from "../engine/http/api-gateway.ts";
import { OrderViews } from "./order-views.ts";

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
        etag: '"0"',
        body: { ...shipmentOf("new"), status: "scheduled", items, revision: "0" },
      });
      expect(shown(await get("there"))).toStrictEqual({
        status: 200,
        etag: '"2"',
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
});

async function loadFunctions() {
  return {
    getShipment: (await import("../../functions/get-shipment.ts")).handler,
  };
}
