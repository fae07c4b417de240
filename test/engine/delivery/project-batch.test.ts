/** What a projector does with a batch: every generation that is written now has it, or the event is reported as failed. */
import { DeleteTableCommand, type DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { randomUUID } from "node:crypto";
import { pino } from "pino";
import { beforeAll, describe, expect, it } from "vitest";
import { projectBatch, type ProjectorContext, ViewNotPreparedError } from "../../../engine/delivery/project-batch.ts";
import { Quarantine, quarantineTable } from "../../../engine/quarantine/quarantine.ts";
import { retryLimitsSchema } from "../../../engine/quarantine/retry-limits.ts";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import { startOfAll } from "../../../engine/event-store/position.ts";
import { Catalog, type Generation, type GenerationRole } from "../../../engine/views/catalog.ts";
import { VersionNotDeployedError } from "../../../engine/views/deployed-version.ts";
import { createGenerationTable } from "../../../engine/views/generation-table.ts";
import { rowItemKey } from "../../../engine/views/item.ts";
import { applyEvents } from "../../../engine/views/live-writer.ts";
import type { Projection } from "../../../engine/views/projection.ts";
import { catalogTable as catalogTableOf } from "../../../functions/dynamodb-connection.ts";
import {
  changed,
  counted,
  createTables,
  type EventForTest,
  failing,
  faultyDynamoDB,
  newTable,
  owned,
  shared,
  type TableContents,
  timeout,
  unlisted,
  useViews,
} from "../views/views-for-test.ts";

const log = pino({ level: "silent" });
const limits = retryLimitsSchema.parse({});

describe("a projector", () => {
  const views = useViews();
  let catalogTable: string;
  let quarantine: string;

  beforeAll(async () => {
    const tablePrefix = await createTables(views.dynamodb);
    catalogTable = catalogTableOf(tablePrefix);
    quarantine = quarantineTable(tablePrefix);
  });

  /** A view with generations in these roles, in a catalog entry of its own. */
  async function viewOf(...roles: readonly GenerationRole[]) {
    const projection: Projection = { ...owned, name: `owned-${randomUUID()}` };
    const catalog = new Catalog(views.dynamodb, catalogTable);
    const generations: Generation[] = [];
    for (const role of roles) {
      const table = newTable();
      await createGenerationTable(views.dynamodb, table, projection);
      generations.push({ id: role, table, version: 1, role, from: startOfAll, declaredAt: "2026-11-24T00:00:00.000Z" });
    }
    if (roles.length > 0) await catalog.transition(await catalog.read(projection.name), generations);
    return {
      projection,
      catalog,
      contextWith: (dynamodb: DynamoDBClient): ProjectorContext => ({
        dynamodb,
        eventStore: views.eventStore,
        catalog,
        quarantine: new Quarantine(dynamodb, quarantine),
        limits,
        log,
      }),
      context: {
        dynamodb: views.dynamodb,
        eventStore: views.eventStore,
        catalog,
        quarantine: new Quarantine(views.dynamodb, quarantine),
        limits,
        log,
      },
      tableOf: (role: GenerationRole): string => generations.find((each) => each.role === role)?.table ?? "",
      contents: (role: GenerationRole): Promise<TableContents> => {
        const table = generations.find((each) => each.role === role)?.table ?? "";
        const generation = { table, from: startOfAll };
        return views.contents({ dynamodb: views.dynamodb, eventStore: views.eventStore, projection, generation });
      },
      blocked: async (): Promise<Record<string, string | undefined>> =>
        Object.fromEntries((await catalog.read(projection.name)).generations.map(({ id, blocked }) => [id, blocked])),
    };
  }

  const newId = (): string => randomUUID();
  const nothingFailed = { batchItemFailures: [] };

  it("writes every generation that is written, and none that is not", async () => {
    const view = await viewOf("building", "joined", "soaking", "live", "retiring");
    const id = newId();
    const events = await views.append(`account-${id}`, [changed({ set: { owner: "Ada" } })]);
    expect(await projectBatch(view.context, [view.projection], events)).toStrictEqual(nothingFailed);
    const rows = { [`${id}/account`]: { owner: "Ada" } };
    for (const role of ["joined", "soaking", "live"] as const)
      expect((await view.contents(role)).rows).toStrictEqual(rows);
    for (const role of ["building", "retiring"] as const) expect((await view.contents(role)).rows).toStrictEqual({});
  });

  it("writes the live generation last: a reader that a swap moves to another never sees a row go back", async () => {
    const view = await viewOf("live", "joined");
    const order: string[] = [];
    const watched = faultyDynamoDB("UpdateItemCommand", (_call, send) => send());
    watched.middlewareStack.add(
      (next) => (args) => {
        order.push((args.input as { TableName?: string }).TableName ?? "");
        return next(args);
      },
      { step: "initialize" },
    );
    const events = await views.append(`account-${newId()}`, [changed({ add: { sum: 1 } })]);
    await projectBatch(view.contextWith(watched), [view.projection], events);
    expect(order.filter((table) => table !== catalogTable)).toStrictEqual([
      view.tableOf("joined"),
      view.tableOf("live"),
    ]);
  });

  it("reports a stream's events as failed from the first on that cannot be applied", async () => {
    const view = await viewOf("live");
    const [bad, good] = [newId(), newId()];
    const events = [
      ...(await views.append(`account-${bad}`, [
        changed({ set: { sum: "text" } }),
        changed({ add: { _engine: 1 } }),
        unlisted,
      ])),
      ...(await views.append(`account-${good}`, [changed({ add: { sum: 2 } })])),
    ];
    expect(await projectBatch(view.context, [view.projection], events)).toStrictEqual({
      batchItemFailures: [{ itemIdentifier: `1@account-${bad}` }, { itemIdentifier: `2@account-${bad}` }],
    });
    expect((await view.contents("live")).rows).toStrictEqual({
      [`${bad}/account`]: { sum: "text" },
      [`${good}/account`]: { sum: 2 },
    });
  });

  it("reports a listed type in a newer version than it knows until the code is there that does; unlisted types it skips in any", async () => {
    const view = await viewOf("live");
    const [newer, unlistedOnly] = [newId(), newId()];
    const atVersion = (event: EventForTest, schemaVersion: number) => ({ ...event, metadata: { schemaVersion } });
    const events = [
      ...(await views.append(`account-${newer}`, [
        changed({ add: { sum: 1 } }),
        atVersion(changed({ add: { sum: 2 } }), 2),
        changed({ add: { sum: 4 } }),
      ])),
      ...(await views.append(`account-${unlistedOnly}`, [atVersion(unlisted, 9), changed({ add: { sum: 8 } })])),
    ];
    expect(await projectBatch(view.context, [view.projection], events)).toStrictEqual({
      batchItemFailures: [{ itemIdentifier: `1@account-${newer}` }, { itemIdentifier: `2@account-${newer}` }],
    });
    expect((await view.contents("live")).rows).toStrictEqual({
      [`${newer}/account`]: { sum: 1 },
      [`${unlistedOnly}/account`]: { sum: 8 },
    });
    const { Changed, ...others } = view.projection.eventTypes;
    if (Changed === undefined) throw new Error("the projection lists Changed");
    const deployed = {
      ...view.projection,
      eventTypes: { ...others, Changed: { ...Changed, version: 2, upcasters: [(data: unknown) => data] } },
    };
    expect(await projectBatch(view.context, [deployed], events)).toStrictEqual(nothingFailed);
    expect((await view.contents("live")).rows).toStrictEqual({
      [`${newer}/account`]: { sum: 7 },
      [`${unlistedOnly}/account`]: { sum: 8 },
    });
  });

  it("acknowledges on no old picture: a generation that joined during the batch has the batch too", async () => {
    const view = await viewOf("building", "live");
    const id = newId();
    const events = await views.append(`account-${id}`, [changed({ add: { sum: 5 } })]);
    let isFirst = true;
    /** Joins right after the projector has read the catalog for the first time. */
    class JoinedMeanwhile extends Catalog {
      override async read(projection: string): ReturnType<Catalog["read"]> {
        const entry = await super.read(projection);
        if (!isFirst) return entry;
        isFirst = false;
        const joined = entry.generations.map((each) =>
          each.role === "building" ? { ...each, role: "joined" as const } : each,
        );
        await super.transition(entry, joined);
        return entry;
      }
    }
    const catalog = new JoinedMeanwhile(views.dynamodb, catalogTable);
    const response = await projectBatch({ ...view.context, catalog }, [view.projection], events);
    expect(response).toStrictEqual(nothingFailed);
    const rows = { [`${id}/account`]: { sum: 5 } };
    expect((await view.contents("live")).rows).toStrictEqual(rows);
    expect((await view.contents("building")).rows).toStrictEqual(rows);
  });

  it("does not let a generation that no reader sees hold back the live one: what fails in it blocks it", async () => {
    const view = await viewOf("joined", "live");
    const stricter: Projection = {
      ...view.projection,
      version: 2,
      changes: () => ({ add: { _reserved: 1 } }),
    };
    const entry = await view.catalog.read(view.projection.name);
    await view.catalog.transition(
      entry,
      entry.generations.map((each) => (each.role === "joined" ? { ...each, version: 2 } : each)),
    );
    const id = newId();
    const events = await views.append(`account-${id}`, [changed({ add: { sum: 1 } })]);
    expect(await projectBatch(view.context, [view.projection, stricter], events)).toStrictEqual(nothingFailed);
    expect((await view.contents("live")).rows).toStrictEqual({ [`${id}/account`]: { sum: 1 } });
    expect(await view.blocked()).toStrictEqual({
      joined: expect.stringContaining('attribute name "_reserved"') as string,
      live: undefined,
    });
    // From here on it is left alone.
    const more = await views.append(`account-${id}`, [changed({ add: { sum: 1 } })]);
    expect(await projectBatch(view.context, [view.projection, stricter], more)).toStrictEqual(nothingFailed);
    expect((await view.contents("joined")).rows).toStrictEqual({});
  });

  it("tries a throttled generation beside the live one a few times before it gives it up", async () => {
    const view = await viewOf("joined", "live");
    const id = newId();
    const events = await views.append(`account-${id}`, [changed({ add: { sum: 1 } })]);
    const throttled = faultyDynamoDB("UpdateItemCommand", failing(2, timeout));
    expect(await projectBatch(view.contextWith(throttled), [view.projection], events)).toStrictEqual(nothingFailed);
    expect(await view.blocked()).toStrictEqual({ joined: undefined, live: undefined });
    expect((await view.contents("joined")).rows).toStrictEqual({ [`${id}/account`]: { sum: 1 } });
  });

  it("blocks nothing when the live generation is throttled: the events are reported, and come again", async () => {
    const view = await viewOf("live");
    const id = newId();
    const events = await views.append(`account-${id}`, [changed({ add: { sum: 1 } })]);
    const throttled = faultyDynamoDB("UpdateItemCommand", failing(1_000, timeout));
    expect(await projectBatch(view.contextWith(throttled), [view.projection], events)).toStrictEqual({
      batchItemFailures: [{ itemIdentifier: `0@account-${id}` }],
    });
    expect(await projectBatch(view.context, [view.projection], events)).toStrictEqual(nothingFailed);
    expect((await view.contents("live")).rows).toStrictEqual({ [`${id}/account`]: { sum: 1 } });
  });

  it("blocks nothing beside a live generation that fails in the same way: the events are reported, and come again", async () => {
    const view = await viewOf("soaking", "live");
    const id = newId();
    const events = await views.append(`account-${id}`, [
      changed({ add: { sum: 1 } }),
      changed({ add: { _engine: 1 } }),
    ]);
    expect(await projectBatch(view.context, [view.projection], events)).toStrictEqual({
      batchItemFailures: [{ itemIdentifier: `1@account-${id}` }],
    });
    expect(await view.blocked()).toStrictEqual({ soaking: undefined, live: undefined });
    expect((await view.contents("soaking")).rows).toStrictEqual((await view.contents("live")).rows);
  });

  it("blocks nothing when the event store is down and a gap cannot be read, also where only one generation has the gap", async () => {
    const view = await viewOf("soaking", "live");
    const id = newId();
    const events = await views.append(`account-${id}`, [changed({ add: { sum: 1 } }), changed({ add: { sum: 1 } })]);
    const [first, second] = events;
    if (first === undefined || second === undefined) throw new Error("two events were appended");
    // The live generation has the first event already.
    const generation = { table: view.tableOf("live"), from: startOfAll };
    await applyEvents({ ...view.context, projection: view.projection, generation }, [first]);
    const eventStore = EventStore.connect("esdb://127.0.0.1:1?tls=false");
    expect(await projectBatch({ ...view.context, eventStore }, [view.projection], [second])).toStrictEqual({
      batchItemFailures: [{ itemIdentifier: `1@account-${id}` }],
    });
    expect(await view.blocked()).toStrictEqual({ soaking: undefined, live: undefined });
    // The live one could take it, and a rollback would take it from its readers again.
    expect((await view.contents("live")).rows).toStrictEqual({ [`${id}/account`]: { sum: 1 } });
    expect(await projectBatch(view.context, [view.projection], [second])).toStrictEqual(nothingFailed);
    const rows = { [`${id}/account`]: { sum: 2 } };
    expect((await view.contents("soaking")).rows).toStrictEqual(rows);
    expect((await view.contents("live")).rows).toStrictEqual(rows);
    await eventStore.dispose();
  });

  it("blocks a generation whose table alone is throttled for longer", async () => {
    const view = await viewOf("joined", "live");
    const id = newId();
    const events = await views.append(`account-${id}`, [changed({ add: { sum: 1 } })]);
    const throttled = faultyDynamoDB("UpdateItemCommand", failing(3, timeout));
    expect(await projectBatch(view.contextWith(throttled), [view.projection], events)).toStrictEqual(nothingFailed);
    expect(await view.blocked()).toStrictEqual({
      joined: expect.stringContaining("DynamoDB") as string,
      live: undefined,
    });
    expect((await view.contents("live")).rows).toStrictEqual({ [`${id}/account`]: { sum: 1 } });
  });

  it("tells the catalog that a generation is passed before the live one is written without it", async () => {
    const view = await viewOf("joined", "live");
    const id = newId();
    const events = await views.append(`account-${id}`, [changed({ add: { sum: 1 } })]);
    const seen: unknown[] = [];
    const throttled = faultyDynamoDB("UpdateItemCommand", async (call) => {
      if (call <= 3) throw timeout();
      const { generations } = await view.catalog.read(view.projection.name);
      seen.push(generations.map(({ behind, pauses }) => ({ behind, pauses })));
      // It is throttled as well, so nothing is known of the other.
      throw timeout();
    });
    expect(await projectBatch(view.contextWith(throttled), [view.projection], events)).toStrictEqual({
      batchItemFailures: [{ itemIdentifier: `0@account-${id}` }],
    });
    expect(seen[0]).toStrictEqual([
      { behind: true, pauses: 1 },
      { behind: undefined, pauses: undefined },
    ]);
    expect(await view.blocked()).toStrictEqual({ joined: undefined, live: undefined });
    // The live one was not written either.
    const [joined] = (await view.catalog.read(view.projection.name)).generations;
    expect([joined?.behind, joined?.pauses]).toStrictEqual([undefined, 1]);
  });

  it("blocks nothing that the table of the live generation refuses in the same way, where rows are shared", async () => {
    const view = await viewOf("soaking", "live");
    const sums: Projection = { ...shared, name: view.projection.name };
    const id = newId();
    for (const role of ["soaking", "live"] as const) {
      const Item = { ...rowItemKey({ partition: "totals", sort: id }), sum: { S: "no number" } };
      await views.dynamodb.send(new PutItemCommand({ TableName: view.tableOf(role), Item }));
    }
    const events = await views.append(`account-${id}`, [counted({ [id]: 1 })]);
    expect(await projectBatch(view.context, [sums], events)).toStrictEqual({
      batchItemFailures: [{ itemIdentifier: `0@account-${id}` }],
    });
    expect(await view.blocked()).toStrictEqual({ soaking: undefined, live: undefined });
    const [soaking] = (await view.catalog.read(view.projection.name)).generations;
    expect(soaking?.behind).toBeUndefined();
  });

  it("blocks what only the other code cannot take before the live generation is written", async () => {
    const view = await viewOf("joined", "live");
    const stricter: Projection = { ...view.projection, version: 2, changes: () => ({ add: { _reserved: 1 } }) };
    const entry = await view.catalog.read(view.projection.name);
    const another = entry.generations.map((each) => (each.role === "joined" ? { ...each, version: 2 } : each));
    await view.catalog.transition(entry, another);
    const events = await views.append(`account-${newId()}`, [changed({ add: { sum: 1 } })]);
    const seen: unknown[] = [];
    const watched = faultyDynamoDB("UpdateItemCommand", async (_call, send) => {
      seen.push(await view.blocked());
      return send();
    });
    const response = await projectBatch(view.contextWith(watched), [view.projection, stricter], events);
    expect(response).toStrictEqual(nothingFailed);
    expect(seen[0]).toStrictEqual({ joined: expect.stringContaining("_reserved") as string, live: undefined });
  });

  it("does not write what was live alone when a swap comes between: it looks at the catalog again", async () => {
    const view = await viewOf("joined", "live");
    const id = newId();
    const events = await views.append(`account-${id}`, [changed({ add: { sum: 1 } })]);
    let swapped = false;
    class SwappedBefore extends Catalog {
      override async transition(...args: Parameters<Catalog["transition"]>): ReturnType<Catalog["transition"]> {
        const [entry] = args;
        if (!swapped) {
          swapped = true;
          const others = { joined: "live", live: "soaking" } as const;
          await super.transition(
            entry,
            entry.generations.map((each) => ({
              ...each,
              role: each.role === "joined" || each.role === "live" ? others[each.role] : each.role,
            })),
          );
        }
        return super.transition(...args);
      }
    }
    const tables: string[] = [];
    const throttled = faultyDynamoDB("UpdateItemCommand", failing(3, timeout));
    throttled.middlewareStack.add(
      (next) => (args) => {
        tables.push((args.input as { TableName?: string }).TableName ?? "");
        return next(args);
      },
      { step: "initialize" },
    );
    const catalog = new SwappedBefore(views.dynamodb, catalogTable);
    const context = { ...view.contextWith(throttled), catalog };
    expect(await projectBatch(context, [view.projection], events)).toStrictEqual(nothingFailed);
    expect(tables.slice(-2)).toStrictEqual([view.tableOf("live"), view.tableOf("joined")]);
    const rows = { [`${id}/account`]: { sum: 1 } };
    expect((await view.contents("joined")).rows).toStrictEqual(rows);
    expect((await view.contents("live")).rows).toStrictEqual(rows);
    expect(await view.blocked()).toStrictEqual({ joined: undefined, live: undefined });
  });

  it("pauses a generation beside the live one that is made by code which is not deployed", async () => {
    const view = await viewOf("soaking", "live");
    const entry = await view.catalog.read(view.projection.name);
    const old = entry.generations.map((each) => (each.role === "soaking" ? { ...each, version: 7 } : each));
    await view.catalog.transition(entry, old);
    const events = await views.append(`account-${newId()}`, [changed({ add: { sum: 1 } })]);
    expect(await projectBatch(view.context, [view.projection], events)).toStrictEqual(nothingFailed);
    expect((await view.catalog.read(view.projection.name)).generations).toMatchObject([
      {
        role: "soaking",
        paused: expect.stringContaining("version 7, which is not deployed") as string,
        pausedBy: "code",
      },
      { role: "live" },
    ]);
    expect(await view.blocked()).toStrictEqual({ soaking: undefined, live: undefined });
  });

  it("goes on when a soaking generation was retired under it, and its table is gone", async () => {
    const view = await viewOf("soaking", "live");
    const id = newId();
    const events = await views.append(`account-${id}`, [changed({ add: { sum: 1 } })]);
    await views.dynamodb.send(new DeleteTableCommand({ TableName: view.tableOf("soaking") }));
    let isFirst = true;
    class RetiredMeanwhile extends Catalog {
      override async read(projection: string): ReturnType<Catalog["read"]> {
        const entry = await super.read(projection);
        if (isFirst)
          await super.transition(
            entry,
            entry.generations.filter(({ role }) => role === "live"),
          );
        isFirst = false;
        return entry;
      }
    }
    const catalog = new RetiredMeanwhile(views.dynamodb, catalogTable);
    expect(await projectBatch({ ...view.context, catalog }, [view.projection], events)).toStrictEqual(nothingFailed);
    expect((await view.contents("live")).rows).toStrictEqual({ [`${id}/account`]: { sum: 1 } });
  });

  it("refuses to write a live generation with other code than made it", async () => {
    const view = await viewOf("live");
    const events = await views.append(`account-${newId()}`, [changed({ add: { sum: 1 } })]);
    const other: Projection = { ...view.projection, version: 2 };
    await expect(projectBatch(view.context, [other], events)).rejects.toThrow(VersionNotDeployedError);
  });

  it("says so when the view has no generation yet", async () => {
    const view = await viewOf();
    const events = await views.append(`account-${newId()}`, [changed({ add: { sum: 1 } })]);
    await expect(projectBatch(view.context, [view.projection], events)).rejects.toThrow(ViewNotPreparedError);
  });
});
