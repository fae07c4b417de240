/**
 * Fifty queries at once through the reader of the query functions while the generations of a view are swapped to and fro, over the
 * same in quiet. A query that fails ends the run: a swap must cost nobody an answer.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Quarantine, quarantineTable } from "../engine/quarantine/quarantine.ts";
import { Replay } from "../engine/replay/replay.ts";
import { Catalog } from "../engine/views/catalog.ts";
import { ViewReader } from "../engine/views/view-reader.ts";
import { catalogTable } from "../functions/dynamodb-connection.ts";
import { tablePrefix } from "../local/system/processes.ts";
import { salesByMonth, salesPartition } from "../projections/sales-by-month.ts";
import { connect, type Connections, disconnect } from "./back-fill.ts";
import type { Servers } from "./servers.ts";
import { compare, type Comparison, plainSubject, type Subject } from "./side-by-side.ts";

const queriesAtOnce = 50;
const betweenSwapsMs = 500;

/** Each round asks for so many seconds; the event store of `servers` holds orders. */
export async function* compareSwaps(servers: Servers, seconds: number, rounds: number): AsyncGenerator<Comparison> {
  const connections = await connect(servers);
  try {
    const replay = replayOf(connections);
    await replay.run();
    await replay.run();
    yield await compare(
      `${queriesAtOnce} queries at once while generations are swapped over the same in quiet`,
      "queries",
      rounds,
      queries(connections, seconds, () => replay.rollback()),
      queries(connections, seconds, () => Promise.resolve()),
    );
  } finally {
    await disconnect(connections);
  }
}

function replayOf({ dynamodb, store: eventStore }: Connections): Replay {
  const table = catalogTable(tablePrefix);
  const catalog = new Catalog(dynamodb, table);
  const quarantine = new Quarantine(dynamodb, quarantineTable(tablePrefix));
  return new Replay({ dynamodb, eventStore, catalog, quarantine, catalogTable: table, tablePrefix }, [salesByMonth]);
}

function queries({ dynamodb }: Connections, seconds: number, swap: () => Promise<unknown>): Subject {
  return plainSubject(async (latencies) => {
    const reader = new ViewReader(dynamodb, new Catalog(dynamodb, catalogTable(tablePrefix)));
    const over = performance.now() + 1_000 * seconds;
    let answered = 0;
    const ask = async (): Promise<void> => {
      while (performance.now() < over) {
        await latencies.of(() => monthsOf(reader));
        answered += 1;
      }
    };
    const swapping = async (): Promise<void> => {
      while (performance.now() < over) {
        await swap();
        await sleep(betweenSwapsMs);
      }
    };
    await Promise.all([swapping(), ...Array.from({ length: queriesAtOnce }, ask)]);
    return answered;
  });
}

async function monthsOf(reader: ViewReader): Promise<void> {
  const { rows } = await reader.query(salesByMonth.name, { partition: salesPartition, limit: 1_000 });
  if (rows.length === 0) throw new Error("a query found no month: the view is empty");
}
