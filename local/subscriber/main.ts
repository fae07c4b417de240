/**
 * The subscriber as a process of its own, for a container or one machine: `node local/subscriber/main.ts --port <port>`, with
 * the settings of the functions in the environment. `GET /health` on the port says how its subscriptions do: 200 when all are
 * connected, 503 when one is not. Metrics of the same are written to standard output once a minute, unless `--no-metrics` is
 * given. SIGINT and SIGTERM let invocations under way end.
 */
import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { functionLogger } from "../../functions/function-logger.ts";
import { metricsOfSubscriber, subscriberOfDeployment } from "../../functions/subscriber-host.ts";

const graceMs = 2_000;

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "3003" },
    host: { type: "string", default: "127.0.0.1" },
    metrics: { type: "boolean", default: true },
  },
  allowNegative: true,
});

const log = functionLogger("subscriber");
const subscriber = await subscriberOfDeployment(log);
const metrics = metricsOfSubscriber(subscriber);
subscriber.start();
if (values.metrics) metrics.start();

const server = createServer((request, response) => {
  if (request.url !== "/health") {
    response.writeHead(404).end();
    return;
  }
  const subscriptions = subscriber.status;
  const healthy = subscriptions.every(({ connected }) => connected);
  response.writeHead(healthy ? 200 : 503, { "content-type": "application/json" });
  response.end(JSON.stringify({ healthy, subscriptions }));
});
server.listen(Number(values.port), values.host);

let stopping = false;
const stop = async (): Promise<void> => {
  if (stopping) return;
  stopping = true;
  server.close();
  server.closeAllConnections();
  metrics.stop();
  await subscriber.stop(graceMs);
  log.info("left all groups");
  process.exit(0);
};
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => void stop());
