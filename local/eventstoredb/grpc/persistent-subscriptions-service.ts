/** The `PersistentSubscriptions` service: translation between messages and the subsystem. */
import { status, type sendUnaryData, type Server, type ServerUnaryCall } from "@grpc/grpc-js";
import persistent from "@eventstore/db-client/generated/persistent_pb.js";
import persistentGrpc from "@eventstore/db-client/generated/persistent_grpc_pb.js";
import shared from "@eventstore/db-client/generated/shared_pb.js";
import { UnsupportedRegexError } from "../log/event-filter.ts";
import { allSource, type GroupKey } from "../persistent-subscriptions/group-key.ts";
import type { GroupOutcome, PersistentSubscriptions } from "../persistent-subscriptions/subsystem.ts";
import { createInfo } from "./persistent-subscription-info.ts";
import { persistentReadHandler } from "./persistent-subscription-read.ts";
import { groupFilterOf, groupKeyOf, groupSettingsOf } from "./persistent-subscription-settings.ts";
import {
  groupRefused,
  handlerFailed,
  invalidArgument,
  persistentSubscriptionDoesNotExist,
  StatusError,
  toStatusError,
} from "./status-errors.ts";
import { requireStreamName } from "./stream-name.ts";

const { PersistentSubscriptionsService } = persistentGrpc;

const asIs = (bytes: Buffer): Buffer => bytes;

const unary =
  <Request, Response>(answer: (request: Request) => Promise<Response> | Response) =>
  (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>): void => {
    Promise.resolve(call.request)
      .then(answer)
      .then(
        (response) => callback(null, response),
        (error: unknown) => callback(toStatusError(error)),
      );
  };

const required = <Options>(options: Options | undefined): Options => {
  if (options === undefined) throw handlerFailed(new Error("The request has no options."));
  return options;
};

interface Addressed {
  hasAll(): boolean;
  getStreamIdentifier(): shared.StreamIdentifier | undefined;
  getGroupName(): string;
}

const addressedGroup = (options: Addressed): GroupKey => ({
  source: options.hasAll() ? allSource : requireStreamName(options.getStreamIdentifier()),
  group: options.getGroupName(),
});

/**
 * `$all` named as if it were a stream gets no further on the real server either, whose handler is told that streams have
 * to have other names and takes that for the answer to another question.
 */
const refuseAllAsStream = ({ source }: GroupKey, options: { hasAll(): boolean }, change: string): void => {
  if (source !== allSource || options.hasAll()) return;
  throw new StatusError(
    status.UNKNOWN,
    `Envelope callback expected either ${change}PersistentSubscriptionToAllCompleted or NotHandled, received ${change}PersistentSubscriptionToStreamCompleted instead`,
  );
};

const expectDone = (key: GroupKey, outcome: GroupOutcome): void => {
  if (outcome.kind !== "done") throw groupRefused(key, outcome);
};

export const addPersistentSubscriptionsService = (server: Server, subscriptions: PersistentSubscriptions): void => {
  const info = createInfo(Date.now);

  const create = async (request: persistent.CreateReq): Promise<persistent.CreateResp> => {
    const options = required(request.getOptions());
    const key = groupKeyOf(options);
    refuseAllAsStream(key, options, "Create");
    const settings = groupSettingsOf(key, options);
    const filter = groupFilterOf(options);
    try {
      expectDone(key, await subscriptions.create({ ...key, settings, filter }));
    } catch (error) {
      throw error instanceof UnsupportedRegexError ? invalidArgument(error.message, error) : error;
    }
    return new persistent.CreateResp();
  };

  const update = async (request: persistent.UpdateReq): Promise<persistent.UpdateResp> => {
    const options = required(request.getOptions());
    const key = groupKeyOf(options);
    refuseAllAsStream(key, options, "Update");
    expectDone(key, await subscriptions.update(key, groupSettingsOf(key, options)));
    return new persistent.UpdateResp();
  };

  const remove = async (request: persistent.DeleteReq): Promise<persistent.DeleteResp> => {
    const options = required(request.getOptions());
    const key = addressedGroup(options);
    refuseAllAsStream(key, options, "Delete");
    expectDone(key, await subscriptions.delete(key));
    return new persistent.DeleteResp();
  };

  const getInfo = (request: persistent.GetInfoReq): persistent.GetInfoResp => {
    const key = addressedGroup(required(request.getOptions()));
    const group = subscriptions.group(key);
    if (group === undefined) throw persistentSubscriptionDoesNotExist(key);
    const response = new persistent.GetInfoResp();
    response.setSubscriptionInfo(info(group));
    return response;
  };

  const list = (request: persistent.ListReq): persistent.ListResp => {
    const stream = required(request.getOptions()).getListForStream();
    const source =
      stream === undefined ? undefined : stream.hasAll() ? allSource : requireStreamName(stream.getStream());
    const groups = subscriptions.list(source);
    if (groups === undefined) throw persistentSubscriptionDoesNotExist({ source: source ?? "", group: "" });
    const response = new persistent.ListResp();
    response.setSubscriptionsList(groups.map(info));
    return response;
  };

  const replayParked = (request: persistent.ReplayParkedReq): persistent.ReplayParkedResp => {
    const options = required(request.getOptions());
    const key = addressedGroup(options);
    expectDone(key, subscriptions.replayParked(key, options.hasStopAt() ? BigInt(options.getStopAt()) : undefined));
    return new persistent.ReplayParkedResp();
  };

  /** Answered at once, as on the real server; the consumers are dropped right after. */
  const restartSubsystem = (): shared.Empty => {
    setImmediate(() => {
      subscriptions.restart().catch(() => undefined);
    });
    return new shared.Empty();
  };

  server.addService(
    { ...PersistentSubscriptionsService, read: { ...PersistentSubscriptionsService.read, responseSerialize: asIs } },
    {
      create: unary(create),
      update: unary(update),
      delete: unary(remove),
      read: persistentReadHandler(subscriptions),
      getInfo: unary(getInfo),
      list: unary(list),
      replayParked: unary(replayParked),
      restartSubsystem: unary(restartSubsystem),
    },
  );
};
