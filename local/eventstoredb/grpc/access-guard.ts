/**
 * Stands before every handler of a secure server: finds out who calls, and lets no message pass that asks for what the
 * caller may not do. An insecure server has no guard, so it costs nothing there. A refused append ends only itself, not the
 * stream that it shares; a subscription ends when its permission does.
 */
import {
  ResponderBuilder,
  ServerInterceptingCall,
  ServerListenerBuilder,
  type Metadata,
  type ServerInterceptor,
} from "@grpc/grpc-js";
import codes from "@eventstore/db-client/generated/code_pb.js";
import shared from "@eventstore/db-client/generated/shared_pb.js";
import statusMessage from "@eventstore/db-client/generated/status_pb.js";
import streams from "@eventstore/db-client/generated/streams_pb.js";
import protobufAny from "google-protobuf/google/protobuf/any_pb.js";
import { decideAccess, type Action } from "../security/access-rules.ts";
import type { Authentication } from "../security/authentication.ts";
import { anonymous, type Principal } from "../security/principal.ts";
import type { SecureMode } from "../security/secure-mode.ts";
import { actionsOf, isSubscription } from "./call-actions.ts";
import { rememberCaller } from "./callers.ts";
import { accessDenied, toStatusError, unauthenticated, type StatusError } from "./status-errors.ts";

const refusedAppend = (request: streams.BatchAppendReq): streams.BatchAppendResp => {
  const details = new protobufAny.Any();
  details.pack(new shared.AccessDenied().serializeBinary(), "event_store.client.AccessDenied");
  const error = new statusMessage.Status();
  error.setCode(codes.Code.PERMISSION_DENIED);
  error.setMessage("AccessDenied");
  error.setDetails(details);
  const response = new streams.BatchAppendResp();
  response.setCorrelationId(request.getCorrelationId());
  response.setStreamIdentifier(request.getOptions()?.getStreamIdentifier());
  response.setError(error);
  return response;
};

/**
 * What the handler gets in place of a refused append: without a correlation id it is of no append. It has to get something,
 * as gRPC holds back that the client has ended its side until the message before has been passed on.
 */
const nothing = new streams.BatchAppendReq();

const authorizationOf = (metadata: Metadata): string | undefined => {
  const [header] = metadata.get("authorization");
  return header?.toString();
};

export const accessGuard =
  ({ authenticator, acls }: Pick<SecureMode, "authenticator" | "acls">): ServerInterceptor =>
  (method, call) => {
    const actionOf = actionsOf(method.path);
    let principal: Principal = anonymous;
    let ended = false;
    let stopWatching: (() => void) | undefined;

    const end = (): void => {
      ended = true;
      stopWatching?.();
      stopWatching = undefined;
    };
    const refuse = ({ code, details, metadata }: StatusError): void => {
      if (ended) return;
      end();
      call.sendStatus({ code, details, metadata });
    };
    const isAllowed = (action: Action): boolean => decideAccess(principal, action, acls) === "allowed";
    /** Whatever goes wrong while it is decided, such as damage on disk, ends the call: it lets nobody in. */
    const orRefuse = (decide: () => void): void => {
      try {
        decide();
      } catch (error) {
        refuse(toStatusError(error));
      }
    };

    const admit = (metadata: Metadata, next: (metadata: Metadata) => void, found: Authentication): void => {
      if (ended) return;
      if (found.kind === "invalid") {
        refuse(unauthenticated());
        return;
      }
      principal = found;
      rememberCaller(metadata, found.kind === "user" ? found.name : "anonymous");
      next(metadata);
    };

    const judge = (message: unknown, next: (message: unknown) => void): void => {
      if (ended) return;
      const action = actionOf?.(message);
      if (actionOf === undefined || (action !== undefined && !isAllowed(action))) {
        if (!(message instanceof streams.BatchAppendReq)) {
          refuse(accessDenied());
          return;
        }
        call.sendMessage(refusedAppend(message), () => undefined);
        next(nothing);
        return;
      }
      if (action?.kind === "use-stream" && isSubscription(message)) {
        stopWatching ??= acls.watch(action.stream, () =>
          orRefuse(() => {
            if (!isAllowed(action)) refuse(accessDenied());
          }),
        );
      }
      next(message);
    };

    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, next) => {
        const found = authenticator.authenticate(authorizationOf(metadata));
        if (!(found instanceof Promise)) admit(metadata, next, found);
        else {
          found.then(
            (principalOrNot) => admit(metadata, next, principalOrNot),
            (error: unknown) => refuse(toStatusError(error)),
          );
        }
      })
      .withOnReceiveMessage((message: unknown, next) => orRefuse(() => judge(message, next)))
      .withOnCancel(end)
      .build();
    const responder = new ResponderBuilder()
      .withStart((next) => next(listener))
      // A handler does not know yet that the guard has ended its call.
      .withSendMessage((message, next) => {
        if (!ended) next(message);
      })
      .withSendStatus((status, next) => {
        if (ended) return;
        end();
        next(status);
      })
      .build();
    return new ServerInterceptingCall(call, responder);
  };
