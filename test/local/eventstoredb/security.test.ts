/**
 * What decides in secure mode, in every combination, against a plain model; the defaults in `$settings`; and what is special
 * to this server: where its users come from, and that insecure it lets everybody in.
 */
import { randomUUID } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentials, Metadata, status } from "@grpc/grpc-js";
import { AccessDeniedError, EventStoreDBClient, type StreamMetadata } from "@eventstore/db-client";
import shared from "@eventstore/db-client/generated/shared_pb.js";
import streamsGrpc from "@eventstore/db-client/generated/streams_grpc_pb.js";
import streams from "@eventstore/db-client/generated/streams_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { startEventStore, type EventStoreServer } from "../../../local/eventstoredb/event-store-server.ts";
import { openEventLog } from "../../../local/eventstoredb/log/event-log.ts";
import { decideAccess } from "../../../local/eventstoredb/security/access-rules.ts";
import { Authenticator } from "../../../local/eventstoredb/security/authentication.ts";
import { anonymous, type Principal } from "../../../local/eventstoredb/security/principal.ts";
import {
  aclOfMetadata,
  defaultAclsOfSettings,
  noDefaults,
  type DefaultAcls,
  type StreamAcl,
} from "../../../local/eventstoredb/security/stream-acl.ts";
import { Users } from "../../../local/eventstoredb/security/users.ts";
import { collect, event, follow, newStream, rejection } from "./event-store-for-test.ts";

const user = (name: string, ...groups: string[]): Principal => ({ kind: "user", name, groups });

describe("every combination of caller, stream, right, list and default", () => {
  const callers: Readonly<Record<string, Principal>> = {
    anonymous,
    admin: user("admin"),
    chief: user("chief", "$admins"),
    ops: user("ops"),
    operator: user("operator", "$ops"),
    alice: user("alice"),
    bob: user("bob", "team"),
    carol: user("carol", "other"),
  };
  /** A list as it is written, and whom it lets in beside administrators. */
  const lists: readonly { readonly json: unknown; readonly lets: readonly string[] | "unspoken" }[] = [
    { json: undefined, lets: "unspoken" },
    { json: [], lets: [] },
    { json: "$all", lets: ["ops", "operator", "alice", "bob", "carol"] },
    { json: ["nobody", "$all"], lets: ["ops", "operator", "alice", "bob", "carol"] },
    { json: "alice", lets: ["alice"] },
    { json: ["team"], lets: ["bob"] },
    { json: ["alice", "other"], lets: ["alice", "carol"] },
    { json: "$ops", lets: ["operator"] },
    { json: ["ops"], lets: ["ops"] },
    { json: ["$admins"], lets: [] },
  ];
  const rights = [
    { key: "$r", right: "read", metadata: false },
    { key: "$w", right: "write", metadata: false },
    { key: "$d", right: "delete", metadata: false },
    { key: "$mr", right: "read", metadata: true },
    { key: "$mw", right: "write", metadata: true },
  ] as const;
  const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
  const everybody = ["ops", "operator", "alice", "bob", "carol"];

  test.each(rights)("$key: the stream's list, else the store's default, else what is built in", (tested) => {
    let combinations = 0;
    for (const owner of ["s", "$s"]) {
      for (const ofStream of lists) {
        for (const ofStore of lists) {
          // All other rights say the opposite, so that none is taken for another.
          const others = Object.fromEntries(rights.map(({ key }) => [key, ofStream.json === "$all" ? [] : "$all"]));
          const acl = aclOfMetadata(json({ $acl: { ...others, [tested.key]: ofStream.json } }));
          const kind = owner === "s" ? "$userStreamAcl" : "$systemStreamAcl";
          const defaults = defaultAclsOfSettings(json({ [kind]: { [tested.key]: ofStore.json } }));
          const builtIn = owner === "s" ? everybody : [];
          const lets = ofStream.lets === "unspoken" ? ofStore.lets : ofStream.lets;
          const expected = ["admin", "chief", ...(lets === "unspoken" ? builtIn : lets)];
          const stream = tested.metadata ? `$$${owner}` : owner;
          const facts = { acl: (name: string) => (name === owner ? acl : undefined), defaults: () => defaults };
          const found = Object.entries(callers)
            .filter(([, caller]) => {
              const action = { kind: "use-stream", right: tested.right, stream } as const;
              return decideAccess(caller, action, facts) === "allowed";
            })
            .map(([name]) => name);
          expect([owner, ofStream.json, ofStore.json, found]).toEqual([owner, ofStream.json, ofStore.json, expected]);
          combinations += 1;
        }
      }
    }
    expect(combinations).toBe(200);
  });

  const facts = (acl: StreamAcl | undefined, defaults: DefaultAcls = noDefaults) => ({
    acl: () => acl,
    defaults: () => defaults,
  });
  test.each<[string, Parameters<typeof decideAccess>[1], readonly string[]]>([
    ["look at the cluster", { kind: "look-at-cluster" }, Object.keys(callers)],
    ["manage subscriptions", { kind: "manage-subscriptions" }, ["admin", "chief", "ops", "operator"]],
    ["inspect subscriptions", { kind: "inspect-subscriptions" }, ["admin", "chief", ...everybody]],
    ["consume a stream", { kind: "consume", stream: "s" }, ["admin", "chief", ...everybody]],
    ["consume $all", { kind: "consume", stream: "$all" }, ["admin", "chief"]],
    ["read $all", { kind: "use-stream", right: "read", stream: "$all" }, ["admin", "chief"]],
    ["write to $all", { kind: "use-stream", right: "write", stream: "$all" }, []],
    ["delete $all", { kind: "use-stream", right: "delete", stream: "$all" }, []],
    ["delete metadata", { kind: "use-stream", right: "delete", stream: "$$s" }, []],
    [
      "read a checkpoint",
      { kind: "use-stream", right: "read", stream: "$persistentsubscription-s::g-checkpoint" },
      ["admin", "chief"],
    ],
    ["manage users", { kind: "manage-users" }, ["admin", "chief"]],
    ["inspect users", { kind: "inspect-users" }, ["admin", "chief", ...everybody]],
    ["change alice's password", { kind: "change-password", name: "alice" }, ["alice"]],
  ])("%s", (_name, action, expected) => {
    const found = Object.entries(callers)
      .filter(([, caller]) => decideAccess(caller, action, facts(undefined)) === "allowed")
      .map(([name]) => name);
    expect(found.sort()).toEqual([...expected].sort());
  });

  test("$all's own list lets others in, to read it and to consume it", () => {
    const list = facts({ read: ["alice"] });
    for (const action of [
      { kind: "use-stream", right: "read", stream: "$all" },
      { kind: "consume", stream: "$all" },
    ] as const) {
      expect(decideAccess(user("alice"), action, list)).toBe("allowed");
      expect(decideAccess(user("bob"), action, list)).toBe("refused");
    }
  });

  test.each([
    ["no JSON", "{"],
    ["no object", "[]"],
    ["a list that is none", '{"$acl":{"$r":7}}'],
    ["a list with something else in it", '{"$acl":{"$r":["alice",7]}}'],
    ["no object of lists", '{"$acl":"alice"}'],
    ["another key that cannot be read", '{"$tb":"x","$acl":{"$r":"alice"}}'],
  ])("metadata with %s has no list, and the same in $settings is no default", (_name, text) => {
    expect(aclOfMetadata(Buffer.from(text))).toBeUndefined();
    const settings = text.replace("$acl", "$userStreamAcl");
    if (!text.includes("$tb")) expect(defaultAclsOfSettings(Buffer.from(settings))).toEqual(noDefaults);
  });
});

const adminPassword = "the password of admin";
const opsPassword = "pässword: of @ops/";
const running: { stop(): Promise<void> }[] = [];
const directories: string[] = [];
afterEach(async () => {
  for (const one of running.splice(0).reverse()) await one.stop();
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true });
});
const start = async (options: Parameters<typeof startEventStore>[0]): Promise<EventStoreServer> => {
  const server = await startEventStore(options);
  running.push(server);
  return server;
};
const connectTo = (connectionString: string): EventStoreDBClient => {
  const client = EventStoreDBClient.connectionString(connectionString);
  running.push({ stop: () => client.dispose() });
  return client;
};
const connectAs = (server: EventStoreServer, username: string, password: string): EventStoreDBClient =>
  connectTo(server.connectionStringFor({ username, password }));
const newDirectory = async (): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), "event-store-security-"));
  directories.push(directory);
  return directory;
};
const read = (client: EventStoreDBClient, stream: string): Promise<unknown> => collect(client.readStream(stream));

describe("defaults of a store", () => {
  let server: EventStoreServer;
  let admin: EventStoreDBClient;
  let ops: EventStoreDBClient;
  beforeAll(async () => {
    server = await startEventStore({ security: { adminPassword, opsPassword } });
    admin = EventStoreDBClient.connectionString(
      server.connectionStringFor({ username: "admin", password: adminPassword }),
    );
    ops = EventStoreDBClient.connectionString(server.connectionStringFor({ username: "ops", password: opsPassword }));
  });
  afterAll(async () => {
    await Promise.all([admin.dispose(), ops.dispose()]);
    await server.stop();
  });
  const set = (settings: object) => admin.appendToStream("$settings", event("update-default-acl", { ...settings }));

  test("apply to all streams of their kind that say nothing themselves, from the next call on", async () => {
    const [plain, own] = [newStream(), newStream()];
    const metadata: StreamMetadata = { acl: { readRoles: ["$ops"] } };
    await admin.appendToStream(plain, event());
    await admin.appendToStream(own, event());
    await admin.setStreamMetadata(own, metadata);
    await read(ops, plain);
    await set({ $userStreamAcl: { $r: "$admins", $w: "$ops" } });
    expect(await rejection(read(ops, plain))).toBeInstanceOf(AccessDeniedError);
    await read(ops, own);
    await ops.appendToStream(plain, event());
    await set({ $systemStreamAcl: { $r: ["$ops"] } });
    await read(ops, plain);
    await read(ops, "$users");
    expect(await rejection(ops.appendToStream("$system", event()))).toBeInstanceOf(AccessDeniedError);
    await set({});
    expect(await rejection(read(ops, "$users"))).toBeInstanceOf(AccessDeniedError);
  });

  test("end subscriptions that they no longer let in", async () => {
    const stream = newStream();
    await admin.appendToStream(stream, event());
    const subscription = follow(ops.subscribeToStream(stream));
    await subscription.caughtUp();
    await set({ $userStreamAcl: { $r: "$admins" } });
    expect(await subscription.failed()).toBeInstanceOf(AccessDeniedError);
    await set({});
  });

  test("of $all: its own list lets in, and ends what it no longer does", async () => {
    await admin.setStreamMetadata("$all", { acl: { readRoles: ["$ops"] } });
    const subscription = follow(ops.subscribeToAll());
    await subscription.caughtUp();
    await admin.setStreamMetadata("$all", { acl: { readRoles: ["$admins"] } });
    expect(await subscription.failed()).toBeInstanceOf(AccessDeniedError);
  });
});

describe("a refused BatchAppend", () => {
  let server: EventStoreServer;
  let client: InstanceType<typeof streamsGrpc.StreamsClient>;
  beforeAll(async () => {
    server = await startEventStore({ inMemory: true, security: { adminPassword } });
    const authority = await readFile(server.caFile ?? "");
    client = new streamsGrpc.StreamsClient(`127.0.0.1:${server.port}`, credentials.createSsl(authority));
  });
  afterAll(async () => {
    client.close();
    await server.stop();
  });
  const append = (correlationId: string, stream: string): streams.BatchAppendReq => {
    const id = new shared.UUID();
    id.setString(correlationId);
    const identifier = new shared.StreamIdentifier();
    identifier.setStreamName(Buffer.from(stream));
    const options = new streams.BatchAppendReq.Options();
    options.setStreamIdentifier(identifier);
    options.setAny(new empty.Empty());
    return new streams.BatchAppendReq().setCorrelationId(id).setOptions(options).setIsFinal(true);
  };
  const appendAs = (username: string | undefined, requests: readonly streams.BatchAppendReq[]) => {
    const metadata = new Metadata();
    if (username !== undefined) {
      metadata.set("authorization", `Basic ${Buffer.from(`${username}:${adminPassword}`).toString("base64")}`);
    }
    const call = client.batchAppend(metadata);
    const answers: [string, number][] = [];
    call.on("data", (response: streams.BatchAppendResp) => {
      answers.push([response.getCorrelationId()?.getString() ?? "", response.getError()?.getCode() ?? status.OK]);
    });
    const ended = new Promise<number>((resolve, reject) => {
      call.on("status", ({ code }) => resolve(code)).on("error", reject);
    });
    for (const request of requests) call.write(request);
    call.end();
    return ended.then((code) => ({ code, answers }));
  };

  test("ends with its client, who has ended his side at once", async () => {
    const id = randomUUID();
    expect(await appendAs(undefined, [append(id, newStream())])).toEqual({
      code: status.OK,
      answers: [[id, status.PERMISSION_DENIED]],
    });
  });

  test("leaves those before and after it alone, and each has one answer", async () => {
    const ids = Array.from({ length: 30 }, () => randomUUID());
    const stream = newStream();
    const requests = ids.map((id, index) => append(id, index % 3 === 0 ? stream : "$all"));
    const { code, answers } = await appendAs("admin", requests);
    expect([code, answers.length]).toEqual([status.OK, ids.length]);
    expect(Object.fromEntries(answers)).toEqual(
      Object.fromEntries(ids.map((id, index) => [id, index % 3 === 0 ? status.OK : status.PERMISSION_DENIED])),
    );
  });
});

describe("users", () => {
  test("are made at the first start, and what a later start says of their passwords changes nothing", async () => {
    const dataDirectory = await newDirectory();
    const first = await startEventStore({ dataDirectory, security: { adminPassword } });
    await first.stop();
    const second = await start({ dataDirectory, security: { adminPassword: "another", opsPassword } });
    const stream = newStream();
    await connectAs(second, "admin", adminPassword).appendToStream(stream, event());
    await read(connectAs(second, "ops", opsPassword), stream);
    expect(await rejection(read(connectAs(second, "admin", "another"), stream))).toBeInstanceOf(AccessDeniedError);
  });

  test("a first start without a password for admin is refused, and leaves nothing that listens", async () => {
    const dataDirectory = await newDirectory();
    for (const security of [{}, { adminPassword: "" }, { opsPassword }]) {
      expect(await rejection(startEventStore({ dataDirectory, security }))).toMatchObject({
        code: "PASSWORD_MISSING",
        message: expect.stringContaining("EVENTSTORE_DEFAULT_ADMIN_PASSWORD") as string,
      });
    }
    expect(await readdir(dataDirectory)).not.toContain("tls");
    await start({ dataDirectory });
  });

  test("of a store that was insecure until now have all of its events", async () => {
    const dataDirectory = await newDirectory();
    const insecure = await startEventStore({ dataDirectory });
    const client = EventStoreDBClient.connectionString(insecure.connectionString);
    await client.appendToStream("s", event());
    await client.setStreamMetadata("s", { acl: { readRoles: ["$admins"] } });
    await client.dispose();
    await insecure.stop();
    const secure = await start({ dataDirectory, security: { adminPassword, opsPassword } });
    await read(connectAs(secure, "admin", adminPassword), "s");
    expect(await rejection(read(connectAs(secure, "ops", opsPassword), "s"))).toBeInstanceOf(AccessDeniedError);
  });

  test("no password is in a file of the data directory, as it is or in a header", async () => {
    const dataDirectory = await newDirectory();
    const server = await start({ dataDirectory, security: { adminPassword, opsPassword } });
    const admin = connectAs(server, "admin", adminPassword);
    await admin.appendToStream("s", event());
    await read(admin, "s");
    await rejection(read(connectAs(server, "admin", "a wrong password"), "s"));
    const secrets = [adminPassword, opsPassword, "a wrong password"].flatMap((password) => [
      password,
      Buffer.from(`admin:${password}`).toString("base64"),
      Buffer.from(`ops:${password}`).toString("base64"),
    ]);
    const files = (await readdir(dataDirectory, { recursive: true, withFileTypes: true })).filter((file) =>
      file.isFile(),
    );
    expect(files.map(({ name }) => name)).toEqual(expect.arrayContaining(["event-store.db", "node.key"]));
    for (const { parentPath, name } of files) {
      const contents = await readFile(join(parentPath, name));
      for (const secret of secrets) expect([name, contents.includes(secret)]).toEqual([name, false]);
    }
  });

  test("a password is verified once, not at each call, and again after any change of its user", async () => {
    const log = await openEventLog(undefined);
    const users = new Users(log);
    await users.create("alice", "Alice", ["team"], "secret");
    const verify = vi.spyOn(users, "verify");
    const authenticator = new Authenticator(log, users);
    const header = `Basic ${Buffer.from("alice:secret").toString("base64")}`;
    const alice = user("alice", "team");
    const together = await Promise.all([1, 2, 3].map(async () => authenticator.authenticate(header)));
    expect([together, verify.mock.calls.length]).toEqual([[alice, alice, alice], 1]);
    expect([authenticator.authenticate(header), verify.mock.calls.length]).toEqual([alice, 1]);
    await users.setDisabled("alice", true);
    expect([await authenticator.authenticate(header), verify.mock.calls.length]).toEqual([{ kind: "invalid" }, 2]);
    await users.setDisabled("alice", false);
    expect([await authenticator.authenticate(header), verify.mock.calls.length]).toEqual([alice, 3]);
    log.close();
  });

  test("a password that is changed while it is verified is not remembered", async () => {
    const log = await openEventLog(undefined);
    const users = new Users(log);
    await users.create("alice", "Alice", [], "secret");
    const authenticator = new Authenticator(log, users);
    const header = `Basic ${Buffer.from("alice:secret").toString("base64")}`;
    const verified = Promise.withResolvers<readonly string[]>();
    vi.spyOn(users, "verify").mockReturnValueOnce(verified.promise);
    const underWay = authenticator.authenticate(header);
    await users.resetPassword("alice", "new");
    verified.resolve([]);
    expect(await underWay).toEqual(user("alice"));
    expect(await authenticator.authenticate(header)).toEqual({ kind: "invalid" });
    log.close();
  });

  test.each([
    ["no header", undefined],
    ["another scheme", "Bearer abc"],
    ["no base64", "Basic ???"],
    ["no colon", `Basic ${Buffer.from("alice").toString("base64")}`],
  ])("%s is anonymous", async (_name, header) => {
    const log = await openEventLog(undefined);
    expect(new Authenticator(log, new Users(log)).authenticate(header)).toEqual(anonymous);
    log.close();
  });
});

test("an insecure server stores access lists and lets everybody in", async () => {
  const server = await start({ inMemory: true });
  expect(server.caFile).toBeUndefined();
  const client = connectTo(server.connectionString);
  await client.appendToStream("$s", event());
  await client.setStreamMetadata("$s", { acl: { readRoles: [], writeRoles: [], metaReadRoles: [] } });
  expect((await client.getStreamMetadata("$s")).metadata?.acl?.readRoles).toEqual([]);
  await client.appendToStream("$s", event());
  expect(await read(client, "$s")).toHaveLength(2);
  await collect(client.readAll());
});

test("a secure server in memory keeps its certificate outside of it, and removes it at the end", async () => {
  const server = await startEventStore({ inMemory: true, security: { adminPassword } });
  expect(server.dataDirectory).toBeUndefined();
  const client = EventStoreDBClient.connectionString(
    server.connectionStringFor({ username: "admin", password: adminPassword }),
  );
  await client.appendToStream("s", event());
  await client.dispose();
  await server.stop();
  await expect(readFile(server.caFile ?? "")).rejects.toMatchObject({ code: "ENOENT" });
});
