/**
 * Delivery into the live generation of a view while another generation of it is back-filled, over delivery alone. The back-fill is
 * in a process of its own, as the function that replays is, and begins anew as often as it ends.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { salesByMonth } from "../projections/sales-by-month.ts";
import { ComparedTables } from "./compared-tables.ts";
import { deliveryInto } from "./delivery.ts";
import { connect, disconnect } from "./delivery-connections.ts";
import type { OrderLog } from "./order-log.ts";
import type { Servers } from "./servers.ts";
import { compare, type Comparison, type Subject } from "./side-by-side.ts";

/** `log` is what the event store of `servers` holds. */
export async function* compareLiveDelivery(
  servers: Servers,
  log: OrderLog,
  rounds: number,
): AsyncGenerator<Comparison> {
  const connections = await connect(servers);
  try {
    const delivery = deliveryInto(connections, salesByMonth, log, new ComparedTables(connections.dynamodb));
    yield await compare(
      "delivery into sales-by-month beside a back-fill over delivery alone",
      "events",
      rounds,
      besideBackFill(delivery, servers, log),
      delivery,
    );
  } finally {
    await disconnect(connections);
  }
}

function besideBackFill(delivery: Subject, servers: Servers, log: OrderLog): Subject {
  return {
    prepare: async () => {
      const { run, clear } = await delivery.prepare();
      const backFill = await startBackFill(servers, log);
      const ended = once(backFill, "exit");
      // It ends by itself only when something is wrong.
      const failed = ended.then(([code]) => Promise.reject(new Error(`the back-fill ended with ${String(code)}`)));
      failed.catch(() => undefined);
      return {
        run: () => Promise.race([run(), failed]),
        clear: async () => {
          backFill.kill();
          await ended;
          await clear?.();
        },
      };
    },
  };
}

/** Resolves when it is at work. */
async function startBackFill(
  { connectionString, dynamodbEndpoint }: Servers,
  { orders, events }: OrderLog,
): Promise<ChildProcess> {
  const program = fileURLToPath(new URL("back-fill-again.ts", import.meta.url));
  const words = [connectionString, dynamodbEndpoint, `${orders}`, `${events}`];
  const child = fork(program, words);
  await once(child, "message");
  return child;
}
