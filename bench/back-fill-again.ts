/**
 * A back-fill of sales by month, again and again until it is killed, as one of a long log: what it has seen of live delivery it
 * keeps. Tells its parent when the first begins.
 */
import { argv } from "node:process";
import { salesByMonth } from "../projections/sales-by-month.ts";
import { connect, liveDelivery, prepareBackFill } from "./back-fill.ts";

const [, , connectionString = "", dynamodbEndpoint = "", orders, events] = argv;

const connections = await connect({ connectionString, dynamodbEndpoint });
process.on("disconnect", () => process.exit());
const live = liveDelivery(connections, [salesByMonth]);
for (;;) {
  const log = { orders: Number(orders), events: Number(events) };
  const { run, clear } = await prepareBackFill(connections, salesByMonth, log, live);
  process.send?.("at work");
  await run();
  await clear();
}
