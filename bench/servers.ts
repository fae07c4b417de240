/**
 * The servers of a benchmark: those of `npm start`, each a process of its own, on free ports, with their data on disk in a
 * temporary directory. However the run ends, no process and no directory is left.
 */
import { rmSync } from "node:fs";
import { mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { accepts, freePorts } from "../local/system/ports.ts";
import {
  dynamodbProcess,
  endpointAt,
  eventStoreConnectionString,
  eventStoreProcess,
  functionsProcess,
  linkPackages,
  serverlessCommand,
  serverlessEnvironment,
  type SystemPorts,
} from "../local/system/processes.ts";
import { type ProcessDefinition, Supervisor } from "../local/system/supervisor.ts";

/** As its runtime serves it. */
export const emptyFunction = "tidemark-bench-local-empty";

interface EmptyPorts {
  readonly http: number;
  readonly invoke: number;
}

export class Servers {
  readonly connectionString: string;
  readonly dynamodbEndpoint: string;
  readonly invokeEndpoint: string;
  /** Serves {@link emptyFunction}, after {@link startEmptyFunction}. */
  readonly emptyInvokeEndpoint: string;
  readonly #ports: SystemPorts;
  readonly #emptyPorts: EmptyPorts;
  readonly #directory: string;
  readonly #supervisor: Supervisor;
  /** Rejects when a server died: a round in which that happens counts for nothing. */
  readonly #broken: Promise<never>;
  #runtime: Promise<void> | undefined;
  #emptyRuntime: Promise<void> | undefined;

  private constructor(ports: SystemPorts, emptyPorts: EmptyPorts, directory: string) {
    this.#ports = ports;
    this.#emptyPorts = emptyPorts;
    this.emptyInvokeEndpoint = endpointAt(emptyPorts.invoke);
    this.#directory = directory;
    this.connectionString = eventStoreConnectionString(ports);
    this.dynamodbEndpoint = endpointAt(ports.dynamodb);
    this.invokeEndpoint = endpointAt(ports.invoke);
    const { promise, reject } = Promise.withResolvers<never>();
    // Whoever waits for the servers hears of it; by itself it must not end the process.
    promise.catch(() => undefined);
    this.#broken = promise;
    const broken = (why: string): void => reject(new Error(`a server of the benchmark ended: ${why}`));
    this.#supervisor = new Supervisor(`${directory}/logs`, {
      notice: broken,
      failed: broken,
      changed: () => undefined,
    });
    process.once("exit", this.#removeDirectory);
  }

  /** Nothing runs yet, but {@link stop} is due from now on. */
  static async prepared(): Promise<Servers> {
    const [api = 0, invoke = 0, eventStore = 0, dynamodb = 0, subscriber = 0, ...others] = await freePorts(7);
    const [emptyHttp = 0, emptyInvoke = 0] = others;
    const directory = await mkdtemp(join(tmpdir(), "tidemark-bench-"));
    const ports = { api, invoke, eventStore, dynamodb, subscriber };
    return new Servers(ports, { http: emptyHttp, invoke: emptyInvoke }, directory);
  }

  /** Starts an event store and a DynamoDB server, after `fill` has written the event store's directory, if it is given. */
  async start(fill?: (eventStoreDirectory: string) => Promise<unknown>): Promise<void> {
    await fill?.(`${this.#directory}/event-store`);
    await mkdir(`${this.#directory}/dynamodb`);
    await Promise.all([this.#start(eventStoreProcess), this.#start(dynamodbProcess)]);
  }

  /** Starts the function runtime; at the second call it runs already. */
  startFunctions(): Promise<void> {
    if (this.#runtime === undefined) linkPackages(this.#directory);
    this.#runtime ??= this.#start(functionsProcess);
    return this.#runtime;
  }

  /** Starts another runtime, with {@link emptyFunction} alone; at the second call it runs already. */
  startEmptyFunction(): Promise<void> {
    this.#emptyRuntime ??= this.#start((_, directory) => emptyFunctionProcess(this.#emptyPorts, directory));
    return this.#emptyRuntime;
  }

  /** What `work` gives, or the reason why a server ended before it was done. */
  during<Result>(work: Promise<Result>): Promise<Result> {
    return Promise.race([work, this.#broken]);
  }

  async stop(): Promise<void> {
    await this.#supervisor.stop();
    process.off("exit", this.#removeDirectory);
    this.#removeDirectory();
  }

  async #start(definition: (ports: SystemPorts, directory: string) => ProcessDefinition): Promise<void> {
    const started = this.#supervisor.start(definition(this.#ports, this.#directory));
    if (!(await this.during(started))) throw new Error("the servers are being stopped");
  }

  // Synchronous: it also runs when the process is ending.
  readonly #removeDirectory = (): void => {
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 5 });
  };
}

/** The runtime of {@link functionsProcess}, for a service of its own. */
function emptyFunctionProcess(ports: EmptyPorts, directory: string): ProcessDefinition {
  const service = fileURLToPath(new URL("empty-function", import.meta.url));
  const words = [
    "--stage",
    "local",
    "--httpPort",
    `${ports.http}`,
    "--lambdaPort",
    `${ports.invoke}`,
    "--albPort",
    "0",
  ];
  return {
    name: "empty-function",
    port: ports.invoke,
    directory: service,
    command: [process.execPath, serverlessCommand, "offline", "start", ...words],
    environment: { ...serverlessEnvironment, TIDEMARK_BUILD_FOLDER: relative(service, `${directory}/empty-function`) },
    isReady: () => accepts(ports.invoke),
  };
}
