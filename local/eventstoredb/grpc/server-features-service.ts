/**
 * `ServerFeatures`: what the client asks for before it dares to use an rpc. Names are lower case, as the real server
 * sends them; only services that a client can use are listed.
 */
import type { sendUnaryData, Server, ServerUnaryCall, ServiceDefinition } from "@grpc/grpc-js";
import gossipGrpc from "@eventstore/db-client/generated/gossip_grpc_pb.js";
import persistentGrpc from "@eventstore/db-client/generated/persistent_grpc_pb.js";
import featuresGrpc from "@eventstore/db-client/generated/serverfeatures_grpc_pb.js";
import features from "@eventstore/db-client/generated/serverfeatures_pb.js";
import type shared from "@eventstore/db-client/generated/shared_pb.js";
import streamsGrpc from "@eventstore/db-client/generated/streams_grpc_pb.js";

/** The version whose behaviour this server follows. */
const followedVersion = "24.6.0";

const featuresOf = (path: string): readonly string[] => {
  if (path.includes("persistentsubscriptions/")) return ["stream", "all"];
  if (path.endsWith("streams/read")) return ["position", "events"];
  return path.endsWith("streams/batchappend") ? ["deadline_duration"] : [];
};

const supported = (services: readonly ServiceDefinition[]): features.SupportedMethods => {
  const methods = services.flatMap((service) =>
    Object.values(service).map(({ path }) => {
      const lower = path.toLowerCase();
      const [, serviceName = "", methodName = ""] = lower.split("/");
      const method = new features.SupportedMethod();
      method.setServiceName(serviceName);
      method.setMethodName(methodName);
      method.setFeaturesList([...featuresOf(lower)]);
      return method;
    }),
  );
  const message = new features.SupportedMethods();
  message.setMethodsList(methods);
  message.setEventStoreServerVersion(followedVersion);
  return message;
};

export const addServerFeaturesService = (server: Server): void => {
  const { ServerFeaturesService } = featuresGrpc;
  const answer = supported([
    streamsGrpc.StreamsService,
    persistentGrpc.PersistentSubscriptionsService,
    gossipGrpc.GossipService,
    ServerFeaturesService,
  ]);
  server.addService(ServerFeaturesService, {
    getSupportedMethods: (
      _call: ServerUnaryCall<shared.Empty, features.SupportedMethods>,
      callback: sendUnaryData<features.SupportedMethods>,
    ) => callback(null, answer),
  });
};
