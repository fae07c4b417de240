/** Damage to dynoxide's file is told before the server starts; a write-ahead log that a kill -9 left is none. */
import { CreateTableCommand, type DynamoDBClient, PutItemCommand, ScanCommand } from "@aws-sdk/client-dynamodb";
import { mkdtemp, open, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connectDynamoDB } from "../../../engine/views/dynamodb.ts";
import { type DynamoDBServer, refuseDamagedData, startDynamoDB } from "../../../local/dynamodb/dynamodb-server.ts";

const TableName = "things";
const engine = "dynoxide";
const keys = Array.from({ length: 200 }, (_, index) => index.toString().padStart(3, "0"));

describe("the file of dynoxide", () => {
  let dataDirectory: string;
  let file: string;
  let dynamodb: DynamoDBClient;

  beforeEach(async () => {
    dataDirectory = await mkdtemp(join(tmpdir(), "tidemark-dynamodb-"));
    file = join(dataDirectory, "dynamodb.sqlite");
    const server = await startDynamoDB({ engine, dataDirectory });
    await write(server);
    // A write-ahead log stays, with all that was written.
    process.kill(server.pid, "SIGKILL");
    await expect.poll(() => isGone(server.pid)).toBe(true);
  });

  afterEach(async () => {
    await rm(dataDirectory, { recursive: true, force: true });
  });

  async function write(server: DynamoDBServer): Promise<void> {
    dynamodb = connectDynamoDB({ region: "eu-central-1", endpoint: server.endpoint });
    await dynamodb.send(
      new CreateTableCommand({
        TableName,
        BillingMode: "PAY_PER_REQUEST",
        AttributeDefinitions: [{ AttributeName: "pk", AttributeType: "S" }],
        KeySchema: [{ AttributeName: "pk", KeyType: "HASH" }],
      }),
    );
    for (const pk of keys) {
      const Item = { pk: { S: pk }, text: { S: "-".repeat(700) } };
      await dynamodb.send(new PutItemCommand({ TableName, Item }));
    }
    dynamodb.destroy();
  }

  async function written(): Promise<(string | undefined)[]> {
    const server = await startDynamoDB({ engine, dataDirectory });
    dynamodb = connectDynamoDB({ region: "eu-central-1", endpoint: server.endpoint });
    const { Items = [] } = await dynamodb.send(new ScanCommand({ TableName, ConsistentRead: true }));
    dynamodb.destroy();
    await server.stop();
    return Items.map(({ pk }) => pk?.S).sort();
  }

  /** The log written into the file, as a server that ends in peace leaves it. */
  async function atRest(): Promise<void> {
    const server = await startDynamoDB({ engine, dataDirectory });
    await server.stop();
    expect(await sizeOf(`${file}-wal`)).toBe(0);
    expect(await sizeOf(file)).toBeGreaterThan(100_000);
  }

  const sayingWhatToDo = (where: string): object => ({
    name: "DynamoDBServerError",
    code: "DYNAMODB_DATA_DAMAGED",
    message:
      `${where} is damaged. Restore it from a backup; or remove ${file}, and with it its -wal and -shm, and start ` +
      "again: npm start prepares the views again, from the log. The file was left as it is.",
  });

  it("loses nothing after a kill -9: the check reads its write-ahead log and changes neither", async () => {
    const before = await Promise.all([readFile(file), readFile(`${file}-wal`)]);
    expect(before[1].length).toBeGreaterThan(100_000);
    refuseDamagedData(dataDirectory, engine);
    const after = await Promise.all([readFile(file), readFile(`${file}-wal`)]);
    expect(after.map((bytes, index) => bytes.equals(before[index] ?? Buffer.of()))).toStrictEqual([true, true]);
    expect(await written()).toStrictEqual(keys);
  });

  it("is right after a kill -9 without its index, and once the log was written into it", async () => {
    await rm(`${file}-shm`);
    refuseDamagedData(dataDirectory, engine);
    await atRest();
    refuseDamagedData(dataDirectory, engine);
    expect(await written()).toStrictEqual(keys);
  });

  it.each(["a file that is not there", "a file that is empty"])("is right to start on: %s", async (what) => {
    await Promise.all(["", "-wal", "-shm"].map((suffix) => rm(`${file}${suffix}`, { force: true })));
    if (what === "a file that is empty") await writeFile(file, "");
    const server = await startDynamoDB({ engine, dataDirectory });
    await server.stop();
  });

  it("is refused with a damaged head, before a server starts", async () => {
    await atRest();
    await overwrite(file, 0, 100);
    const before = await readFile(file);
    expect(() => refuseDamagedData(dataDirectory, engine)).toThrow(expect.objectContaining(sayingWhatToDo(file)));
    await expect(startDynamoDB({ engine, dataDirectory })).rejects.toMatchObject(sayingWhatToDo(file));
    expect((await readFile(file)).equals(before)).toBe(true);
  });

  it("is refused when it is damaged in the middle, where a server would start and fail every request", async () => {
    await atRest();
    await overwrite(file, Math.floor((await sizeOf(file)) / 2), 16_384);
    await expect(startDynamoDB({ engine, dataDirectory })).rejects.toMatchObject(sayingWhatToDo(file));
  });

  it("is refused when it was cut short", async () => {
    await atRest();
    await truncate(file, Math.floor((await sizeOf(file)) / 2));
    await expect(startDynamoDB({ engine, dataDirectory })).rejects.toMatchObject(sayingWhatToDo(file));
  });

  it("is refused when its write-ahead log is damaged, whose end a server would drop", async () => {
    await overwrite(`${file}-wal`, Math.floor((await sizeOf(`${file}-wal`)) / 2), 100);
    await expect(startDynamoDB({ engine, dataDirectory })).rejects.toMatchObject(sayingWhatToDo(`${file}-wal`));
  });
});

async function sizeOf(path: string): Promise<number> {
  return (await readFile(path).catch(() => Buffer.of())).length;
}

async function overwrite(path: string, at: number, length: number): Promise<void> {
  const handle = await open(path, "r+");
  await handle.write(Buffer.alloc(length, 0xa5), 0, length, at);
  await handle.close();
}

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}
