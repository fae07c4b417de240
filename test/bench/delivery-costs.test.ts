/** What delivery costs is what `docs/deploying.md` says, unit by unit and cent by cent. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, it } from "vitest";
import { deliveryCosts } from "../../bench/delivery-costs.ts";
import { batchSizes } from "../../bench/write-units.ts";
import { type EventStoreServer, startEventStore } from "../../local/eventstoredb/event-store-server.ts";

/** The largest batches take most of the time. */
const sizes = process.env["TIDEMARK_PROOF"] === undefined ? batchSizes.slice(0, 2) : batchSizes;

let server: EventStoreServer;

beforeAll(async () => {
  server = await startEventStore({ inMemory: true });
});

afterAll(async () => {
  await server.stop();
});

/** The tables of the page's section, the heads of their columns first; code marks are left out. */
async function documented(): Promise<string[][][]> {
  const page = await readFile(join(import.meta.dirname, "../../docs/deploying.md"), "utf8");
  const [, section = ""] = /### What delivery costs\n([\s\S]*?)\n## /.exec(page) ?? [];
  return [...section.matchAll(/(?:^\|.*\n)+/gm)].map(([table]) => {
    const rows = table
      .trim()
      .split("\n")
      .map((line) =>
        line
          .slice(1, -1)
          .split("|")
          .map((cell) => cell.trim().replaceAll("`", "")),
      );
    return rows.filter((_, index) => index !== 1);
  });
}

it("an event costs the write units, and a million the dollars, that the page lists", async () => {
  const [units = [], ...priced] = await documented();
  const measured = await deliveryCosts(
    { connectionString: server.connectionString, dynamodbEndpoint: inject("dynamodbEndpoint") },
    sizes,
  );
  const [measuredUnits, ...measuredPrices] = measured.map(({ columns, rows }) => [columns, ...rows]);
  // The columns of the sizes that were not measured are left out.
  const isMeasured = (column: number): boolean => {
    const head = units[0]?.[column] ?? "";
    return !/^\d+$/.test(head) || sizes.includes(Number(head));
  };
  expect(units.map((row) => row.filter((_, column) => isMeasured(column)))).toStrictEqual(measuredUnits);
  const isOfSize = ([first = ""]: readonly string[]): boolean => !/^\d+$/.test(first) || sizes.includes(Number(first));
  expect(priced.map((rows) => rows.filter(isOfSize))).toStrictEqual(measuredPrices);
}, 120_000);
