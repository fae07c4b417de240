/** `tidemark start`: everything on one machine, until it is told to stop. */
import type { Command } from "commander";
import { resolve } from "node:path";
import { messageOf } from "../../engine/errors/message-of.ts";
import { connectDynamoDB } from "../../engine/views/dynamodb.ts";
import {
  CommandError,
  command,
  type CommonOptions,
  exitCodes,
  portOption,
  reportingErrors,
} from "../cli/command-error.ts";
import { makeDataDirectory } from "../data-directory.ts";
import { stopSignal } from "../cli/stop-signal.ts";
import { refuseDamagedData } from "../dynamodb/dynamodb-server.ts";
import { createFixedTables } from "./fixed-tables.ts";
import { freePortNear, isFree } from "./ports.ts";
import {
  dynamodbDirectory,
  dynamodbProcess,
  endpointAt,
  eventStoreConnectionString,
  eventStoreProcess,
  functionPrefix,
  functionsProcess,
  linkPackages,
  region,
  subscriberProcess,
  type SystemPorts,
  tablePrefix,
} from "./processes.ts";
import { prepareViews } from "./prepare-views.ts";
import { findRunningSystem, type RunningSystem, RunningSystemFile } from "./running-system.ts";
import { Supervisor } from "./supervisor.ts";

interface StartOptions extends CommonOptions {
  readonly port: number;
  readonly eventstorePort: number;
  readonly dynamodbPort: number;
  readonly invokePort?: number;
  readonly subscriberPort?: number;
}

export function startCommand(): Command {
  return command("start", "Runs the whole system on this machine until it is stopped with Ctrl-C.")
    .addOption(portOption("port", "port of the HTTP API", 3000))
    .addOption(portOption("eventstore-port", "port of the event store", 2113))
    .addOption(portOption("dynamodb-port", "port of DynamoDB", 8000))
    .addOption(portOption("invoke-port", "port of the Lambda Invoke API (default: 3002, or a free one)"))
    .addOption(portOption("subscriber-port", "port of the subscriber's health page (default: 3003, or a free one)"))
    .action(async (options: StartOptions) => {
      await reportingErrors(options.json, () => start(options));
    });
}

async function start(options: StartOptions): Promise<void> {
  const dataDirectory = resolve(options.data);
  const running = await findRunningSystem(dataDirectory);
  if (running !== undefined) {
    const where = `${running.apiUrl} (pid ${running.pid})`;
    throw new CommandError(
      "ALREADY_RUNNING",
      `a system runs on ${dataDirectory} already: ${where}; stop it or give --data`,
    );
  }
  const ports = await choosePorts(options);
  makeDirectory(dataDirectory);
  refuseDamagedData(dynamodbDirectory(dataDirectory));

  const end = new Ending();
  const supervisor: Supervisor = new Supervisor(`${dataDirectory}/logs`, {
    notice: (line) => console.error(line),
    changed: () => {
      if (!announced) return;
      file.write(describe(dataDirectory, ports, supervisor)).catch((error: unknown) => {
        console.error(`status may be out of date: ${messageOf(error)}`);
      });
    },
    failed: (why) => end.now(new CommandError("PROCESS_KEEPS_FAILING", why)),
  });
  const file = new RunningSystemFile(dataDirectory);
  let announced = false;
  try {
    const started = await Promise.race([startAll(supervisor, ports, dataDirectory), end.asked]);
    if (started === "all-ready") {
      announced = true;
      const system = describe(dataDirectory, ports, supervisor);
      await file.write(system);
      console.log(options.json === true ? JSON.stringify({ ready: true, ...system }) : welcome(system));
      await end.asked;
    }
  } finally {
    announced = false;
    await supervisor.stop();
    await file.remove();
  }
  if (end.failure !== undefined) throw end.failure;
  process.exit(process.exitCode ?? exitCodes.ok);
}

function makeDirectory(directory: string): void {
  try {
    makeDataDirectory(directory);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `data cannot be kept in ${directory}: name a directory that can be written with --data (${why})`;
    throw new CommandError("DATA_DIRECTORY", message, exitCodes.failure, cause);
  }
}

/** The moment at which the system is to stop: a signal, or a process that cannot be kept running. */
class Ending {
  readonly asked: Promise<"asked">;
  failure: CommandError | undefined;
  #resolve: (value: "asked") => void = () => undefined;

  constructor() {
    this.asked = new Promise((resolvePromise) => (this.#resolve = resolvePromise));
    void stopSignal().then(() => this.now());
  }

  now(failure?: CommandError): void {
    this.failure ??= failure;
    this.#resolve("asked");
  }
}

async function startAll(
  supervisor: Supervisor,
  ports: SystemPorts,
  dataDirectory: string,
): Promise<"all-ready" | "asked"> {
  makeDirectory(dynamodbDirectory(dataDirectory));
  linkPackages(dataDirectory);
  // The function runtime bundles for some seconds and needs neither server for that.
  const servers = await Promise.all([
    supervisor.start(eventStoreProcess(ports, dataDirectory)),
    supervisor.start(dynamodbProcess(ports, dataDirectory)),
    supervisor.start(functionsProcess(ports, dataDirectory)),
  ]);
  if (!servers.every(Boolean)) return "asked";
  const dynamodb = connectDynamoDB({ region, endpoint: endpointAt(ports.dynamodb) });
  try {
    await createFixedTables(dynamodb, tablePrefix);
  } finally {
    dynamodb.destroy();
  }
  await prepareViews(endpointAt(ports.invoke), functionPrefix, () => {
    console.error("the views are still being made: the log is long");
  });
  return (await supervisor.start(subscriberProcess(ports))) ? "all-ready" : "asked";
}

/** Those that were asked for, or that users type, must be free; the others give way to a system that runs beside this one. */
async function choosePorts(options: StartOptions): Promise<SystemPorts> {
  const { port, eventstorePort, dynamodbPort, invokePort, subscriberPort } = options;
  const asked: (readonly [string, number])[] = [
    ["--port", port],
    ["--eventstore-port", eventstorePort],
    ["--dynamodb-port", dynamodbPort],
  ];
  if (invokePort !== undefined) asked.push(["--invoke-port", invokePort]);
  if (subscriberPort !== undefined) asked.push(["--subscriber-port", subscriberPort]);
  for (const [index, [flag, wanted]] of asked.entries()) {
    const twin = asked.slice(0, index).find(([, other]) => other === wanted);
    if (twin !== undefined) {
      const message = `${twin[0]} and ${flag} are both ${wanted}: give two ports`;
      throw new CommandError("PORT_TWICE", message, exitCodes.usage);
    }
    if (!(await isFree(wanted))) {
      throw new CommandError(
        "PORT_IN_USE",
        `port ${wanted} is in use: stop what listens there, or choose another with ${flag}`,
      );
    }
  }
  const taken = new Set(asked.map(([, wanted]) => wanted));
  const invoke = invokePort ?? (await freePortNear(3_002, taken));
  const subscriber = subscriberPort ?? (await freePortNear(3_003, taken.add(invoke)));
  return { api: port, eventStore: eventstorePort, dynamodb: dynamodbPort, invoke, subscriber };
}

function describe(dataDirectory: string, ports: SystemPorts, supervisor: Supervisor): RunningSystem {
  return {
    pid: process.pid,
    dataDirectory,
    apiUrl: endpointAt(ports.api),
    invokeUrl: endpointAt(ports.invoke),
    eventStoreConnectionString: eventStoreConnectionString(ports),
    dynamodbEndpoint: endpointAt(ports.dynamodb),
    tablePrefix,
    functionPrefix,
    region,
    processes: [...supervisor.processes],
  };
}

function welcome(system: RunningSystem): string {
  const { apiUrl, invokeUrl, eventStoreConnectionString: eventStore, dynamodbEndpoint, dataDirectory } = system;
  const line =
    '{"productId": "11", "quantity": 12, "unitPrice": {"amount": 1400, "currency": "USD"}, "discountPercent": 0}';
  const customer =
    '{"customerId": "VINET", "name": "Vins et alcools", "creditLimit": {"amount": 1000000, "currency": "USD"}}';
  const order = `{"orderId": "first", "customerId": "VINET", "lines": [${line}]}`;
  return `
Tidemark is running.

  HTTP API       ${apiUrl}
  Invoke API     ${invokeUrl}
  event store    ${eventStore}
  DynamoDB       ${dynamodbEndpoint}
  data and logs  ${dataDirectory}

Try, in another terminal:

  curl -i ${apiUrl}/customers -H 'content-type: application/json' -d '${customer}'
  curl -i ${apiUrl}/orders -H 'content-type: application/json' -d '${order}'
  curl ${apiUrl}/views/sales-by-month
  npm run import -- northwind --url ${apiUrl}

Ctrl-C stops it; the data stays.
`;
}
