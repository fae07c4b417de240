/** What a message of a call asks leave for, by the path of its method. A method that is not here is refused to everybody. */
import gossipGrpc from "@eventstore/db-client/generated/gossip_grpc_pb.js";
import persistent from "@eventstore/db-client/generated/persistent_pb.js";
import persistentGrpc from "@eventstore/db-client/generated/persistent_grpc_pb.js";
import featuresGrpc from "@eventstore/db-client/generated/serverfeatures_grpc_pb.js";
import streams from "@eventstore/db-client/generated/streams_pb.js";
import streamsGrpc from "@eventstore/db-client/generated/streams_grpc_pb.js";
import users from "@eventstore/db-client/generated/users_pb.js";
import usersGrpc from "@eventstore/db-client/generated/users_grpc_pb.js";
import type shared from "@eventstore/db-client/generated/shared_pb.js";
import { allSource } from "../persistent-subscriptions/group-key.ts";
import type { Action } from "../security/access-rules.ts";
import { streamNameOf } from "./stream-name.ts";

const { StreamsService } = streamsGrpc;
const { PersistentSubscriptionsService } = persistentGrpc;
const { UsersService } = usersGrpc;
const { CountOptionCase } = streams.ReadReq.Options;

/** Undefined for a message that asks for nothing new: events of an append, acknowledgements. */
export type ActionOf = (message: unknown) => Action | undefined;

const useStream = (right: "read" | "write" | "delete", identifier: shared.StreamIdentifier | undefined): Action => ({
  kind: "use-stream",
  right,
  stream: streamNameOf(identifier),
});

const readAction = (message: unknown): Action | undefined => {
  const options = message instanceof streams.ReadReq ? message.getOptions() : undefined;
  if (options === undefined) return undefined;
  if (options.hasAll()) return { kind: "use-stream", right: "read", stream: allSource };
  return useStream("read", options.getStream()?.getStreamIdentifier());
};

const appendAction = (message: unknown): Action | undefined => {
  const isAppend = message instanceof streams.AppendReq || message instanceof streams.BatchAppendReq;
  const options = isAppend ? message.getOptions() : undefined;
  return options === undefined ? undefined : useStream("write", options.getStreamIdentifier());
};

const deleteAction = (message: unknown): Action | undefined => {
  const isDelete = message instanceof streams.DeleteReq || message instanceof streams.TombstoneReq;
  return useStream("delete", isDelete ? message.getOptions()?.getStreamIdentifier() : undefined);
};

const consumeAction = (message: unknown): Action | undefined => {
  const options = message instanceof persistent.ReadReq ? message.getOptions() : undefined;
  if (options === undefined) return undefined;
  return { kind: "consume", stream: options.hasAll() ? allSource : streamNameOf(options.getStreamIdentifier()) };
};

const changePasswordAction = (message: unknown): Action => ({
  kind: "change-password",
  name: message instanceof users.ChangePasswordReq ? (message.getOptions()?.getLoginName() ?? "") : "",
});

const always =
  (action: Action): ActionOf =>
  () =>
    action;
const lookAtCluster = always({ kind: "look-at-cluster" });
const manageSubscriptions = always({ kind: "manage-subscriptions" });
const inspectSubscriptions = always({ kind: "inspect-subscriptions" });
const manageUsers = always({ kind: "manage-users" });

const actions: ReadonlyMap<string, ActionOf> = new Map<string, ActionOf>([
  [gossipGrpc.GossipService.read.path, lookAtCluster],
  [featuresGrpc.ServerFeaturesService.getSupportedMethods.path, lookAtCluster],
  [StreamsService.read.path, readAction],
  [StreamsService.append.path, appendAction],
  [StreamsService.batchAppend.path, appendAction],
  [StreamsService.delete.path, deleteAction],
  [StreamsService.tombstone.path, deleteAction],
  [PersistentSubscriptionsService.create.path, manageSubscriptions],
  [PersistentSubscriptionsService.update.path, manageSubscriptions],
  [PersistentSubscriptionsService.delete.path, manageSubscriptions],
  [PersistentSubscriptionsService.replayParked.path, manageSubscriptions],
  [PersistentSubscriptionsService.restartSubsystem.path, manageSubscriptions],
  [PersistentSubscriptionsService.getInfo.path, inspectSubscriptions],
  [PersistentSubscriptionsService.list.path, inspectSubscriptions],
  [PersistentSubscriptionsService.read.path, consumeAction],
  [UsersService.create.path, manageUsers],
  [UsersService.update.path, manageUsers],
  [UsersService.delete.path, manageUsers],
  [UsersService.disable.path, manageUsers],
  [UsersService.enable.path, manageUsers],
  [UsersService.resetPassword.path, manageUsers],
  [UsersService.details.path, always({ kind: "inspect-users" })],
  [UsersService.changePassword.path, changePasswordAction],
]);

export const actionsOf = (path: string): ActionOf | undefined => actions.get(path);

/** Whether the call goes on after it was allowed, and has to end when its permission does. */
export const isSubscription = (message: unknown): boolean =>
  message instanceof streams.ReadReq && message.getOptions()?.getCountOptionCase() === CountOptionCase.SUBSCRIPTION;
