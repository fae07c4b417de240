/** `Gossip`: what discovery reads. This server is a cluster of one, and its leader. */
import { randomUUID } from "node:crypto";
import type { sendUnaryData, Server, ServerUnaryCall } from "@grpc/grpc-js";
import gossip from "@eventstore/db-client/generated/gossip_pb.js";
import gossipGrpc from "@eventstore/db-client/generated/gossip_grpc_pb.js";
import shared from "@eventstore/db-client/generated/shared_pb.js";

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

const ticksPerMillisecond = 10_000n;

/** @param endpoint where clients reach this server; asked for at each call, since a port may be assigned late */
export const addGossipService = (server: Server, endpoint: () => Endpoint): void => {
  const instanceId = new shared.UUID();
  instanceId.setString(randomUUID());
  const read = (): gossip.ClusterInfo => {
    const { host, port } = endpoint();
    const address = new gossip.EndPoint();
    address.setAddress(host);
    address.setPort(port);
    const member = new gossip.MemberInfo();
    member.setInstanceId(instanceId);
    member.setTimeStamp((BigInt(Date.now()) * ticksPerMillisecond).toString());
    member.setState(gossip.MemberInfo.VNodeState.LEADER);
    member.setIsAlive(true);
    member.setHttpEndPoint(address);
    const cluster = new gossip.ClusterInfo();
    cluster.setMembersList([member]);
    return cluster;
  };
  server.addService(gossipGrpc.GossipService, {
    read: (_call: ServerUnaryCall<shared.Empty, gossip.ClusterInfo>, callback: sendUnaryData<gossip.ClusterInfo>) =>
      callback(null, read()),
  });
};
