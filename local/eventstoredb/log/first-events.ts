/**
 * What a new store holds before anybody has written to it: a real EventStoreDB is never empty either, so that clients
 * which read `$all` from the start always meet system events first.
 */
import { randomUUID } from "node:crypto";
import type { AppendRequest } from "./log-writer.ts";
import { systemTypes } from "./system-streams.ts";

const json = (stream: string, type: string, data: unknown): AppendRequest => ({
  stream,
  expectedRevision: "no-stream",
  events: [
    {
      id: randomUUID(),
      type,
      isJson: true,
      data: Buffer.from(JSON.stringify(data)),
      metadata: new Uint8Array(0),
    },
  ],
});

export const firstEvents = (): readonly AppendRequest[] => [
  json("$epoch-information", "$epoch-information", { epochNumber: 0, instanceId: randomUUID() }),
  json("$$$scavenges", systemTypes.metadata, { $maxCount: 1, $acl: { $r: "$admins", $w: "$admins" } }),
];
