/** `PersistentSubscriptions/Read`: one consumer of a group. */
import { randomUUID } from "node:crypto";
import type { ServerDuplexStream } from "@grpc/grpc-js";
import persistent from "@eventstore/db-client/generated/persistent_pb.js";
import type { NackAction } from "../persistent-subscriptions/engine.ts";
import type { Group, GroupConsumer } from "../persistent-subscriptions/group.ts";
import { allSource, groupId, type GroupKey } from "../persistent-subscriptions/group-key.ts";
import type { PersistentSubscriptions } from "../persistent-subscriptions/subsystem.ts";
import { callerName } from "./callers.ts";
import { eventResponse } from "./read-responses.ts";
import { groupRefused, handlerFailed, persistentSubscriptionDropped, toStatusError } from "./status-errors.ts";
import { requireStreamName } from "./stream-name.ts";
import { parseUuid } from "./uuid.ts";

type Call = ServerDuplexStream<persistent.ReadReq, Buffer>;
const { ContentCase, Nack } = persistent.ReadReq;

const confirmation = (key: GroupKey): Buffer => {
  const message = new persistent.ReadResp.SubscriptionConfirmation();
  message.setSubscriptionId(groupId(key));
  const response = new persistent.ReadResp();
  response.setSubscriptionConfirmation(message);
  return Buffer.from(response.serializeBinary());
};

const actionOf = (nack: persistent.ReadReq.Nack): NackAction => {
  switch (nack.getAction()) {
    case Nack.Action.PARK:
      return "park";
    case Nack.Action.RETRY:
      return "retry";
    case Nack.Action.SKIP:
      return "skip";
    case Nack.Action.STOP:
      return "stop";
    default:
      return "unknown";
  }
};

const idsOf = (message: persistent.ReadReq.Ack | persistent.ReadReq.Nack): string[] =>
  message
    .getIdsList()
    .map(parseUuid)
    .filter((id) => id !== undefined);

const connectionNameOf = (call: Call): string => {
  const [name] = call.metadata.get("connection-name");
  return name === undefined ? "<unknown>" : name.toString();
};

/** Written to a consumer and not taken off by its connection: one that does not read costs no more than this. */
const mostBytesOnTheWay = 4 * 1024 * 1024;

const optionsMissing = () => handlerFailed(new Error("The first request has no options."));

export const persistentReadHandler =
  (subscriptions: PersistentSubscriptions) =>
  (call: Call): void => {
    const id = randomUUID();
    let group: Group | undefined;
    let connecting: Promise<void> | undefined;
    let hasLeft = false;
    let bytesOnTheWay = 0;
    const fail = (error: unknown): void => {
      if (!call.cancelled) call.emit("error", toStatusError(error));
    };
    const leave = (): void => {
      hasLeft = true;
      group?.disconnect(id);
      group = undefined;
    };

    const connect = async (options: persistent.ReadReq.Options): Promise<void> => {
      const source = options.hasAll() ? allSource : requireStreamName(options.getStreamIdentifier());
      const key: GroupKey = { source, group: options.getGroupName() };
      if (key.group === "") throw handlerFailed(new Error("The request names no group."));
      if (options.getBufferSize() < 0) throw handlerFailed(new Error("The buffer size is negative."));
      const uuids = options.getUuidOption()?.hasStructured() === true ? "structured" : "text";
      const consumer: GroupConsumer = {
        id,
        bufferSize: options.getBufferSize(),
        username: callerName(call.metadata),
        connectionName: connectionNameOf(call),
        get isBehind() {
          return bytesOnTheWay > mostBytesOnTheWay;
        },
        deliver: (payload, retryCount) => {
          const response = eventResponse(payload, uuids, retryCount);
          bytesOnTheWay += response.length;
          call.write(response, () => {
            const wasBehind = bytesOnTheWay > mostBytesOnTheWay;
            bytesOnTheWay -= response.length;
            if (wasBehind && bytesOnTheWay <= mostBytesOnTheWay) group?.resumed();
          });
        },
        drop: (error) => {
          group = undefined;
          fail(error ?? persistentSubscriptionDropped(key));
        },
      };
      const outcome = await subscriptions.connect(key, (found) => {
        // It may have left while the group was being changed: it takes no place then, and no messages.
        if (hasLeft) return;
        call.write(confirmation(key));
        group = found;
        found.connect(consumer);
      });
      if (outcome.kind !== "done") throw groupRefused(key, outcome);
    };

    call.on("data", (request: persistent.ReadReq) => {
      switch (request.getContentCase()) {
        case ContentCase.OPTIONS: {
          const options = request.getOptions();
          if (connecting === undefined && options !== undefined) connecting = connect(options).catch(fail);
          break;
        }
        case ContentCase.ACK:
          if (connecting === undefined) fail(optionsMissing());
          group?.ack(idsOf(request.getAck() ?? new persistent.ReadReq.Ack()));
          break;
        case ContentCase.NACK: {
          if (connecting === undefined) fail(optionsMissing());
          const nack = request.getNack() ?? new persistent.ReadReq.Nack();
          group?.nack(idsOf(nack), actionOf(nack), nack.getReason());
          break;
        }
        default:
          fail(handlerFailed(new Error("The request is empty.")));
      }
    });
    call.on("cancelled", leave);
    call.on("error", leave);
    call.on("end", () => {
      leave();
      call.end();
    });
  };
