/**
 * The server that the contract suite is run against: the embedded event store, or the one that `npm run contract --
 * --server` names. The tests see it only through the client and its gRPC services, write to streams of their own, and
 * take what others have written there before for granted.
 */
import { readFileSync } from "node:fs";
import { credentials, Metadata, type ChannelCredentials, type Client } from "@grpc/grpc-js";
import { EventStoreDBClient } from "@eventstore/db-client";
import { afterAll, beforeAll } from "vitest";
import { serverVariable } from "./server-variable.ts";
import { startEventStore, type EventStoreServer } from "../../local/eventstoredb/event-store-server.ts";

export interface ServerUnderTest {
  readonly client: EventStoreDBClient;
  readonly connectionString: string;
  /** A gRPC client of the same server, for what the client does not send or show. */
  raw<Service extends Client>(service: new (address: string, credentials: ChannelCredentials) => Service): Service;
  /** What a raw call has to carry so that the server knows who asks. */
  readonly metadata: Metadata;
  /** Whether the server asks who calls: then it refuses whoever names no stream before it sees what else is wrong. */
  readonly hasUsers: boolean;
}

/** The administrator of an embedded server in secure mode. */
const admin = { username: "admin", password: "a password, for tests" };

/** Why tests of users and access lists are left out; undefined against a server that has them. */
export const withoutUsers = process.env[serverVariable]?.includes("tls=false")
  ? "the server that was named is insecure: it has no users"
  : undefined;

/**
 * Call it at the top of a test file; the server is there while its tests run.
 * @param mode of the embedded server; one that was named is as it is
 */
export const useServerUnderTest = (mode: "insecure" | "secure" = "insecure"): ServerUnderTest => {
  const given = process.env[serverVariable];
  let embedded: EventStoreServer | undefined;
  let client: EventStoreDBClient | undefined;
  let connectionString = given ?? "";
  const opened: Client[] = [];
  beforeAll(async () => {
    if (given === undefined) {
      const secure = mode === "secure";
      embedded = await startEventStore(secure ? { security: { adminPassword: admin.password } } : {});
      connectionString = secure ? embedded.connectionStringFor(admin) : embedded.connectionString;
    }
    client = EventStoreDBClient.connectionString(connectionString);
  });
  afterAll(async () => {
    for (const raw of opened) raw.close();
    await client?.dispose();
    await embedded?.stop();
  });
  return {
    get client() {
      if (client === undefined) throw new Error("The server under test is not there yet.");
      return client;
    },
    get connectionString() {
      return connectionString;
    },
    raw: (Service) => {
      const { address, channelCredentials } = addressOf(connectionString);
      const service = new Service(address, channelCredentials);
      opened.push(service);
      return service;
    },
    get metadata() {
      return addressOf(connectionString).metadata;
    },
    get hasUsers() {
      return addressOf(connectionString).metadata.get("authorization").length > 0;
    },
  };
};

interface Address {
  readonly address: string;
  readonly channelCredentials: ChannelCredentials;
  readonly metadata: Metadata;
}

const addressOf = (connectionString: string): Address => {
  const url = new URL(connectionString.replace(/^esdb(\+discover)?:/, "http:"));
  const metadata = new Metadata();
  const options = new Map([...url.searchParams].map(([name, value]) => [name.toLowerCase(), value]));
  if (options.get("tls") === "false") {
    return { address: url.host, channelCredentials: credentials.createInsecure(), metadata };
  }
  const authority = options.get("tlscafile");
  const user = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  if (url.username !== "") metadata.set("authorization", `Basic ${Buffer.from(user).toString("base64")}`);
  return {
    address: url.host,
    channelCredentials: credentials.createSsl(authority === undefined ? null : readFileSync(authority)),
    metadata,
  };
};
