/** The DynamoDB client has deadlines of its own: a server that says nothing holds up nobody for ever. */
import { GetItemCommand } from "@aws-sdk/client-dynamodb";
import { createServer, type Server, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectDynamoDB, translated, ViewsUnavailableError } from "../../../engine/views/dynamodb.ts";

describe("a DynamoDB that accepts connections and says nothing", () => {
  let silent: Server;
  const sockets = new Set<Socket>();

  beforeAll(async () => {
    silent = createServer((socket) => sockets.add(socket));
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  });

  afterAll(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  it("is unavailable, after a bounded number of attempts", async () => {
    const address = silent.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const dynamodb = connectDynamoDB({ region: "eu-central-1", endpoint: `http://127.0.0.1:${port}` });
    const get = new GetItemCommand({ TableName: "catalog", Key: { pk: { S: "a" }, sk: { S: "b" } } });
    await expect(translated(dynamodb.send(get))).rejects.toThrow(ViewsUnavailableError);
    expect(sockets.size).toBe(3);
    dynamodb.destroy();
  });
});
