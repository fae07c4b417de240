/**
 * A hot aggregate: how many commands a second get through when more and more clients, each with a connection of its own,
 * send theirs to the same stream one after the other, how long they take, and how many give up because others came first
 * every time. What is refused was not done and may be sent again.
 */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { Aggregate } from "../engine/commands/aggregate.ts";
import { handleCommand } from "../engine/commands/handle-command.ts";
import { defaultRetryPolicy, type RetryPolicy } from "../engine/commands/retry-policy.ts";
import { EventStore } from "../engine/event-store/event-store.ts";
import { Latencies } from "./latencies.ts";
import type { Servers } from "./servers.ts";
import type { Table } from "./table.ts";

export interface Contention {
  readonly clients: number;
  readonly accepted: number;
  readonly refused: number;
  readonly seconds: number;
  /** Of every command, refused ones too, in milliseconds. */
  readonly latencies: Latencies;
  /** Appends that were sent, those that met a conflict too. */
  readonly appends: number;
}

type Counted = { readonly type: "Counted"; readonly data: { readonly by: number } };

const counter: Aggregate<number, { readonly by: number }, Counted, never> = {
  category: "counter",
  eventTypes: { Counted: { version: 1, schema: z.strictObject({ by: z.int() }) } },
  decider: {
    initialState: 0,
    evolve: (total, { data }) => total + data.by,
    decide: (_, { by }) => [{ type: "Counted", data: { by } }],
  },
};

/** `seconds` for each number of clients. */
export async function contentionTable(
  servers: Servers,
  clients: readonly number[],
  seconds: number,
  policy: RetryPolicy = defaultRetryPolicy,
): Promise<Table> {
  const rows: string[][] = [];
  for (const count of clients) {
    const { accepted, refused, seconds: took, latencies, appends } = await contend(servers, count, seconds, policy);
    rows.push([
      String(count),
      (accepted / took).toFixed(0),
      `${((100 * refused) / (accepted + refused)).toFixed(1)} %`,
      (appends / accepted).toFixed(1),
      latencies.percentile(50).toFixed(1),
      latencies.percentile(99).toFixed(1),
    ]);
  }
  return {
    name: "commands to one aggregate",
    columns: ["clients", "accepted/s", "refused", "appends per accepted", "p50 ms", "p99 ms"],
    rows,
  };
}

export async function contend(
  servers: Pick<Servers, "connectionString">,
  clients: number,
  seconds: number,
  policy: RetryPolicy,
): Promise<Contention> {
  let appends = 0;
  class Counting extends EventStore {
    override append(...append: Parameters<EventStore["append"]>): ReturnType<EventStore["append"]> {
      appends += 1;
      return super.append(...append);
    }
  }
  const stores = Array.from(
    { length: clients },
    () => new Counting(EventStore.connect(servers.connectionString).client),
  );
  const id = randomUUID();
  const [first] = stores;
  // A load reads a few events whatever the stream's length: it is the contention that is measured.
  await first?.client.setStreamMetadata(`counter-${id}`, { maxCount: 10 });
  await Promise.all(stores.map((store) => store.append(`counter-${randomUUID()}`, "no_stream", [])));
  appends = 0;
  const latencies = new Latencies();
  let accepted = 0;
  let refused = 0;
  const start = performance.now();
  const end = start + seconds * 1_000;
  const client = async (store: EventStore): Promise<void> => {
    while (performance.now() < end) {
      const request = { id, command: { by: 1 }, origin: { correlationId: id } };
      const { outcome } = await latencies.of(() => handleCommand(store, counter, request, policy));
      if (outcome === "accepted") accepted += 1;
      else refused += 1;
    }
  };
  try {
    await Promise.all(stores.map(client));
    return { clients, accepted, refused, seconds: (performance.now() - start) / 1_000, latencies, appends };
  } finally {
    await Promise.all(stores.map((store) => store.dispose()));
  }
}
