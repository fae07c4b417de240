import { createServer, type Server } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventStore } from "../../functions/event-store-connection.ts";
import { SettingsError, SettingsUnavailableError } from "../../functions/settings.ts";
import { type EventStoreServer, startEventStore } from "../../local/eventstoredb/event-store-server.ts";

/** Speaks as much of SSM as GetParameter: there is no SSM on one machine. */
describe("the connection to the event store", () => {
  const requests: unknown[] = [];
  let answer: { status: number; body: unknown } = { status: 400, body: { __type: "AccessDeniedException" } };
  let ssm: Server;
  let server: EventStoreServer;

  beforeAll(async () => {
    server = await startEventStore();
    ssm = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        requests.push([request.headers["x-amz-target"], JSON.parse(body)]);
        response
          .writeHead(answer.status, { "content-type": "application/x-amz-json-1.1" })
          .end(JSON.stringify(answer.body));
      });
    });
    await new Promise<void>((resolve) => ssm.listen(0, "127.0.0.1", resolve));
    const address = ssm.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    Object.assign(process.env, {
      EVENTSTORE_CONNECTION_STRING: "",
      EVENTSTORE_CONNECTION_STRING_PARAMETER: "/tidemark/event-store",
      AWS_REGION: "eu-central-1",
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
      AWS_ENDPOINT_URL_SSM: `http://127.0.0.1:${port}`,
    });
  });

  afterAll(async () => {
    await (await eventStore()).dispose();
    await new Promise((resolve) => ssm.close(resolve));
    await server.stop();
  });

  it("says so when the parameter cannot be read", async () => {
    await expect(eventStore()).rejects.toThrow(SettingsUnavailableError);
  });

  it("does not quote a malformed connection string, as it holds a password", async () => {
    answer = { status: 200, body: { Parameter: { Value: "esdb//admin:changeit@host" } } };
    const connecting = eventStore();
    await expect(connecting).rejects.toThrow(SettingsError);
    await expect(connecting).rejects.not.toThrow("changeit");
  });

  it("is made once, by a parameter that is decrypted, and after a failure is tried again", async () => {
    answer = { status: 200, body: { Parameter: { Value: server.connectionString } } };
    requests.length = 0;
    const [one, two] = await Promise.all([eventStore(), eventStore()]);
    expect(await eventStore()).toBe(one);
    expect(two).toBe(one);
    expect(requests).toStrictEqual([
      ["AmazonSSM.GetParameter", { Name: "/tidemark/event-store", WithDecryption: true }],
    ]);
    expect(await one.lastEvent("order-none")).toBe(undefined);
  });
});
