/**
 * The servers of a benchmark: those of `npm start`, each a process of its own, on free ports, with their data on disk in a
 * temporary directory. However the run ends, no process and no directory is left.
 */
import { rmSync } from "node:fs";
import { mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../local/system/ports.ts";
import {
  dynamodbProcess,
  endpointAt,
  eventStoreConnectionString,
  eventStoreProcess,
  functionsProcess,
  linkPackages,
  type SystemPorts,
} from "../local/system/processes.ts";
import { type ProcessDefinition, Supervisor } from "../local/system/supervisor.ts";

export class Servers {
  readonly connectionString: string;
  readonly dynamodbEndpoint: string;
  readonly invokeEndpoint: string;
  readonly #ports: SystemPorts;
  readonly #directory: string;
  readonly #supervisor: Supervisor;
  /** Rejects when a server died: a round in which that happens counts for nothing. */
  readonly #broken: Promise<never>;
  #runtime: Promise<void> | undefined;

  private constructor(ports: SystemPorts, directory: string) {
    this.#ports = ports;
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
    const [api = 0, invoke = 0, eventStore = 0, dynamodb = 0, subscriber = 0] = await freePorts(5);
    const directory = await mkdtemp(join(tmpdir(), "tidemark-bench-"));
    return new Servers({ api, invoke, eventStore, dynamodb, subscriber }, directory);
  }

  /** Starts an event store and a DynamoDB server. */
  async start(): Promise<void> {
    await mkdir(`${this.#directory}/dynamodb`);
    await Promise.all([this.#start(eventStoreProcess), this.#start(dynamodbProcess)]);
  }

  /** Starts the function runtime; at the second call it runs already. */
  startFunctions(): Promise<void> {
    if (this.#runtime === undefined) linkPackages(this.#directory);
    this.#runtime ??= this.#start(functionsProcess);
    return this.#runtime;
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
