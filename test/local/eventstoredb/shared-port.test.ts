/** One port for gRPC and for the little of the HTTP API that is served, and what clients see when it closes. */
import { once } from "node:events";
import { lookup } from "node:dns/promises";
import { readFileSync } from "node:fs";
import { request as plainRequest } from "node:http";
import { request as secureRequest } from "node:https";
import { connect as connectSocket, type Socket } from "node:net";
import { EventStoreDBClient, UnavailableError, type EventData } from "@eventstore/db-client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startEventStore, type EventStoreServer } from "../../../local/eventstoredb/event-store-server.ts";
import { collect, connect, event, events, newStream, rejection } from "./event-store-for-test.ts";

const admin = { username: "admin", password: "changeit" };
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

interface Reply {
  readonly status: number | undefined;
  readonly location: string | undefined;
  readonly body: string;
}

interface Request {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly user?: { readonly username: string; readonly password: string };
  readonly body?: string;
}

/** Over HTTP/1.1, as the client and its tests ask beside gRPC. */
const ask = async (
  { port, caFile }: EventStoreServer,
  { method = "GET", path, headers = {}, user, body }: Request,
): Promise<Reply> => {
  const auth = user === undefined ? {} : { auth: `${user.username}:${user.password}` };
  const options = { host: "localhost", port, method, path, headers, ...auth };
  const request =
    caFile === undefined ? plainRequest(options) : secureRequest({ ...options, ca: readFileSync(caFile) });
  return new Promise((fulfil, reject) => {
    request.on("error", reject).on("response", (response) => {
      let text = "";
      response
        .setEncoding("utf8")
        .on("data", (chunk: string) => (text += chunk))
        .on("end", () =>
          fulfil({
            status: response.statusCode,
            location: response.headers.location,
            body: text,
          }),
        );
    });
    request.end(body);
  });
};

/** The client keeps these to itself and its kind. */
function ping(this: EventStoreDBClient): Promise<unknown> {
  return this.HTTPRequest("GET", "/ping", {});
}
function askForNothing(this: EventStoreDBClient): Promise<unknown> {
  return this.HTTPRequest("POST", "/nothing-there", {
    transformError: (status, message) => new Error(`${status} ${message}`),
  });
}

const jsonEventNamed = (type: string, headers: Record<string, string> = {}): Record<string, string> => ({
  "content-type": "application/json",
  "es-eventtype": type,
  ...headers,
});

describe.each([
  ["insecure", {}],
  ["secure", { security: { adminPassword: admin.password } }],
])("%s", (_, options) => {
  let server: EventStoreServer;
  let client: EventStoreDBClient;
  beforeAll(async () => {
    server = await startEventStore({ inMemory: true, host: "localhost", ...options });
    client = EventStoreDBClient.connectionString(server.connectionStringFor(admin));
  });
  afterAll(async () => {
    await client.dispose();
    await server.stop();
  });

  test("the client's own HTTP requests are answered, and unknown paths not found", async () => {
    expect(await ping.call(client)).toEqual({ msgTypeId: 12, text: "Ping request successfully handled" });
    await expect(askForNothing.call(client)).rejects.toThrow(/^404 Not Found$/);
  });

  test("health is told without a body, and gossip names the leader", async () => {
    expect(await ask(server, { path: "/health/live" })).toMatchObject({ status: 204, body: "" });
    const { status, body } = await ask(server, { path: "/gossip" });
    expect(status).toBe(200);
    const instanceId: unknown = expect.stringMatching(uuid);
    const timeStamp: unknown = expect.stringMatching(/^\d{4}-\d\d-\d\dT/);
    expect(JSON.parse(body)).toEqual({
      members: [
        {
          instanceId,
          timeStamp,
          state: "Leader",
          isAlive: true,
          httpEndPointIp: "localhost",
          httpEndPointPort: server.port,
        },
      ],
    });
  });

  test("an event that calls itself JSON and is none is written as it comes", async () => {
    const stream = newStream();
    await client.appendToStream(stream, event());
    const reply = await ask(server, {
      method: "POST",
      path: `/streams/${stream}`,
      headers: jsonEventNamed("malformed"),
      user: admin,
      body: "****",
    });
    expect(reply).toMatchObject({ status: 201, location: `/streams/${stream}/1` });
    const [, malformed] = await collect(client.readStream(stream));
    expect(malformed?.event).toMatchObject({ type: "malformed", isJson: true, data: "****", revision: 1n });
    expect(malformed?.event?.id).toMatch(uuid);
  });

  test("an event with an id is written once however often it is sent", async () => {
    const stream = newStream("with space");
    const id = "0F8FAD5B-D9CB-469F-A165-70867728950E";
    const headers = jsonEventNamed("sent", { "es-eventid": id, "content-type": "application/octet-stream" });
    const path = `/streams/${encodeURIComponent(stream)}`;
    const post = (): Promise<Reply> => ask(server, { method: "POST", path, headers, user: admin, body: "x" });
    const reply = { status: 201, location: `${path}/0` };
    expect(await post()).toMatchObject(reply);
    expect(await post()).toMatchObject(reply);
    const written = await collect(client.readStream(stream));
    expect(written.map((item) => [item.event?.id, item.event?.isJson])).toEqual([[id.toLowerCase(), false]]);
  });

  test("an event that cannot be written is refused and leaves nothing", async () => {
    const stream = newStream();
    const post = async (headers: Record<string, string>, body = "{}", name = stream): Promise<number | undefined> =>
      (await ask(server, { method: "POST", path: `/streams/${name}`, headers, user: admin, body })).status;
    expect(await post({ "content-type": "application/json" })).toBe(400);
    expect(await post(jsonEventNamed("t", { "es-eventid": "no id" }))).toBe(400);
    expect(await post(jsonEventNamed("t", { "content-type": "text/plain" }))).toBe(415);
    expect(await post(jsonEventNamed("t"), "x".repeat(1024 * 1024 + 1))).toBe(400);
    expect(await post(jsonEventNamed("t"), "{}", "%")).toBe(400);
    expect(await client.tombstoneStream(stream, { expectedRevision: "no_stream" })).toMatchObject({});
    expect(await post(jsonEventNamed("t"))).toBe(410);
  });
});

test("a secure server writes for nobody without a right to", async () => {
  const server = await startEventStore({ inMemory: true, host: "localhost", security: { adminPassword: "changeit" } });
  const post = async (path: string, user?: Request["user"]): Promise<number | undefined> =>
    (
      await ask(server, {
        method: "POST",
        path,
        headers: jsonEventNamed("t"),
        body: "{}",
        ...(user === undefined ? {} : { user }),
      })
    ).status;
  expect(await post("/streams/s")).toBe(401);
  expect(await post("/streams/s", { username: "admin", password: "wrong" })).toBe(401);
  expect(await post("/streams/$all", admin)).toBe(401);
  expect(await post("/streams/s", admin)).toBe(201);
  await server.stop();
});

describe("a connection is known by its first bytes however they come", () => {
  let server: EventStoreServer;
  beforeAll(async () => {
    server = await startEventStore({ inMemory: true });
  });
  afterAll(() => server.stop());

  const answerTo = async (text: string): Promise<Buffer> => {
    const socket = connectSocket({ host: "127.0.0.1", port: server.port, noDelay: true });
    await once(socket, "connect");
    const answered = new Promise<Buffer>((came) => socket.once("data", came));
    for (const byte of text) {
      socket.write(byte, "latin1");
      // Whoever is answered later was read later: each byte comes alone.
      await ask(server, { path: "/ping" });
    }
    const answer = await answered;
    socket.destroy();
    return answer;
  };

  test("HTTP/2, byte by byte", async () => {
    const emptySettings = "\0\0\0\x04\0\0\0\0\0";
    const answer = await answerTo(`PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${emptySettings}`);
    expect(answer.readUInt8(3)).toBe(4);
  });

  test("HTTP/1.1 that begins with the same letter", async () => {
    const answer = await answerTo("PUT /nothing HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n");
    expect(answer.toString("latin1")).toMatch(/^HTTP\/1\.1 404 Not Found\r\n/);
  });
});

test("a server on localhost is there on every address of that name", async () => {
  const server = await startEventStore({ inMemory: true, host: "localhost" });
  const sockets: Socket[] = [];
  for (const { address } of await lookup("localhost", { all: true })) {
    const socket = connectSocket({ host: address, port: server.port });
    await once(socket, "connect");
    sockets.push(socket);
  }
  // They have said nothing yet, and do not keep it from stopping.
  const ended = sockets.map((socket) => once(socket.resume(), "close"));
  await server.stop();
  await Promise.all(ended);
  expect(sockets.length).toBeGreaterThan(0);
});

describe("who is cut off when the server stops is told that it is unavailable", () => {
  test("in the middle of a read", async () => {
    const server = await startEventStore({ inMemory: true });
    const client = connect(server);
    const stream = newStream();
    await client.appendToStream(stream, events(5000));
    const reading = async (): Promise<void> => {
      for await (const item of client.readStream(stream)) if (item.event?.revision === 12n) await server.stop();
    };
    expect(await rejection(reading())).toBeInstanceOf(UnavailableError);
    await client.dispose();
  });

  test("in the middle of an append", async () => {
    const server = await startEventStore({ inMemory: true });
    const client = connect(server);
    let sent = 0;
    const endless = Object.assign([], {
      *[Symbol.iterator](): Generator<EventData> {
        for (;;) {
          sent += 1;
          yield event("t", { n: 1 });
        }
      },
    });
    const credentials = { username: "admin", password: "changeit" };
    const appending = rejection(
      client.appendToStream(newStream(), endless, { credentials, deadline: Number.POSITIVE_INFINITY }),
    );
    await expect.poll(() => sent).toBeGreaterThan(0);
    await server.stop();
    expect(await appending).toBeInstanceOf(UnavailableError);
    await client.dispose();
  });
});
