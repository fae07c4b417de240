/**
 * One replay, or one check, in a process of its own, whose memory nothing else fills:
 * `node one-run.ts replay|check <view> <event store> <DynamoDB>`. Prints what came of it as JSON.
 */
import { argv, resourceUsage } from "node:process";
import { checkView, isClean } from "../../engine/consistency/check.ts";
import { Replay } from "../../engine/replay/replay.ts";
import { withStores } from "../../local/system/system-stores.ts";
import { region, tablePrefix } from "../../local/system/processes.ts";
import { versionsOf } from "../../projections/registry.ts";

const [, , what, view = "", eventStoreConnectionString = "", dynamodbEndpoint = ""] = argv;

const system = { region, dynamodbEndpoint, eventStoreConnectionString, tablePrefix };
await withStores(system, async (stores) => {
  const run = async () => {
    if (what === "check") {
      const report = await checkView(stores, view, versionsOf(view));
      if (!isClean(report)) throw new Error("the view is not what the events say");
      const { events, rows, guards } = report;
      return { events, rows, guards };
    }
    const { built } = await new Replay(stores, versionsOf(view)).run();
    return { events: built?.events, rows: built?.verification.rows, guards: built?.verification.guards };
  };
  const start = performance.now();
  const found = await run();
  const seconds = (performance.now() - start) / 1_000;
  // Of all of them, kilobytes.
  const megabytes = Math.round(resourceUsage().maxRSS / 1_024);
  process.stdout.write(JSON.stringify({ ...found, seconds, megabytes }));
});
