/**
 * A replay over ten thousand events, a hundred thousand and a million, for a view of each kind, and a check of what it has made: the
 * curve of their times is printed, and their memory does not grow with the log. TIDEMARK_EVENTS, as "10000,100000", takes others.
 */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { Servers } from "../../bench/servers.ts";
import { connectDynamoDB } from "../../engine/views/dynamodb.ts";
import { readsStream } from "../../engine/views/projection.ts";
import { northwind as readNorthwind } from "../../local/sample-data/northwind/northwind.ts";
import { historyOfCopies, type SampleMoment } from "../../local/sample-data/sale-history.ts";
import { seedLog } from "../../local/sample-data/seed-log.ts";
import { createFixedTables } from "../../local/system/fixed-tables.ts";
import { region, tablePrefix } from "../../local/system/processes.ts";
import { versionsOf } from "../../projections/registry.ts";
import { functionMegabytes, heapOnLambda } from "./process-memory.ts";
import { run } from "./started-system.ts";

const isProof = process.env["TIDEMARK_PROOF"] === "1";
const sizes = (process.env["TIDEMARK_EVENTS"] ?? "10000,100000,1000000").split(",").map(Number);
const runs = ["replay", "check"] as const;
/** One row a stream, and rows that many streams touch. */
const views = ["order-to-cash", "sales-by-month"];
/** A heap finds its size between two collections. */
const mostOfBefore = 1.25;
const spareMegabytes = 50;

const measuredSchema = z.object({
  events: z.int(),
  rows: z.int(),
  guards: z.int(),
  seconds: z.number(),
  megabytes: z.int(),
});
interface Measured extends z.output<typeof measuredSchema> {
  readonly what: string;
}

interface Counts {
  all: number;
  /** Events of each view's streams. */
  readonly ofView: Map<string, number>;
  orders: number;
  processes: number;
  readonly months: Set<string>;
}

const northwind = await readNorthwind();

describe.runIf(isProof)("a replay, and a check", () => {
  it(
    `of ${sizes.join(", ")} events takes memory that does not grow with them`,
    async () => {
      const measured: Measured[] = [];
      for (const size of sizes) measured.push(...(await measure(size)));
      for (const of of Map.groupBy(measured, ({ what }) => what).values()) {
        expect(of).toHaveLength(sizes.length);
        const [middle, largest] = of.slice(-2);
        if (middle === undefined || largest === undefined) throw new Error("give two sizes or more");
        expect(largest.megabytes).toBeLessThan(middle.megabytes * mostOfBefore + spareMegabytes);
        expect(largest.megabytes).toBeLessThan(functionMegabytes);
      }
    },
    3 * 3_600_000,
  );
});

async function measure(size: number): Promise<Measured[]> {
  const servers = await Servers.prepared();
  try {
    const counts: Counts = { all: 0, ofView: new Map(), orders: 0, processes: 0, months: new Set() };
    await servers.start((directory) => seedLog(directory, history(size, counts)));
    const dynamodb = connectDynamoDB({ region, endpoint: servers.dynamodbEndpoint });
    await createFixedTables(dynamodb, tablePrefix);
    dynamodb.destroy();
    const measured: Measured[] = [];
    for (const view of views) {
      const [rows, guards] =
        view === "order-to-cash" ? [counts.processes, counts.processes] : [counts.months.size, counts.orders];
      for (const one of runs) {
        const program = join(import.meta.dirname, "one-run.ts");
        const words = [
          process.execPath,
          ...heapOnLambda,
          program,
          one,
          view,
          servers.connectionString,
          servers.dynamodbEndpoint,
        ];
        const { code, stdout, stderr } = await servers.during(run(words));
        expect({ code, stderr: code === 0 ? "" : stderr }).toStrictEqual({ code: 0, stderr: "" });
        const found = { what: `${one} of ${view}`, ...measuredSchema.parse(JSON.parse(stdout)) };
        measured.push(found);
        say(counts.all, found);
        // A replay may have read others, too.
        expect(found.events).toBeGreaterThanOrEqual(counts.ofView.get(view) ?? Number.NaN);
        expect({ rows: found.rows, guards: found.guards }).toStrictEqual({ rows, guards });
      }
    }
    return measured;
  } finally {
    await servers.stop();
  }
}

/** The first so many events, and what a view has to hold of them. */
function* history(size: number, counts: Counts): Generator<SampleMoment, void> {
  const months = new Map(northwind.sales.map(({ order }) => [order.orderId, order.orderedAt.slice(0, 7)]));
  for (const moment of historyOfCopies(northwind, Infinity, new Date("2026-01-01T00:00:00.000Z"))) {
    for (const { stream, expected, events } of moment.appends) {
      counts.all += events.length;
      for (const view of views) {
        if (!readsStream(versionsOf(view)[0], stream)) continue;
        counts.ofView.set(view, (counts.ofView.get(view) ?? 0) + events.length);
      }
      const [, order, copied] = /^order-((.+)-\d+)$/.exec(stream) ?? [];
      if (expected < 0n && order !== undefined) {
        counts.orders += 1;
        counts.months.add(months.get(copied ?? "") ?? "");
      }
      if (expected < 0n && stream.startsWith("orderToCash-")) counts.processes += 1;
    }
    yield moment;
    if (counts.all >= size) return;
  }
}

function say(all: number, { what, events, rows, guards, seconds, megabytes }: Measured): void {
  const rate = Math.round(all / seconds).toLocaleString("en");
  process.stdout.write(
    `${what.padEnd(25)} ${all.toLocaleString("en").padStart(9)} events, of which it read ${events}; ${rows} rows, ` +
      `${guards} guards: ${seconds.toFixed(1)} s, ${rate} events/s, at most ${megabytes} MB\n`,
  );
}
