/** `tidemark check`, killed before each of its calls of DynamoDB: nothing is left behind, and the next one is right. */
import { spawn } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { itemText, keyOfItem, scanItems } from "../../../engine/consistency/table-items.ts";
import { type RunningSystem, RunningSystemFile } from "../../../local/system/running-system.ts";
import { salesPartition } from "../../../projections/sales-by-month.ts";
import { OrderViews } from "../../functions/order-views.ts";
import { runTidemark } from "../../system/started-system.ts";

const july = { partition: salesPartition, sort: "1996-07#USD" };
const right = { orders: { N: "2" }, revenue: { N: "2400" } };
const program = join(import.meta.dirname, "../../../bin/tidemark.js");

interface Stop {
  /** Before the call of this number that `of` names. */
  readonly call: number;
  readonly of: "any" | "PutItem";
  /** Whether DynamoDB gets it: then only the answer is missing. */
  readonly isHandedOn: boolean;
  readonly onStop: () => void;
}

/** Hands calls on to DynamoDB, up to one: then it tells, and answers nothing more. */
class Gateway {
  #server: Server | undefined;
  #calls = 0;
  #stop: Stop | undefined;

  async start(endpoint: string): Promise<string> {
    const server = createServer((request, response) => {
      const handOn = async (): Promise<void> => {
        const body: Buffer[] = [];
        for await (const part of request) body.push(part as Buffer);
        const stop = this.#stop;
        if (stop?.of === "any" || String(request.headers["x-amz-target"]).endsWith(".PutItem")) this.#calls += 1;
        const isStopped = stop !== undefined && this.#calls >= stop.call;
        if (isStopped && !stop.isHandedOn) {
          stop.onStop();
          return;
        }
        const headers = Object.entries(request.headers).filter(([name]) => !["host", "connection"].includes(name));
        const answer = await fetch(endpoint, {
          method: "POST",
          headers: headers.map(([name, value]): [string, string] => [name, String(value)]),
          body: Buffer.concat(body),
        });
        if (isStopped) {
          stop.onStop();
          return;
        }
        response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "" });
        response.end(Buffer.from(await answer.arrayBuffer()));
      };
      handOn().catch(() => response.destroy());
    });
    this.#server = server;
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    // A server that listens on a port has an address with one.
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  stopAt(stop: Stop | undefined): void {
    this.#calls = 0;
    this.#stop = stop;
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((closed) => this.#server?.close(closed));
  }
}

describe("a check that is killed", () => {
  const gateway = new Gateway();
  let views: OrderViews;
  let data: string;

  beforeAll(async () => {
    views = await OrderViews.made(inject("dynamodbEndpoint"));
    await views.place("a");
    await views.place("b");
    await views.deliver();
    data = await mkdtemp(join(tmpdir(), "tidemark-killed-"));
    const system: RunningSystem = {
      pid: process.pid,
      dataDirectory: data,
      apiUrl: "http://127.0.0.1:1",
      invokeUrl: "http://127.0.0.1:1",
      eventStoreConnectionString: views.server.connectionString,
      dynamodbEndpoint: await gateway.start(inject("dynamodbEndpoint")),
      tablePrefix: views.tablePrefix,
      functionPrefix: "none-",
      region: "eu-central-1",
      processes: [],
    };
    await new RunningSystemFile(data).write(system);
  });

  afterAll(async () => {
    await gateway.stop();
    await views.stop();
    await rm(data, { recursive: true, force: true });
  });

  /** Runs the command and kills it at that call; false when it ended before. */
  const killed = async (stop: Omit<Stop, "onStop">, ...words: readonly string[]): Promise<boolean> => {
    const child = spawn(process.execPath, [program, "check", "sales-by-month", ...words, "--data", data], {
      stdio: "ignore",
    });
    gateway.stopAt({ ...stop, onStop: () => child.kill("SIGKILL") });
    const signal = await new Promise((ended) => child.once("exit", (_, by) => ended(by)));
    gateway.stopAt(undefined);
    return signal === "SIGKILL";
  };

  /** Everything that could be left behind: items of the view, the catalog and the quarantine, and files. */
  const everything = async (): Promise<ReadonlyMap<string, unknown>> => {
    const found = new Map<string, unknown>([["files", await readdir(data)]]);
    for (const table of [
      views.tableOf("sales-by-month"),
      `${views.tablePrefix}catalog`,
      `${views.tablePrefix}quarantine`,
    ]) {
      for await (const items of scanItems(views.dynamodb, table)) {
        for (const item of items) found.set(`${table} ${itemText(keyOfItem(item))}`, item);
      }
    }
    return found;
  };

  const checked = (...words: readonly string[]) => runTidemark("check", "sales-by-month", ...words, "--data", data);
  it("has left nothing behind, and the next one finds all right", async () => {
    const before = await everything();
    let kills = 0;
    while (await killed({ call: kills + 1, of: "any", isHandedOn: false })) {
      kills += 1;
      expect(await everything()).toStrictEqual(before);
    }
    expect(kills).toBeGreaterThan(3);
    expect(await checked()).toMatchObject({
      code: 0,
      stdout: "sales-by-month: agrees with its events (1 rows, 2 guards, 2 events)\n",
    });
  }, 120_000);

  it.each([
    { call: 1, isHandedOn: false, repaired: 0 },
    { call: 1, isHandedOn: true, repaired: 1 },
    { call: 2, isHandedOn: false, repaired: 1 },
    { call: 2, isHandedOn: true, repaired: 2 },
  ])("at write $call of a repair, handed on: $isHandedOn, has left what the next one puts right", async (stop) => {
    await views.put("sales-by-month", july, { orders: { N: "2" }, revenue: { N: "1" } });
    await views.put("sales-by-month", { ...july, sort: "never" }, right);
    const damaged = await everything();
    expect(await killed({ ...stop, of: "PutItem" }, "--repair")).toBe(true);
    const left = await everything();
    const { stdout, code } = await checked("--repair");
    expect(code).toBe(0);
    expect(stdout.split("\n").filter((line) => line.includes(" repaired: "))).toHaveLength(2 - stop.repaired);
    const whole = await everything();
    const isAsIn = (other: ReadonlyMap<string, unknown>): number =>
      [...left].filter(([name, item]) => isDeepStrictEqual(item, other.get(name))).length;
    // Two rows are damaged: each is whole by now or as it was.
    expect({ size: left.size, as: isAsIn(whole), was: isAsIn(damaged) }).toStrictEqual({
      size: whole.size,
      as: whole.size - 2 + stop.repaired,
      was: whole.size - stop.repaired,
    });
  });
});
