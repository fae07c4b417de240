/**
 * An event store that the unmodified `@eventstore/db-client` takes for EventStoreDB: durable, on one machine, in one
 * process. See docs/embedded-event-store.md.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { startFollower, type Follower, type FollowerOptions } from "./follower-server.ts";
import { Cluster } from "./cluster/membership.ts";
import { accessGuard } from "./grpc/access-guard.ts";
import { leadershipGuard } from "./grpc/leadership-guard.ts";
import { connectionStringOf, loopbackAddress, reachable, type KeepAlive } from "./grpc-endpoint.ts";
import { defaultLimits, type Limits } from "./limits.ts";
import { openEventLog } from "./log/event-log.ts";
import { type MemberParts, serveMember } from "./member-services.ts";
import { PersistentSubscriptions } from "./persistent-subscriptions/subsystem.ts";
import { startSecureMode, type SecurityOptions } from "./security/secure-mode.ts";

export type { Follower, FollowerOptions } from "./follower-server.ts";
export type { SecurityOptions } from "./security/secure-mode.ts";

export interface EventStoreOptions {
  /** Made if it does not exist. Absent: a temporary directory that is removed at stop. */
  readonly dataDirectory?: string;
  /** Keeps the events in memory, without a directory: gone at stop, and quicker where each append would wait for a disk. */
  readonly inMemory?: boolean;
  /** 0, the default, takes a free port. */
  readonly port?: number;
  /** 127.0.0.1 unless told otherwise. */
  readonly host?: string;
  /** How soon a client that is gone without a word is noticed, in milliseconds; EventStoreDB's defaults if absent. */
  readonly keepAlive?: KeepAlive;
  /** Secure mode: encryption, users and access lists. Absent: insecure, where everybody may do everything. */
  readonly security?: SecurityOptions;
  /** Bytes of event data in one append; EventStoreDB's default, 1 MiB, if absent. */
  readonly maximumAppendSize?: number;
}

export interface EventStoreServer {
  /** For `EventStoreDBClient.connectionString`. It holds no password: in secure mode such a client is anonymous. */
  readonly connectionString: string;
  /** The same with a user: `esdb://name:password@...`. An insecure server takes no notice of it. */
  connectionStringFor(user: { readonly username: string; readonly password: string }): string;
  readonly port: number;
  /** Undefined in memory. */
  readonly dataDirectory: string | undefined;
  /** The certificate that clients need to trust the server; undefined if it is insecure, or if they know it anyway. */
  readonly caFile: string | undefined;
  /** Adds a follower that is late, so that a test sees how its clients get along with a cluster. Stops with this server. */
  startFollower(options?: FollowerOptions): Promise<Follower>;
  /** Makes it the leader again, where a follower had become it. */
  lead(): Promise<void>;
  /** Ends calls that are under way, writes what was acknowledged, closes the files. */
  stop(): Promise<void>;
}

/** What was opened, closed again in the opposite order, also by a start that fails half-way. */
class Closing {
  readonly #steps: (() => Promise<void> | void)[] = [];

  add(step: () => Promise<void> | void): void {
    this.#steps.unshift(step);
  }

  async run(): Promise<void> {
    for (let step = this.#steps.shift(); step !== undefined; step = this.#steps.shift()) await step();
  }
}

/**
 * Starts a server and resolves when it answers.
 * @throws DataDirectoryError, PortInUseError, HostUnusableError, SecurityError
 */
export const startEventStore = async (options: EventStoreOptions = {}): Promise<EventStoreServer> => {
  if (options.inMemory === true && options.dataDirectory !== undefined) {
    throw new TypeError("An event store in memory has no data directory: leave out inMemory or dataDirectory.");
  }
  const closing = new Closing();
  try {
    return await start(options, closing);
  } catch (error) {
    await closing.run();
    throw error;
  }
};

const start = async (options: EventStoreOptions, closing: Closing): Promise<EventStoreServer> => {
  const { host = loopbackAddress, security } = options;
  const limits: Limits = {
    ...defaultLimits,
    ...(options.maximumAppendSize === undefined ? {} : { maximumAppendSize: options.maximumAppendSize }),
  };
  const temporaryDirectory = async (): Promise<string> => {
    const directory = await mkdtemp(join(tmpdir(), "event-store-"));
    closing.add(() => rm(directory, { recursive: true, force: true }));
    return directory;
  };
  const inMemory = options.inMemory === true;
  const given = options.dataDirectory === undefined ? undefined : resolve(options.dataDirectory);
  const dataDirectory = given ?? (inMemory ? undefined : await temporaryDirectory());

  const log = await openEventLog(dataDirectory);
  closing.add(() => log.close());
  const secureMode =
    security === undefined
      ? undefined
      : await startSecureMode(security, log, dataDirectory ?? (await temporaryDirectory()), host);
  const subscriptions = new PersistentSubscriptions(log);
  closing.add(() => subscriptions.stop());

  let port = 0;
  let hasFollowers = false;
  const cluster = new Cluster();
  const membership = cluster.join(() => ({ host: reachable(host), port }));

  const guards = secureMode === undefined ? [] : [accessGuard(secureMode)];
  const parts: MemberParts = { log, subscriptions, limits, cluster, secureMode };
  const listening = { host, port: options.port ?? 0, keepAlive: options.keepAlive };
  const bound = await serveMember(parts, guards, listening);
  port = bound.port;
  closing.add(() => bound.close());

  const connectionString = connectionStringOf(host, port, secureMode?.certificate);
  return {
    connectionString,
    connectionStringFor: ({ username, password }) =>
      connectionString.replace(
        "esdb://",
        () => `esdb://${encodeURIComponent(username)}:${encodeURIComponent(password)}@`,
      ),
    port,
    dataDirectory,
    caFile: secureMode?.certificate.caFile,
    startFollower: async (followerOptions = {}) => {
      // A server that is alone leads, and its calls are not asked whether it does.
      if (!hasFollowers)
        guards.push(leadershipGuard(() => (membership.isLeader() ? undefined : cluster.leader()?.endpoint)));
      hasFollowers = true;
      const follower = await startFollower(parts, followerOptions);
      let stopped: Promise<void> | undefined;
      const stop = (): Promise<void> => (stopped ??= follower.stop());
      closing.add(stop);
      return { ...follower, stop };
    },
    lead: async () => {
      if (membership.isLeader()) return;
      membership.lead();
      await subscriptions.restart();
    },
    stop: () => closing.run(),
  };
};
