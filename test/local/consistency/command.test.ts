/** `tidemark check`, as a process of its own, against servers that a data directory names. */
import { BatchWriteItemCommand } from "@aws-sdk/client-dynamodb";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { type RunningSystem, RunningSystemFile } from "../../../local/system/running-system.ts";
import { salesPartition } from "../../../projections/sales-by-month.ts";
import { viewNames } from "../../../projections/registry.ts";
import { OrderViews } from "../../functions/order-views.ts";
import { twoOrders } from "../../functions/two-orders.ts";
import { type Ended, runTidemark } from "../../system/started-system.ts";

const july = { partition: salesPartition, sort: "1996-07#USD" };

describe("tidemark check", () => {
  let views: OrderViews;
  let data: string;

  beforeAll(async () => {
    views = await OrderViews.made(inject("dynamodbEndpoint"));
    await views.place("a");
    await views.place("b");
    await views.deliver();
    data = await mkdtemp(join(tmpdir(), "tidemark-check-"));
    await new RunningSystemFile(data).write(system({}));
  });

  afterAll(async () => {
    await views.stop();
    await rm(data, { recursive: true, force: true });
  });

  const system = (change: Partial<RunningSystem>): RunningSystem => ({
    pid: process.pid,
    dataDirectory: data,
    apiUrl: "http://127.0.0.1:1",
    invokeUrl: "http://127.0.0.1:1",
    eventStoreConnectionString: views.server.connectionString,
    dynamodbEndpoint: inject("dynamodbEndpoint"),
    tablePrefix: views.tablePrefix,
    functionPrefix: "none-",
    region: "eu-central-1",
    processes: [],
    ...change,
  });

  const check = (...words: readonly string[]): Promise<Ended> => runTidemark("check", ...words, "--data", data);

  const [, , ...otherViews] = twoOrders;
  const otherLines = otherViews.map(
    ({ view, rows, guards, events }) =>
      `${view}: agrees with its events (${rows} rows, ${guards} guards, ${events} events)\n`,
  );

  it("ends with 0 when all views agree, and shows its progress on stderr", async () => {
    const { code, stdout, stderr } = await check();
    expect({ code, stdout }).toStrictEqual({
      code: 0,
      stdout:
        "order-summary: agrees with its events (2 rows, 2 guards, 2 events)\n" +
        "sales-by-month: agrees with its events (1 rows, 2 guards, 2 events)\n" +
        otherLines.join(""),
    });
    expect(stderr.replaceAll(/\d+ of \d+/g, "N of N")).toBe(
      viewNames.map((view) => `${view}: bytes of the log: N of N\n`).join(""),
    );
  });

  it("checks one view and prints one JSON document when asked to", async () => {
    const { code, stdout } = await check("sales-by-month", "--json");
    expect({ code, document: JSON.parse(stdout) as unknown }).toStrictEqual({
      code: 0,
      document: {
        agrees: true,
        views: [
          {
            view: "sales-by-month",
            outcome: "agrees",
            generation: "g1",
            version: 1,
            rows: 1,
            guards: 2,
            events: 2,
            differenceCount: 0,
            lateCount: 0,
            differences: [],
            undecidedCount: 0,
            undecided: [],
            scavengedStreams: 0,
          },
        ],
      },
    });
  });

  it("ends with 1 and lists what differs, and what is right in the other view", async () => {
    await views.put("sales-by-month", july, { orders: { N: "2" }, revenue: { N: "2399" } });
    try {
      const { code, stdout } = await check();
      expect({ code, stdout }).toStrictEqual({
        code: 1,
        stdout:
          "order-summary: agrees with its events (2 rows, 2 guards, 2 events)\n" +
          "sales-by-month: DIFFERS from its events in 1 places (1 rows, 2 guards, 2 events)\n" +
          '  row months / 1996-07#USD differs: expected {"orders":2,"revenue":2400}, found {"orders":2,"revenue":2399}\n' +
          otherLines.join(""),
      });
      const asJson = await check("--json");
      expect({ code: asJson.code, document: JSON.parse(asJson.stdout) as unknown }).toMatchObject({
        code: 1,
        document: {
          agrees: false,
          views: [
            { view: "order-summary", outcome: "agrees" },
            {
              view: "sales-by-month",
              outcome: "differs",
              differences: [
                {
                  kind: "row-differs",
                  key: july,
                  expected: { orders: 2, revenue: 2_400 },
                  actual: { orders: 2, revenue: 2_399 },
                },
              ],
            },
            ...otherViews.map(({ view }) => ({ view, outcome: "agrees" })),
          ],
        },
      });
    } finally {
      await views.put("sales-by-month", july, { orders: { N: "2" }, revenue: { N: "2400" } });
    }
  });

  it("puts right what is wrong when asked to, says what it was, and ends with 0 because it has checked again", async () => {
    await views.put("sales-by-month", july, { orders: { N: "2" }, revenue: { N: "2399" } });
    const { code, stdout } = await check("sales-by-month", "--repair");
    expect({ code, stdout }).toStrictEqual({
      code: 0,
      stdout:
        'sales-by-month: row months / 1996-07#USD repaired: {"orders":2,"revenue":2399} -> {"orders":2,"revenue":2400}\n' +
        "sales-by-month: agrees with its events (1 rows, 2 guards, 2 events)\n",
    });
    const again = await check("sales-by-month", "--repair", "--json");
    expect({ code: again.code, document: JSON.parse(again.stdout) as unknown }).toMatchObject({
      code: 0,
      document: { agrees: true, views: [{ outcome: "agrees" }] },
    });
    await views.put("sales-by-month", july, { orders: { N: "2" }, revenue: { N: "2399" } });
    const asJson = await check("sales-by-month", "--repair", "--json");
    expect(JSON.parse(asJson.stdout)).toMatchObject({
      views: [{ outcome: "agrees", repairs: [{ what: "row-repaired", key: july, before: { revenue: 2_399 } }] }],
    });
  });

  it("checks quickly that what moved is there, and says up to where", async () => {
    const { code, stdout } = await check("sales-by-month", "--quick");
    expect({ code, stdout: stdout.replace(/\d+ events/, "N events").replace(/\d+\/\d+/, "WHERE") }).toStrictEqual({
      code: 0,
      stdout: "sales-by-month: has what moved (2 streams, N events of all views, up to WHERE)\n",
    });
    const again = await check("sales-by-month", "--quick", "--json");
    expect(JSON.parse(again.stdout)).toMatchObject({ complete: true, views: [{ streams: 0, events: 0, behind: [] }] });
  });

  it("checks rows at random, says by which seed, and takes the same ones for the same", async () => {
    const { code, stdout } = await check("order-summary", "--sample", "2");
    expect({ code, stdout: stdout.replace(/seed \w{8}\)/, "seed SEED)") }).toStrictEqual({
      code: 0,
      stdout: expect.stringMatching(
        /^order-summary: agrees with its events \([12] rows, [12] guards, 2 events; a sample of 2, seed SEED\)\n$/,
      ) as string,
    });
    const [one, other] = [
      await check("--sample", "4", "--seed", "a", "--json"),
      await check("--sample", "4", "--seed", "a", "--json"),
    ];
    expect(one.stdout).toBe(other.stdout);
    expect(JSON.parse(one.stdout)).toMatchObject({
      agrees: true,
      views: viewNames.map((view) => ({ view, outcome: "agrees", only: { sample: 4, seed: "a" } })),
    });
  });

  it("checks one row, named as `explain` takes it, and puts it right", async () => {
    const right = await check("sales-by-month", "--row", "1996-07#USD");
    expect(right).toMatchObject({
      code: 0,
      stdout: "sales-by-month: agrees with its events (1 rows, 2 guards, 2 events; this row only)\n",
    });
    await views.put("sales-by-month", july, { orders: { N: "2" }, revenue: { N: "2399" } });
    const { code, stdout } = await check("sales-by-month", "--row", "months / 1996-07#USD", "--repair");
    expect({ code, stdout }).toStrictEqual({
      code: 0,
      stdout:
        'sales-by-month: row months / 1996-07#USD repaired: {"orders":2,"revenue":2399} -> {"orders":2,"revenue":2400}\n' +
        "sales-by-month: agrees with its events (1 rows, 2 guards, 2 events; this row only)\n",
    });
    expect(await check("sales-by-month", "--row", "1997-01#USD")).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining('error: no event touches a row "1997-01#USD"') as string,
    });
  });

  it("takes away what a row too many holds", async () => {
    await views.put("sales-by-month", { partition: "months", sort: "never" }, { orders: { N: "2" } });
    const { code, stdout } = await check("sales-by-month", "--row", "months / never", "--repair");
    expect({ code, stdout }).toStrictEqual({
      code: 0,
      stdout:
        'sales-by-month: row months / never repaired: {"orders":2} -> {}\n' +
        "sales-by-month: agrees with its events (1 rows, 0 guards, 2 events; this row only)\n",
    });
  });

  it.each([
    [["--sample", "4", "--quick"], "--quick and --sample are different checks: give one of them"],
    [["sales-by-month", "--row", "x", "--full"], "--full and --row are different checks: give one of them"],
    [["--quick", "--repair"], "--quick looks at no rows, and --repair puts rows right: give one of them"],
    [["--seed", "x"], "--seed says which rows --sample takes: give both, or none"],
    [["--row", "x"], "--row is of one view: name the view before it"],
    [["--sample", "0"], "Give a number of rows from 2 to 10000."],
    [["--sample", "many"], "Give a number of rows from 2 to 10000."],
  ])("refuses %j", async (words, why) => {
    expect(await check(...words)).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining(why) as string,
    });
  });

  const explain = (...words: readonly string[]): Promise<Ended> => runTidemark("explain", ...words, "--data", data);

  it("explains a row by its events, and ends with 0 because it is what they say", async () => {
    const { code, stdout } = await explain("sales-by-month", "1996-07#USD");
    const lines = stdout
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "WHEN")
      .replaceAll(/\d+\/\d+/g, "WHERE")
      .split("\n");
    expect({ code, lines }).toStrictEqual({
      code: 0,
      lines: [
        "sales-by-month, version 1, generation g1: row months / 1996-07#USD",
        "  WHEN  WHERE  0@order-a  OrderPlaced: orders 1, revenue 1200",
        "  WHEN  WHERE  0@order-b  OrderPlaced: orders 1 -> 2, revenue 1200 -> 2400",
        'at WHERE: {"orders":2,"revenue":2400}',
        "the row that readers see is what those of its events say that have arrived in it",
        "",
      ],
    });
  });

  it("explains it as it was, as one JSON document", async () => {
    const now = JSON.parse((await explain("sales-by-month", "1996-07#USD", "--json")).stdout) as {
      readonly events: readonly [{ readonly position: string }];
    };
    const { position } = now.events[0];
    const then = await explain("sales-by-month", "1996-07#USD", "--until", position, "--json");
    expect({ code: then.code, document: JSON.parse(then.stdout) as unknown }).toMatchObject({
      code: 0,
      document: {
        key: july,
        position,
        events: [{ revision: "0", stream: "order-a", changes: [{ attribute: "orders", after: 1 }, {}] }],
        row: { orders: 1, revenue: 1_200 },
      },
    });
  });

  it("says of a row that was damaged what it holds and what it has to, and ends with 1", async () => {
    await views.put("sales-by-month", july, { orders: { N: "2" }, revenue: { N: "2399" } });
    try {
      const { code, stdout } = await explain("sales-by-month", "1996-07#USD");
      expect(code).toBe(1);
      expect(stdout).toContain(
        'the row that readers see is NOT what its events say: row months / 1996-07#USD differs: expected {"orders":2,"revenue":2400}, found {"orders":2,"revenue":2399}',
      );
    } finally {
      await views.put("sales-by-month", july, { orders: { N: "2" }, revenue: { N: "2400" } });
    }
  });

  it("refuses to explain what is no row and no position", async () => {
    expect(await explain("sales-by-month", "1997-01#USD")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no event touches a row "1997-01#USD"') as string,
    });
    expect(await explain("sales-by-month", "1996-07#USD", "--until", "now")).toMatchObject({ code: 2 });
  });

  it("names the known views when asked for another", async () => {
    expect(await check("no-such-view")).toStrictEqual({
      code: 1,
      stdout: "",
      stderr: `error: there is no view "no-such-view": use one of ${viewNames.join(", ")}\n`,
    });
  });

  it.each([
    ["event store", { eventStoreConnectionString: "esdb://127.0.0.1:1?tls=false" }, "EVENT_STORE_UNAVAILABLE"],
    ["DynamoDB", { dynamodbEndpoint: "http://127.0.0.1:1" }, "VIEWS_UNAVAILABLE"],
  ])("says that the %s is down when it is", async (_, change, code) => {
    await new RunningSystemFile(data).write(system(change));
    try {
      const ended = await check("--json");
      expect({ ...ended, stderr: JSON.parse(ended.stderr) as unknown }).toMatchObject({
        code: 1,
        stdout: "",
        stderr: { error: { code } },
      });
    } finally {
      await new RunningSystemFile(data).write(system({}));
    }
  });

  it("says so when no system runs there", async () => {
    const { code, stderr } = await runTidemark("check", "--data", join(data, "nothing"));
    expect(code).toBe(1);
    expect(stderr).toContain("run npm start");
  });

  it("says of a view that differs in too many places that it was not repaired, and how it can be", async () => {
    const TableName = views.tableOf("product-sales");
    for (let start = 0; start < 1_025; start += 25) {
      const items = Array.from({ length: 25 }, (_, index) => ({
        PutRequest: { Item: { pk: { S: "ghosts" }, sk: { S: String(start + index) }, orders: { N: "1" } } },
      }));
      await views.dynamodb.send(new BatchWriteItemCommand({ RequestItems: { [TableName]: items } }));
    }
    const { code, stdout } = await check("product-sales", "--repair");
    expect({ code, stdout }).toStrictEqual({
      code: 1,
      stdout:
        "product-sales: could not be repaired, or checked afterwards: 1025 places differ, more than 1000: replay the view, which is as quick and can be undone\n",
    });
  });
});
