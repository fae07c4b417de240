/**
 * An event store that the unmodified `@eventstore/db-client` takes for EventStoreDB: durable, on one machine, in one
 * process. See docs/embedded-event-store.md.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { addGossipService } from "./grpc/gossip-service.ts";
import { addPersistentSubscriptionsService } from "./grpc/persistent-subscriptions-service.ts";
import { addServerFeaturesService } from "./grpc/server-features-service.ts";
import { addStreamsService } from "./grpc/streams-service.ts";
import { defaultLimits, maximumMessageSize } from "./limits.ts";
import { openEventLog } from "./log/event-log.ts";
import { PersistentSubscriptions } from "./persistent-subscriptions/subsystem.ts";
import { PortInUseError } from "./port-in-use-error.ts";

export interface EventStoreOptions {
  /** Made if it does not exist. Absent: a temporary directory that is removed at stop. */
  readonly dataDirectory?: string;
  /** Keeps the events in memory, without a directory: gone at stop, and quicker where each append would wait for a disk. */
  readonly inMemory?: boolean;
  /** 0, the default, takes a free port. */
  readonly port?: number;
  /** 127.0.0.1 unless told otherwise: the server is insecure. */
  readonly host?: string;
  /** How soon a client that is gone without a word is noticed, in milliseconds; EventStoreDB's defaults if absent. */
  readonly keepAlive?: KeepAlive;
}

export interface KeepAlive {
  readonly interval: number;
  readonly timeout: number;
}

const defaultKeepAlive: KeepAlive = { interval: 10_000, timeout: 10_000 };

export interface EventStoreServer {
  /** For `EventStoreDBClient.connectionString`. */
  readonly connectionString: string;
  readonly port: number;
  /** Undefined in memory. */
  readonly dataDirectory: string | undefined;
  /** Ends calls that are under way, writes what was acknowledged, closes the files. */
  stop(): Promise<void>;
}

/** How long calls may take to end by themselves at `stop`. */
const graceMilliseconds = 250;

/** Where clients find who listens there. Theirs cannot read IPv6 addresses: loopback and "every address" have a name. */
const reachable = (host: string): string => {
  if (host === "0.0.0.0") return "127.0.0.1";
  return host === "::" || host === "::1" ? "localhost" : host;
};

const bind = (server: Server, host: string, port: number): Promise<number> =>
  new Promise((fulfil, reject) => {
    const address = host.includes(":") ? `[${host}]` : host;
    server.bindAsync(`${address}:${port}`, ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) fulfil(bound);
      else reject(error.message.includes("EADDRINUSE") ? new PortInUseError(host, port, error) : error);
    });
  });

const shutDown = (server: Server): Promise<void> =>
  new Promise((fulfil) => {
    const force = setTimeout(() => {
      server.forceShutdown();
      fulfil();
    }, graceMilliseconds);
    server.tryShutdown(() => {
      clearTimeout(force);
      fulfil();
    });
  });

const open = async (dataDirectory: string | undefined) => {
  const log = await openEventLog(dataDirectory);
  try {
    return { log, subscriptions: new PersistentSubscriptions(log) };
  } catch (error) {
    // Its lock would outlive the failure.
    log.close();
    throw error;
  }
};

/**
 * Starts a server and resolves when it answers.
 * @throws DataDirectoryError, PortInUseError
 */
export const startEventStore = async (options: EventStoreOptions = {}): Promise<EventStoreServer> => {
  const host = options.host ?? "127.0.0.1";
  const keepAlive = options.keepAlive ?? defaultKeepAlive;
  if (options.inMemory === true && options.dataDirectory !== undefined) {
    throw new TypeError("An event store in memory has no data directory: leave out inMemory or dataDirectory.");
  }
  const temporary =
    options.inMemory === true || options.dataDirectory !== undefined
      ? undefined
      : await mkdtemp(join(tmpdir(), "event-store-"));
  const dataDirectory = options.dataDirectory === undefined ? temporary : resolve(options.dataDirectory);
  const removeTemporary = async (): Promise<void> => {
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
  };
  try {
    const { log, subscriptions } = await open(dataDirectory);
    const server = new Server({
      "grpc.max_receive_message_length": maximumMessageSize,
      "grpc.max_send_message_length": -1,
      // Its calls end with it, and what was in flight to its consumers goes to others.
      "grpc.keepalive_time_ms": keepAlive.interval,
      "grpc.keepalive_timeout_ms": keepAlive.timeout,
    });
    let port = 0;
    addStreamsService(server, log, defaultLimits);
    addPersistentSubscriptionsService(server, subscriptions);
    addServerFeaturesService(server);
    addGossipService(server, () => ({ host: reachable(host), port }));
    try {
      port = await bind(server, host, options.port ?? 0);
    } catch (error) {
      await subscriptions.stop();
      log.close();
      throw error;
    }
    return {
      connectionString: `esdb://${reachable(host)}:${port}?tls=false`,
      port,
      dataDirectory,
      stop: async () => {
        await shutDown(server);
        await subscriptions.stop();
        log.close();
        await removeTemporary();
      },
    };
  } catch (error) {
    await removeTemporary();
    throw error;
  }
};
