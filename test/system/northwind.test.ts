/** The whole of Northwind on the real system, killed half-way and repeated: takes minutes, so `npm run proof` runs it. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { StartedSystem, until } from "./started-system.ts";
import { totalsOfLog } from "./totals-of-log.ts";

/** Published orders, lines, revenue and freight in cents, every line rounded half up; 21 orders have not left the house. */
const published = {
  customers: 91,
  orders: 830,
  lines: 2_155,
  byState: { completed: 809, confirmed: 21 },
  revenue: 126_579_329,
  freight: 6_395_502,
  receivables: 0,
  creditReserved: 2_593_744,
};

describe.runIf(process.env["TIDEMARK_PROOF"] === "1")("the import of Northwind", () => {
  let system: StartedSystem;

  beforeAll(async () => {
    system = await StartedSystem.prepared();
    await system.start();
  }, 120_000);

  afterAll(() => system.remove());

  it("ends with the published totals although the functions are killed half-way; repeated it says the same, and so do the events", async () => {
    const importing = system.tidemark("import", "northwind", "--json");
    await until(
      "some orders are placed",
      async () => {
        const { status } = await system.get("/orders/northwind-10400").catch(() => ({ status: 0 }));
        return status === 200;
      },
      600,
    );
    await system.kill("functions");
    for (const { code, stdout, stderr } of [await importing, await system.tidemark("import", "northwind", "--json")]) {
      expect({ code, stderr: code === 0 ? "" : stderr }).toStrictEqual({ code: 0, stderr: "" });
      expect(JSON.parse(stdout)).toStrictEqual(published);
    }
    expect(await totalsOfLog(system.eventStoreConnectionString, () => true)).toStrictEqual(published);
    expect((await system.tidemark("check")).code).toBe(0);
  }, 1_500_000);
});
