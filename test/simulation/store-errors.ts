/** The errors of EventStoreDB's client, as it makes them of what a server sends. */
import {
  DeadlineExceededError,
  NotLeaderError,
  PersistentSubscriptionDroppedError,
  PersistentSubscriptionExistsError,
  UnavailableError,
} from "@eventstore/db-client";
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";

function serviceError(code: status, details: string, about: Readonly<Record<string, string>> = {}): ServiceError {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(about)) metadata.set(name, value);
  return Object.assign(new Error(`${code} ${status[code]}: ${details}`), { code, details, metadata });
}

const aboutGroup = (group: string): Record<string, string> => ({ "stream-name": "$all", "group-name": group });

export const unavailable = (): Error => new UnavailableError(serviceError(status.UNAVAILABLE, "injected"));

export const deadlineExceeded = (): Error =>
  new DeadlineExceededError(serviceError(status.DEADLINE_EXCEEDED, "Deadline exceeded"));

export const notLeader = (): Error =>
  new NotLeaderError(
    serviceError(status.NOT_FOUND, "Leader info available", {
      "leader-endpoint-host": "store.simulation",
      "leader-endpoint-port": "2113",
    }),
  );

export const groupExists = (group: string): Error =>
  new PersistentSubscriptionExistsError(serviceError(status.ALREADY_EXISTS, "the group exists", aboutGroup(group)));

export const groupDropped = (group: string): Error =>
  new PersistentSubscriptionDroppedError(serviceError(status.CANCELLED, "the group was dropped", aboutGroup(group)));
