/** Tables of generations are made and removed by the engine, and doing either twice is no error. */
import { DescribeTableCommand, ListTagsOfResourceCommand, ResourceNotFoundException } from "@aws-sdk/client-dynamodb";
import { describe, expect, it } from "vitest";
import { createGenerationTable, deleteGenerationTable } from "../../../engine/views/generation-table.ts";
import { applyEvents } from "../../../engine/views/live-writer.ts";
import type { Projection } from "../../../engine/views/projection.ts";
import { changed, failing, faultyDynamoDB, newTable, owned, shared, useViews } from "./views-for-test.ts";

const views = useViews();

const listed: Projection = {
  ...owned,
  version: 3,
  indexes: [
    { name: "by-owner", partition: "owner", sort: "rank" },
    { name: "by-rank", partition: "rank", sort: "sk" },
  ],
};

const describeTable = async (table: string) => {
  const { Table } = await views.dynamodb.send(new DescribeTableCommand({ TableName: table }));
  return Table;
};

const hash = (AttributeName: string) => ({ AttributeName, KeyType: "HASH" });
const range = (AttributeName: string) => ({ AttributeName, KeyType: "RANGE" });

describe("making a table", () => {
  it("makes it with its keys, its indexes over whole rows, and its tags, and takes writes at once", async () => {
    const table = newTable();
    await createGenerationTable(views.dynamodb, table, listed);
    const made = await describeTable(table);
    expect(made?.KeySchema).toStrictEqual([hash("pk"), range("sk")]);
    expect(made?.TableStatus).toBe("ACTIVE");
    expect(made?.BillingModeSummary?.BillingMode).toBe("PAY_PER_REQUEST");
    const indexes = made?.GlobalSecondaryIndexes?.map(({ IndexName, KeySchema, Projection, IndexStatus }) => ({
      IndexName,
      KeySchema,
      Projection,
      IndexStatus,
    }));
    const whole = { Projection: { ProjectionType: "ALL" }, IndexStatus: "ACTIVE" };
    expect(indexes?.toSorted((a, b) => ((a.IndexName ?? "") < (b.IndexName ?? "") ? -1 : 1))).toStrictEqual([
      { IndexName: "by-owner", KeySchema: [hash("owner"), range("rank")], ...whole },
      { IndexName: "by-rank", KeySchema: [hash("rank"), range("sk")], ...whole },
    ]);
    const { Tags } = await views.dynamodb.send(new ListTagsOfResourceCommand({ ResourceArn: made?.TableArn ?? "" }));
    expect(new Map(Tags?.map(({ Key, Value }) => [Key, Value]))).toStrictEqual(
      new Map([
        ["tidemark:projection", "owned"],
        ["tidemark:version", "3"],
      ]),
    );
  });

  it("makes no index for a view that has none", async () => {
    const table = newTable();
    await createGenerationTable(views.dynamodb, table, shared);
    expect((await describeTable(table))?.GlobalSecondaryIndexes).toBeUndefined();
  });

  it("twice, or by two at once, finds it there with what is in it", async () => {
    const table = newTable();
    await Promise.all([1, 2].map(() => createGenerationTable(views.dynamodb, table, listed)));
    const writer = { ...(await views.writer(listed)), generation: { table, from: { commit: 0n, prepare: 0n } } };
    await applyEvents(writer, await views.append("account-kept", [changed({ set: { owner: "ada", rank: "r1" } })]));
    const before = await views.contents(writer);
    await createGenerationTable(views.dynamodb, table, listed);
    expect(await views.contents(writer)).toStrictEqual(before);
    expect(before.rows).toStrictEqual({ "kept/account": { owner: "ada", rank: "r1" } });
  });

  it("waits for a table that DynamoDB does not describe yet", async () => {
    const table = newTable();
    const unknown = (): Error => new ResourceNotFoundException({ $metadata: {}, message: "injected" });
    const dynamodb = faultyDynamoDB("DescribeTableCommand", failing(1, unknown));
    await createGenerationTable(dynamodb, table, listed);
    expect((await describeTable(table))?.TableStatus).toBe("ACTIVE");
    dynamodb.destroy();
  });

  it("waits until backups can be switched on, and does without where there are none", async () => {
    for (const name of ["ContinuousBackupsUnavailableException", "UnknownOperationException"]) {
      let calls = 0;
      const dynamodb = faultyDynamoDB("UpdateContinuousBackupsCommand", (call, send) => {
        calls = call;
        return failing(1, () => Object.assign(new Error("injected"), { name }))(call, send);
      });
      await createGenerationTable(dynamodb, newTable(), shared);
      expect([name, calls]).toStrictEqual([name, name === "UnknownOperationException" ? 1 : 2]);
      dynamodb.destroy();
    }
  });
});

describe("removing a table", () => {
  it("removes it, and a second time is no error", async () => {
    const table = newTable();
    await createGenerationTable(views.dynamodb, table, shared);
    await deleteGenerationTable(views.dynamodb, table);
    await expect(describeTable(table)).rejects.toThrow(ResourceNotFoundException);
    await deleteGenerationTable(views.dynamodb, table);
    await deleteGenerationTable(views.dynamodb, newTable());
  });
});
