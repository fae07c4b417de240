/** What each member of a cluster serves on its port, the leader and its followers alike. */
import type { ServerInterceptor } from "@grpc/grpc-js";
import type { Cluster } from "./cluster/membership.ts";
import { addGossipService } from "./grpc/gossip-service.ts";
import { addPersistentSubscriptionsService } from "./grpc/persistent-subscriptions-service.ts";
import { addServerFeaturesService } from "./grpc/server-features-service.ts";
import { addStreamsService } from "./grpc/streams-service.ts";
import { addUsersService } from "./grpc/users-service.ts";
import { createGrpcServer, type KeepAlive } from "./grpc-endpoint.ts";
import { httpService } from "./http/http-service.ts";
import type { Limits } from "./limits.ts";
import type { EventLog } from "./log/event-log.ts";
import type { PersistentSubscriptions } from "./persistent-subscriptions/subsystem.ts";
import type { SecureMode } from "./security/secure-mode.ts";
import { sharePort, type SharedPort } from "./shared-port.ts";

/** What a member serves from. */
export interface MemberParts {
  readonly log: EventLog;
  readonly subscriptions: PersistentSubscriptions;
  readonly limits: Limits;
  readonly cluster: Cluster;
  readonly secureMode: SecureMode | undefined;
}

export interface Listening {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly keepAlive?: KeepAlive | undefined;
}

/**
 * Resolves when the member answers.
 * @param guards what each gRPC call passes first; one that is added later stands before the calls that come then
 * @throws PortInUseError, HostUnusableError
 */
export const serveMember = (
  { log, subscriptions, limits, cluster, secureMode }: MemberParts,
  guards: ServerInterceptor[],
  { host, port, keepAlive }: Listening,
): Promise<SharedPort> => {
  const members = () => cluster.members();
  const grpc = createGrpcServer(guards, keepAlive);
  addStreamsService(grpc, log, limits);
  addPersistentSubscriptionsService(grpc, subscriptions);
  addServerFeaturesService(grpc);
  addGossipService(grpc, members);
  if (secureMode !== undefined) addUsersService(grpc, secureMode.users);
  const http = httpService({ log, limits, members, secureMode });
  return sharePort(grpc, http, host, port, secureMode?.certificate);
};
