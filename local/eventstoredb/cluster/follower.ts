/**
 * A follower for tests of how clients get along with a cluster: a server beside the leader, in the same process, that reads
 * from a late copy of the leader's log, hands writes on to the leader, and sends those to the leader who have to be there.
 */
import { randomUUID } from "node:crypto";
import persistentGrpc from "@eventstore/db-client/generated/persistent_grpc_pb.js";
import { accessGuard } from "../grpc/access-guard.ts";
import { addGossipService, type Member } from "../grpc/gossip-service.ts";
import { leadershipGuard } from "../grpc/leadership-guard.ts";
import { addServerFeaturesService } from "../grpc/server-features-service.ts";
import { addStreamsService } from "../grpc/streams-service.ts";
import { addUsersService } from "../grpc/users-service.ts";
import { bind, connectionStringOf, createGrpcServer, loopbackAddress, reachable, shutDown } from "../grpc-endpoint.ts";
import type { Limits } from "../limits.ts";
import type { EventLog } from "../log/event-log.ts";
import type { SecureMode } from "../security/secure-mode.ts";
import { startReplica } from "./lagging-replica.ts";

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
  stop(): Promise<void>;
}

/** What a follower shares with its leader. */
export interface LeaderOfFollower {
  readonly log: EventLog;
  readonly limits: Limits;
  readonly member: () => Member;
  readonly members: () => readonly Member[];
  readonly secureMode: SecureMode | undefined;
}

/** Resolves, with the new member, when it answers. @throws PortInUseError */
export const startFollower = async (
  leader: LeaderOfFollower,
  { lagMilliseconds = 0, port = 0, host = loopbackAddress }: FollowerOptions,
): Promise<{ readonly follower: Follower; readonly member: Member }> => {
  const { secureMode } = leader;
  const replica = await startReplica(leader.log, lagMilliseconds);
  const log: EventLog = {
    ...replica.log,
    append: (request) => leader.log.append(request),
    delete: (request) => leader.log.delete(request),
    tombstone: (request) => leader.log.tombstone(request),
  };
  const server = createGrpcServer([
    ...(secureMode === undefined ? [] : [accessGuard(secureMode)]),
    leadershipGuard(() => leader.member().endpoint),
  ]);
  addStreamsService(server, log, leader.limits);
  // Without handlers: the guard answers before one is asked for.
  server.addService(persistentGrpc.PersistentSubscriptionsService, {});
  addServerFeaturesService(server);
  addGossipService(server, leader.members);
  if (secureMode !== undefined) addUsersService(server, secureMode.users);
  let bound: number;
  try {
    bound = await bind(server, host, port, secureMode?.certificate);
  } catch (error) {
    await replica.close();
    throw error;
  }
  const member: Member = {
    instanceId: randomUUID(),
    role: "follower",
    endpoint: { host: reachable(host), port: bound },
  };
  return {
    member,
    follower: {
      connectionString: connectionStringOf(host, bound, secureMode?.certificate),
      port: bound,
      setLag: (milliseconds) => replica.setLag(milliseconds),
      stop: async () => {
        await shutDown(server);
        await replica.close();
      },
    },
  };
};
