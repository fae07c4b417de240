/**
 * Stands before the handlers of a member while it follows, and sends to the leader who has to be there: calls that say so, and everything
 * that has to do with persistent subscriptions, which only a leader runs. Answers to the first message, as the real server
 * does: the client loses an append whose stream ends before it was written to.
 */
import { ResponderBuilder, ServerInterceptingCall, ServerListenerBuilder, type ServerInterceptor } from "@grpc/grpc-js";
import persistentGrpc from "@eventstore/db-client/generated/persistent_grpc_pb.js";
import type { Endpoint } from "../cluster/membership.ts";
import { notLeader } from "./status-errors.ts";

const leadersOnly = new Set(Object.values(persistentGrpc.PersistentSubscriptionsService).map(({ path }) => path));

/** @param leader where the leader is, if that is another member; asked for at each call */
export const leadershipGuard =
  (leader: () => Endpoint | undefined): ServerInterceptor =>
  (method, call) => {
    const elsewhere = leader();
    if (elsewhere === undefined) return new ServerInterceptingCall(call);
    let refused = false;
    const refuse = (): void => {
      const { code, details, metadata } = notLeader(elsewhere);
      call.sendStatus({ code, details, metadata });
    };
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, next) => {
        const [required] = metadata.get("requires-leader");
        refused = leadersOnly.has(method.path) || required?.toString().toLowerCase() === "true";
        // The handler hears nothing of a call that is not for it, so its first message is read here.
        if (refused) call.startRead();
        else next(metadata);
      })
      .withOnReceiveMessage((message: unknown, next) => {
        if (refused) refuse();
        else next(message);
      })
      .withOnReceiveHalfClose((next) => {
        if (refused) refuse();
        else next();
      })
      .build();
    return new ServerInterceptingCall(call, new ResponderBuilder().withStart((next) => next(listener)).build());
  };
