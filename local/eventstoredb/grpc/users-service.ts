/** The `Users` service. There only in secure mode; who may call what has been decided before. */
import type { sendUnaryData, Server, ServerUnaryCall, ServerWritableStream } from "@grpc/grpc-js";
import users from "@eventstore/db-client/generated/users_pb.js";
import usersGrpc from "@eventstore/db-client/generated/users_grpc_pb.js";
import type { UserDetails, UserOutcome, Users } from "../security/users.ts";
import { accessDenied, handlerFailed, toStatusError, userConflict, userNotFound } from "./status-errors.ts";

const ticksPerMillisecond = 10_000n;

interface Named {
  getLoginName(): string;
}

interface Request<Options extends Named> {
  getOptions(): Options | undefined;
}

const expectDone = (loginName: string, outcome: UserOutcome): void => {
  switch (outcome.kind) {
    case "done":
      return;
    case "not-found":
      throw userNotFound(loginName);
    case "conflict":
      throw userConflict(loginName);
    case "wrong-password":
      throw accessDenied();
  }
};

const changing =
  <Options extends Named, Response>(change: (options: Options) => Promise<UserOutcome>, response: () => Response) =>
  (call: ServerUnaryCall<Request<Options>, Response>, callback: sendUnaryData<Response>): void => {
    const answer = async (): Promise<Response> => {
      const options = call.request.getOptions();
      if (options === undefined || options.getLoginName() === "") {
        throw handlerFailed(new Error("The request names no user."));
      }
      expectDone(options.getLoginName(), await change(options));
      return response();
    };
    answer().then(
      (done) => callback(null, done),
      (error: unknown) => callback(toStatusError(error)),
    );
  };

const detailsMessage = (details: UserDetails): users.DetailsResp => {
  const lastUpdated = new users.DetailsResp.UserDetails.DateTime();
  lastUpdated.setTicksSinceEpoch((BigInt(details.lastUpdated) * ticksPerMillisecond).toString());
  const message = new users.DetailsResp.UserDetails();
  message.setLoginName(details.loginName);
  message.setFullName(details.fullName);
  message.setGroupsList([...details.groups]);
  message.setDisabled(details.disabled);
  message.setLastUpdated(lastUpdated);
  const response = new users.DetailsResp();
  response.setUserDetails(message);
  return response;
};

export const addUsersService = (server: Server, store: Users): void => {
  const details = (call: ServerWritableStream<users.DetailsReq, users.DetailsResp>): void => {
    try {
      const loginName = call.request.getOptions()?.getLoginName() ?? "";
      const one = loginName === "" ? undefined : store.details(loginName);
      if (loginName !== "" && one === undefined) throw userNotFound(loginName);
      for (const found of one === undefined ? store.all() : [one]) call.write(detailsMessage(found));
      call.end();
    } catch (error) {
      call.emit("error", toStatusError(error));
    }
  };

  server.addService(usersGrpc.UsersService, {
    create: changing(
      (options: users.CreateReq.Options) =>
        store.create(options.getLoginName(), options.getFullName(), options.getGroupsList(), options.getPassword()),
      () => new users.CreateResp(),
    ),
    update: changing(
      (options: users.UpdateReq.Options) =>
        store.update(options.getLoginName(), options.getFullName(), options.getGroupsList()),
      () => new users.UpdateResp(),
    ),
    delete: changing(
      (options: users.DeleteReq.Options) => store.delete(options.getLoginName()),
      () => new users.DeleteResp(),
    ),
    disable: changing(
      (options: users.DisableReq.Options) => store.setDisabled(options.getLoginName(), true),
      () => new users.DisableResp(),
    ),
    enable: changing(
      (options: users.EnableReq.Options) => store.setDisabled(options.getLoginName(), false),
      () => new users.EnableResp(),
    ),
    resetPassword: changing(
      (options: users.ResetPasswordReq.Options) =>
        store.resetPassword(options.getLoginName(), options.getNewPassword()),
      () => new users.ResetPasswordResp(),
    ),
    changePassword: changing(
      (options: users.ChangePasswordReq.Options) =>
        store.changePassword(options.getLoginName(), options.getCurrentPassword(), options.getNewPassword()),
      () => new users.ChangePasswordResp(),
    ),
    details,
  });
};
