import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { startEventStore } from "../../../local/eventstoredb/event-store-server.ts";
import { northwind } from "../../../local/sample-data/northwind/northwind.ts";
import { copyOf, historyOf } from "../../../local/sample-data/sale-history.ts";
import { seedLog } from "../../../local/sample-data/seed-log.ts";
import { totalsOfLog } from "../../system/totals-of-log.ts";

const { customers, sales } = await northwind();
/** The last of them have not left the house. */
const some = { customers, sales: [...sales.slice(0, 12), ...sales.slice(-12)] };
const from = new Date("2026-01-01T00:00:00.000Z");

async function emptyDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "tidemark-seed-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

it("is the same every time, and of every copy has other streams and ids", () => {
  const first = [...historyOf(copyOf(some, 1), from)];
  expect([...historyOf(copyOf(some, 1), from)]).toStrictEqual(first);
  const events = [1, 2].flatMap((copy) => [...historyOf(copyOf(some, copy), from)]).flatMap(({ appends }) => appends);
  expect(new Set(events.filter(({ expected }) => expected < 0n).map(({ stream }) => stream)).size).toBe(
    events.filter(({ expected }) => expected < 0n).length,
  );
  const ids = events.flatMap((append) => append.events.map(({ id }) => id));
  expect(new Set(ids).size).toBe(ids.length);
});

it("gives a log with the totals of its sales, each as often as there are copies, at the time that was given", async () => {
  const directory = await emptyDirectory();
  const copies = [1, 2, 3].map((copy) => historyOf(copyOf(some, copy), from));
  const written = await seedLog(
    directory,
    (function* () {
      for (const copy of copies) yield* copy;
    })(),
  );
  const server = await startEventStore({ dataDirectory: directory });
  onTestFinished(() => server.stop());
  const shipped = some.sales.filter(({ shipment }) => shipment !== undefined);
  const revenue = (of: typeof sales): number => 3 * of.reduce((sum, { total }) => sum + total.amount, 0);
  expect(await totalsOfLog(server.connectionString, () => true)).toStrictEqual({
    customers: 3 * 91,
    orders: 3 * 24,
    lines: 3 * some.sales.reduce((sum, { order }) => sum + order.lines.length, 0),
    byState: { completed: 3 * shipped.length, confirmed: 3 * (24 - shipped.length) },
    revenue: revenue(some.sales),
    freight: 3 * shipped.reduce((sum, { shipment }) => sum + (shipment?.freight.amount ?? 0), 0),
    receivables: 0,
    creditReserved: revenue(some.sales) - revenue(shipped),
  });
  expect(written).toBe(
    3 * [...historyOf(some, from)].flatMap(({ appends }) => appends).flatMap(({ events }) => events).length,
  );
});

it("may be seeded again, and is refused by a log that holds something else in its streams", async () => {
  const directory = await emptyDirectory();
  const written = await seedLog(directory, historyOf(some, from));
  expect(await seedLog(directory, historyOf(some, from))).toBe(written);
  const other = { sales: some.sales, customers: customers.map((customer) => ({ ...customer, name: "Another" })) };
  await expect(seedLog(directory, historyOf(other, from))).rejects.toThrow(
    "has other events in the log than in the history",
  );
});
