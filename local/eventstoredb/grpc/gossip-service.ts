/** `Gossip`: what discovery reads. Tells of the members of the cluster: one leader, and the followers that were started. */
import type { sendUnaryData, Server, ServerUnaryCall } from "@grpc/grpc-js";
import gossip from "@eventstore/db-client/generated/gossip_pb.js";
import gossipGrpc from "@eventstore/db-client/generated/gossip_grpc_pb.js";
import shared from "@eventstore/db-client/generated/shared_pb.js";
import type { Member } from "../cluster/membership.ts";

const { VNodeState } = gossip.MemberInfo;
const ticksPerMillisecond = 10_000n;

const memberInfo = ({ instanceId, role, endpoint }: Member, now: number): gossip.MemberInfo => {
  const id = new shared.UUID();
  id.setString(instanceId);
  const address = new gossip.EndPoint();
  address.setAddress(endpoint.host);
  address.setPort(endpoint.port);
  const member = new gossip.MemberInfo();
  member.setInstanceId(id);
  member.setTimeStamp((BigInt(now) * ticksPerMillisecond).toString());
  member.setState(role === "leader" ? VNodeState.LEADER : VNodeState.FOLLOWER);
  member.setIsAlive(true);
  member.setHttpEndPoint(address);
  return member;
};

/** @param members asked for at each call, since they come and go */
export const addGossipService = (server: Server, members: () => readonly Member[]): void => {
  const read = (): gossip.ClusterInfo => {
    const now = Date.now();
    const cluster = new gossip.ClusterInfo();
    cluster.setMembersList(members().map((member) => memberInfo(member, now)));
    return cluster;
  };
  server.addService(gossipGrpc.GossipService, {
    read: (_call: ServerUnaryCall<shared.Empty, gossip.ClusterInfo>, callback: sendUnaryData<gossip.ClusterInfo>) =>
      callback(null, read()),
  });
};
