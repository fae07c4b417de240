/** Starting and stopping as a user does it: beside another system, through npm, on data that is damaged. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isAlive } from "../../local/system/running-system.ts";
import { portFlags, runTidemark, StartedSystem } from "./started-system.ts";

const order = {
  orderId: "beside",
  customerId: "VINET",
  lines: [{ productId: "11", quantity: 1, unitPrice: { amount: 100, currency: "USD" }, discountPercent: 0 }],
};

describe("npm start", () => {
  let one: StartedSystem;
  let two: StartedSystem;

  beforeAll(async () => {
    [one, two] = await Promise.all([StartedSystem.prepared(), StartedSystem.prepared()]);
  });

  afterAll(async () => {
    await Promise.all([one.remove(), two.remove()]);
  });

  it("runs two systems side by side that differ in the ports that a user knows, and keeps them apart", async () => {
    const flags = portFlags.slice(0, 3);
    await one.start(["npm", "start", "--"], flags);
    await two.start(["npm", "start", "--"], flags);
    const [portsOfOne, portsOfTwo] = await Promise.all(
      [one, two].map(async (system) => {
        const processes = await system.status();
        expect(processes.map(({ name }) => name)).toStrictEqual(["event-store", "dynamodb", "functions", "subscriber"]);
        return processes.map(({ port }) => port);
      }),
    );
    expect(portsOfOne?.filter((port) => portsOfTwo?.includes(port))).toStrictEqual([]);
    expect((await one.post("/orders", order)).status).toBe(201);
    await expect.poll(async () => (await one.get("/orders/beside")).status).toBe(200);
    expect((await two.get("/orders/beside")).status).toBe(404);
  }, 240_000);

  it("refuses a second system on the same data, and leaves the first alone", async () => {
    const { code, stderr } = await one.tidemark("start", "--port", "1024");
    expect({ code, stderr }).toStrictEqual({ code: 1, stderr: expect.stringContaining(one.dataDirectory) as string });
    expect((await one.get("/orders/beside")).status).toBe(200);
  });

  it("stops everything when npm is told to stop, and leaves nothing running", async () => {
    for (const system of [one, two]) {
      const pids = (await system.status()).map(({ pid }) => pid);
      expect(pids.filter(isAlive)).toStrictEqual(pids);
      await system.stop();
      await expect.poll(() => pids.filter(isAlive)).toStrictEqual([]);
      expect((await runTidemark("status", "--data", system.dataDirectory)).code).toBe(1);
    }
  });

  it.each([
    ["event store", "event-store/event-store.db"],
    ["DynamoDB", "dynamodb/dynamodb.sqlite"],
  ])("names the damaged file of the %s, ends with 1, and leaves nothing running", async (_, file) => {
    const damaged = await StartedSystem.prepared();
    const path = join(damaged.dataDirectory, file);
    await mkdir(join(path, ".."), { recursive: true });
    await writeFile(path, Buffer.alloc(8_192, "this is no database "));
    const ports = portFlags.flatMap((flag, index) => [flag, String(damaged.ports[index])]);
    const { code, stdout, stderr } = await damaged.tidemark("start", ...ports);
    expect({ code, stdout }).toStrictEqual({ code: 1, stdout: "" });
    expect(stderr).toContain(path);
    for (const [, pid = "0"] of stderr.matchAll(/as pid (\d+)/g)) expect(isAlive(Number(pid))).toBe(false);
    await damaged.remove();
  });

  it.each([
    ["a file", () => join(one.dataDirectory, "file")],
    ["nowhere to be made", () => "/proc/nowhere/data"],
  ])("names a data directory that cannot be one: %s", async (_, path) => {
    const file = path();
    await writeFile(join(one.dataDirectory, "file"), "");
    const ports = portFlags.flatMap((flag, index) => [flag, String(one.ports[index])]);
    const { code, stderr } = await runTidemark("start", ...ports, "--data", file);
    expect({ code, said: stderr.startsWith(`error: data cannot be kept in ${file}:`) }).toStrictEqual({
      code: 1,
      said: true,
    });
  });
});
