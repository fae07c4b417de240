/** The `Streams` service. Read responses leave as bytes that are encoded already. */
import type { Server } from "@grpc/grpc-js";
import streamsGrpc from "@eventstore/db-client/generated/streams_grpc_pb.js";
import type { EventLog } from "../log/event-log.ts";
import type { Limits } from "../limits.ts";
import { appendHandler } from "./append.ts";
import { batchAppendHandler } from "./batch-append.ts";
import { deleteHandler, tombstoneHandler } from "./delete.ts";
import { readHandler } from "./read.ts";

const { StreamsService } = streamsGrpc;

const asIs = (bytes: Buffer): Buffer => bytes;

export const addStreamsService = (server: Server, log: EventLog, limits: Limits): void => {
  server.addService(
    { ...StreamsService, read: { ...StreamsService.read, responseSerialize: asIs } },
    {
      read: readHandler(log),
      append: appendHandler(log, limits),
      batchAppend: batchAppendHandler(log, limits),
      delete: deleteHandler(log),
      tombstone: tombstoneHandler(log),
    },
  );
};
