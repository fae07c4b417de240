/**
 * The verification of a replay over the back-fill that it verifies: above 1 it takes less time. It reads the same log a second
 * time, folds it by other code with what it expects on disk, and reads the whole table.
 */
import { startOfAll } from "../engine/event-store/position.ts";
import { Verification } from "../engine/replay/verification.ts";
import type { Projection } from "../engine/views/projection.ts";
import { orderSummary } from "../projections/order-summary.ts";
import { salesByMonth } from "../projections/sales-by-month.ts";
import { connect, type Connections, disconnect, prepareBackFill } from "./back-fill.ts";
import type { OrderLog } from "./order-log.ts";
import type { Servers } from "./servers.ts";
import { compare, type Comparison, type Subject, timed } from "./side-by-side.ts";

/** `log` is what the event store of `servers` holds. */
export async function* compareVerification(
  servers: Servers,
  log: OrderLog,
  rounds: number,
): AsyncGenerator<Comparison> {
  const connections = await connect(servers);
  try {
    for (const projection of [salesByMonth, orderSummary]) {
      yield await compare(
        `verification of ${projection.name} over its back-fill`,
        "events",
        rounds,
        verification(connections, projection, log),
        { prepare: () => prepareBackFill(connections, projection, log) },
      );
    }
  } finally {
    await disconnect(connections);
  }
}

function verification(connections: Connections, projection: Projection, log: OrderLog): Subject {
  const { store, dynamodb } = connections;
  return {
    prepare: async () => {
      const { run, clear, table } = await prepareBackFill(connections, projection, log);
      await run();
      const target = await store.tail();
      return { run: () => timed(() => verified(target, table)), clear };
    },
  };

  async function verified(target: typeof startOfAll, table: string): Promise<number> {
    using verifying = new Verification(store, projection, { from: startOfAll });
    await verifying.foldTo(target, () => undefined);
    const { guards } = await verifying.compareAll(dynamodb, table, () => undefined);
    if (guards !== log.orders) throw new Error(`${guards} guards were verified of ${log.orders} orders`);
    return log.events;
  }
}
