/**
 * A follower for tests of how clients get along with a cluster: a server beside the leader, in the same process, that reads
 * from a late copy of the leader's log, hands writes on to the leader, and sends those to the leader who have to be there.
 */
import { startReplica } from "./cluster/lagging-replica.ts";
import { accessGuard } from "./grpc/access-guard.ts";
import { leadershipGuard } from "./grpc/leadership-guard.ts";
import { connectionStringOf, loopbackAddress, reachable } from "./grpc-endpoint.ts";
import type { EventLog } from "./log/event-log.ts";
import { type MemberParts, serveMember } from "./member-services.ts";
import type { SharedPort } from "./shared-port.ts";

export interface FollowerOptions {
  /** How old a commit is before the follower shows it. 0, the default, shows it as soon as it is copied. */
  readonly lagMilliseconds?: number;
  /** 0, the default, takes a free port. */
  readonly port?: number;
  readonly host?: string;
}

export interface Follower {
  /** Of this server alone; name it beside the leader's host for a client that is to know both. */
  readonly connectionString: string;
  readonly port: number;
  /** May be called at any time; Infinity keeps everything from the follower that it does not have yet. */
  setLag(milliseconds: number): void;
  /**
   * Makes it the leader, as an election would, and the leader a follower that is not late: resolves when it has everything.
   * Consumers of persistent subscriptions are dropped, and find them at the new leader.
   */
  lead(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Resolves when it answers.
 * @param parts those of the leader, with the original of the log
 * @throws PortInUseError, HostUnusableError
 */
export const startFollower = async (
  parts: MemberParts,
  { lagMilliseconds = 0, port = 0, host = loopbackAddress }: FollowerOptions,
): Promise<Follower> => {
  const { log: original, subscriptions, cluster, secureMode } = parts;
  const replica = await startReplica(original, lagMilliseconds);
  let leads = (): boolean => false;
  /** Who writes to a leader reads what he has written. */
  const written = async <Outcome>(writing: Promise<Outcome>): Promise<Outcome> => {
    const outcome = await writing;
    if (leads()) await replica.catchUp();
    return outcome;
  };
  const log: EventLog = {
    ...replica.log,
    append: (request) => written(original.append(request)),
    delete: (request) => written(original.delete(request)),
    tombstone: (request) => written(original.tombstone(request)),
  };
  const guards = [
    ...(secureMode === undefined ? [] : [accessGuard(secureMode)]),
    leadershipGuard(() => (leads() ? undefined : cluster.leader()?.endpoint)),
  ];
  let shared: SharedPort;
  try {
    shared = await serveMember({ ...parts, log }, guards, { host, port });
  } catch (error) {
    await replica.close();
    throw error;
  }
  const { port: bound } = shared;
  const membership = cluster.join(() => ({ host: reachable(host), port: bound }));
  leads = () => membership.isLeader();
  const stopWatching = cluster.onChange(() => replica.setLate(!leads()));
  return {
    connectionString: connectionStringOf(host, bound, secureMode?.certificate),
    port: bound,
    setLag: (milliseconds) => replica.setLag(milliseconds),
    lead: async () => {
      if (leads()) return;
      membership.lead();
      await replica.catchUp();
      await subscriptions.restart();
    },
    stop: async () => {
      stopWatching();
      membership.leave();
      await shared.close();
      await replica.close();
    },
  };
};
