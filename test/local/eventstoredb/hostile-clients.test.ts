/** Clients that vanish, do not read, or speak something else: others are served, and memory keeps a bound. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect as connectSocket, createServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { persistentSubscriptionToStreamSettingsFromDefaults as streamSettings, START } from "@eventstore/db-client";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startEventStore } from "../../../local/eventstoredb/event-store-server.ts";
import { consume, revisions } from "../../contract/consumer.ts";
import { bytesEvent, collect, connect, event, events, follow, newStream, sleep } from "./event-store-for-test.ts";
import { connectNeverReading, consumeNeverReading } from "./never-reading.ts";
import { startProcess, type ServerProcess } from "./server-process.ts";

let directory = "";
let server: ServerProcess;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "event-store-hostile-"));
  server = await startProcess(["--port", "0", "--data", directory]);
});
/** Whatever a test did: the server has nothing to complain about, and ends as it should. */
afterEach(async () => {
  expect(await server.kill("SIGTERM")).toMatchObject({ code: 0, stderr: "" });
  await rm(directory, { recursive: true });
});

const expectServed = async (): Promise<void> => {
  const client = connect(server);
  const stream = newStream();
  const followed = follow(client.subscribeToStream(stream));
  await followed.caughtUp();
  await client.appendToStream(stream, events(3));
  await followed.reached(3);
  expect(await collect(client.readStream(stream))).toHaveLength(3);
  await client.dispose();
};

/** Passes bytes on until it is told to keep them to itself, as a network does that is cut. */
const startProxy = async (port: number) => {
  const sockets: Socket[] = [];
  const proxy = createServer((near) => {
    const far = connectSocket(port, "127.0.0.1");
    sockets.push(near, far);
    near.pipe(far);
    far.pipe(near);
    for (const socket of [near, far]) socket.on("error", () => undefined);
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  return {
    // The address of a server that listens on a port is not a path.
    port: (proxy.address() as AddressInfo).port,
    cut: () => {
      for (const socket of sockets) socket.unpipe().pause();
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      proxy.close();
    },
  };
};

test("a consumer that is gone without a word is noticed, and what it had goes to others", async () => {
  const impatient = await startEventStore({ keepAlive: { interval: 300, timeout: 2000 } });
  const proxy = await startProxy(impatient.port);
  const client = connect(impatient);
  const vanishing = connect({ connectionString: `esdb://127.0.0.1:${proxy.port}?tls=false` });
  await client.createPersistentSubscriptionToStream("s", "g", streamSettings({ startFrom: START }));
  const gone = consume(vanishing.subscribeToPersistentSubscriptionToStream("s", "g"), () => "nothing");
  await client.appendToStream("s", events(5));
  await gone.reached(5);
  proxy.cut();
  const other = consume(client.subscribeToPersistentSubscriptionToStream("s", "g"));
  await other.reached(5);
  expect(revisions(other)).toEqual([0n, 1n, 2n, 3n, 4n]);
  expect(other.delivered.map(({ retryCount }) => retryCount)).toEqual([1, 1, 1, 1, 1]);
  // One that answers the server's questions stays, however long it has nothing to say.
  const followed = follow(client.subscribeToStream("idle"));
  await sleep(1000);
  await client.appendToStream("idle", event());
  await followed.reached(1);
  expect([followed.errors, other.errors]).toEqual([[], []]);
  await client.dispose();
  proxy.close();
  await vanishing.dispose().catch(() => undefined);
  await impatient.stop();
});

test("connections that speak TLS, HTTP/1.1, nonsense, or very slowly", async () => {
  const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  const open = (first: Buffer): Socket => {
    const socket = connectSocket(server.port, "127.0.0.1");
    socket.on("error", () => undefined).resume();
    socket.write(first);
    return socket;
  };
  const tls = connectTls({ port: server.port, host: "127.0.0.1", rejectUnauthorized: false });
  const refused = once(tls, "error");
  const sockets = [
    open(Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n")),
    open(randomBytes(100_000)),
    open(Buffer.alloc(0)),
    open(Buffer.concat([preface, randomBytes(1000)])),
    open(Buffer.concat([preface, Buffer.from([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0])])),
  ];
  const slow = Array.from({ length: 50 }, () => open(Buffer.alloc(0)));
  for (const byte of preface) {
    for (const socket of slow) socket.write(Buffer.from([byte]));
    await sleep(5);
  }
  await expectServed();
  await refused;
  for (const socket of [...sockets, ...slow]) socket.destroy();
  await expectServed();
});

test("two hundred connections that are opened and dropped at once, with calls under way", async () => {
  const client = connect(server);
  await client.appendToStream("s", events(100));
  for (let round = 0; round < 2; round += 1) {
    const sessions = await Promise.all(Array.from({ length: 200 }, () => connectNeverReading(server.port, "s")));
    for (const session of sessions) session.destroy();
  }
  await client.appendToStream("s", event());
  expect(await collect(client.readStream("s"))).toHaveLength(101);
  await client.dispose();
  await expectServed();
});

/** Resident memory in MiB. */
const residentMemory = (): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${server.pid}/status`, "latin1"))?.[1]) / 1024;

test.skipIf(process.platform !== "linux")(
  "clients that never read: of 100 MB each is sent what fits on the way, and the rest waits on disk",
  async () => {
    const client = connect(server);
    for (let megabyte = 0; megabyte < 100; megabyte += 1) await client.appendToStream("large", bytesEvent(1_000_000));
    await client.createPersistentSubscriptionToStream(
      "large",
      "g",
      streamSettings({ startFrom: START, historyBufferSize: 40, readBatchSize: 20 }),
    );
    const before = residentMemory();
    const sessions = await Promise.all([
      ...Array.from({ length: 20 }, () => connectNeverReading(server.port, "large")),
      ...Array.from({ length: 20 }, () => connectNeverReading(server.port, "large", "read")),
    ]);
    const consumer = await consumeNeverReading(server.port, "large", 10_000);
    await expectServed();
    await sleep(500);
    const { stats } = await client.getPersistentSubscriptionToStreamInfo("large", "g");
    expect(stats.totalInFlightMessages).toBeGreaterThan(0);
    expect(stats.totalInFlightMessages).toBeLessThan(20);
    // Forty times 100 MB were asked for, and ten thousand events more.
    expect(residentMemory() - before).toBeLessThan(300);
    consumer.destroy();
    // It has as much on the way now and then, and is sent the rest as it takes it: nothing else asks for more.
    const reading = consume(
      client.subscribeToPersistentSubscriptionToStream("large", "g", { bufferSize: 200 }),
      () => "nothing",
    );
    await reading.reached(100);
    expect(new Set(revisions(reading)).size).toBe(100);
    for (const session of sessions) session.destroy();
    await client.dispose();
  },
);

test.skipIf(process.platform !== "linux")(
  "a thousand idle subscriptions cost little memory, and all are told of an append",
  async () => {
    const client = connect(server);
    const before = residentMemory();
    const subscriptions = Array.from({ length: 1000 }, (_, index) =>
      follow(index % 2 === 0 ? client.subscribeToStream("s") : client.subscribeToAll({ fromPosition: "end" })),
    );
    await Promise.all(subscriptions.map((subscription) => subscription.caughtUp()));
    expect(residentMemory() - before).toBeLessThan(200);
    await client.appendToStream("s", event());
    await Promise.all(subscriptions.map((subscription) => subscription.reached(1)));
    await client.dispose();
  },
);
