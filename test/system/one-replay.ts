/**
 * One replay in a process of its own, whose memory nothing else fills: `node one-replay.ts <view> <event store> <DynamoDB>`. Prints
 * what came of it as JSON.
 */
import { argv, resourceUsage } from "node:process";
import { Replay } from "../../engine/replay/replay.ts";
import { withStores } from "../../local/system/system-stores.ts";
import { region, tablePrefix } from "../../local/system/processes.ts";
import { versionsOf } from "../../projections/registry.ts";

const [, , view = "", eventStoreConnectionString = "", dynamodbEndpoint = ""] = argv;

const system = { region, dynamodbEndpoint, eventStoreConnectionString, tablePrefix };
await withStores(system, async (stores) => {
  const start = performance.now();
  const { built } = await new Replay(stores, versionsOf(view)).run();
  const seconds = (performance.now() - start) / 1_000;
  const { rows, guards } = built?.verification ?? {};
  // Of all of them, kilobytes.
  const megabytes = Math.round(resourceUsage().maxRSS / 1_024);
  process.stdout.write(JSON.stringify({ events: built?.events, rows, guards, seconds, megabytes }));
});
